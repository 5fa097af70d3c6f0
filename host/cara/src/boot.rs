//! Puts the parts together: the one file that knows every one of them.

use crate::config::Config;
use crate::content_key;
use crate::live::Live;
use crate::passwords::vault_password;
use crate::places::Places;
use crate::plugins::{Installed, Plugins};
use crate::process::Process;
use anyhow::{Result, anyhow};
use cara_authority::{AccountId, ComponentId, Refusal, Rule, SecretGrant};
use cara_kernel::{CallServices, Checked, CompiledCache, Component, HostServices, Kernel, SecretSource};
use cara_records::Records;
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets, Transport};
use cara_services::files;
use cara_services::home::Home;
use cara_services::keys::{self, KeyName};
use cara_services::ledger::{Ledger, LedgerError};
use cara_services::vault::{SecretId, SecretValue, StoreKind, Vault, VaultOptions};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Everything that runs.
pub(crate) struct Cara {
    pub(crate) home: Home,
    pub(crate) config: Arc<Config>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) services: CallServices,
    /// What is installed.
    pub(crate) plugins: Arc<Plugins>,
    /// This process, in the ledger: the name of a lock it holds.
    pub(crate) process: Process,
    records: OnceCell<Records>,
}

/// The memory of this machine in bytes, where it says so.
fn machine_memory() -> Option<u64> {
    let told = files::read_capped(Path::new("/proc/meminfo"), 64 << 10).ok()??;
    let line = std::str::from_utf8(&told).ok()?.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

impl Cara {
    /// Starts all parts. Nothing is compiled and no password is asked for yet.
    pub(crate) fn start(log: Option<&str>, store: Option<StoreKind>) -> Result<Self> {
        let known = KnownSecrets::new();
        crate::logging::start(log, &known)?;
        Self::at(Home::locate(std::env::var_os("CARA_HOME").filter(|value| !value.is_empty()))?, known, store)
    }

    /// Starts all parts in this home, the vault's key in `store` where the configuration says otherwise.
    pub(crate) fn at(home: Home, known: KnownSecrets, store: Option<StoreKind>) -> Result<Self> {
        let config = Config::read(&home.config())?;
        let clock = Clock::system();
        let ledger = Arc::new(Ledger::lazy(home.ledger(), clock, keys::audit(&home)?));
        let file = config.vault.password_file.clone();
        let prompt = move |purpose, vault: &Path| vault_password(purpose, vault, file.as_deref());
        let seen = known.clone();
        let mut options = VaultOptions::new(prompt, Arc::new(move |value| seen.register(value)));
        options.choice = store.or(config.vault.store);
        let vault = Arc::new(Vault::new(&home, options));
        let secrets = Arc::new(VaultSource(vault.clone()));
        let egress = Egress::new(known.clone(), Transport::system());
        let (account, host_services) = (None, HostServices::default());
        let services = CallServices { egress, secrets, ledger: ledger.clone(), clock, account, known, host_services };
        let key = keys::read_or_make(&home, KeyName::CompiledCode)?;
        let cache = Arc::new(CompiledCache::new(home.cache_dir(), &key));
        let kernel = Kernel::new(config.pool.size(machine_memory()))
            .map_err(|error| anyhow!("the sandbox cannot be started: {error:#}"))?;
        let plugins = Arc::new(Plugins::open(&home, kernel, cache, ledger.clone())?);
        let (process, config) = (Process::begin(&home)?, Arc::new(config));
        Ok(Self { home, config, ledger, vault, services, plugins, process, records: OnceCell::new() })
    }

    /// What is kept of conversations. The first call may ask for the vault's password, where the operator sealed the key.
    pub(crate) async fn records(&self) -> Result<&Records> {
        let open = async {
            let key = content_key::content_key(&self.home, &self.vault, &self.ledger).await?;
            match Records::open(&self.ledger, key).await {
                Err(error @ LedgerError::WrongKey(_)) => content_key::other(self, error).await,
                opened => Ok(opened?),
            }
        };
        self.records.get_or_try_init(|| open).await
    }

    /// A component, as it is to be called now.
    pub(crate) async fn component(&self, id: &ComponentId) -> Result<Arc<Component>> {
        self.plugins.component(id).await
    }

    /// What is installed and may be called, by id.
    pub(crate) fn installed(&self) -> Result<Arc<Installed>> {
        self.plugins.now()
    }

    /// An installed component.
    pub(crate) fn checked(&self, id: &ComponentId) -> Result<Arc<Checked>> {
        self.plugins.checked(id)
    }

    /// What is installed, granted and configured, followed while it changes.
    pub(crate) fn live(&self) -> Live {
        Live {
            plugins: self.plugins.clone(),
            ledger: self.ledger.clone(),
            config: self.config.clone(),
            vault: self.vault.clone(),
        }
    }
}

/// Secrets from the vault, as far as nobody has to type: a run opens the vault before it calls what needs it.
struct VaultSource(Arc<Vault>);

#[async_trait::async_trait]
impl SecretSource for VaultSource {
    async fn value(&self, grant: &SecretGrant, account: Option<&AccountId>) -> Result<Arc<SecretValue>, Refusal> {
        let id = SecretId::component(grant.component()?.clone(), grant.name().clone()).of(account.cloned());
        let refuse = |text: String| Refusal::new(Rule::Unavailable, text);
        let found = self.0.at_hand(&id).map_err(|error| refuse(error.to_string()))?;
        if let Some(value) = found {
            return Ok(value);
        }
        Err(match self.0.holds(&id) {
            Ok(true) => refuse(format!("the vault is not open, and secret `{id}` is in it"))
                .hint("run in a terminal, or set `CARA_VAULT_PASSWORD` or `CARA_VAULT_PASSWORD_FILE`, and begin again"),
            Ok(false) => refuse(format!("no value is stored for secret `{id}`"))
                .hint(format!("to store one, run `cara secrets set {id}`")),
            Err(error) => refuse(error.to_string()),
        })
    }
}
