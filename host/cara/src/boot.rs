//! Puts the parts together: the one file that knows every one of them.

use crate::config::Config;
use crate::content_key::content_key;
use crate::passwords::vault_password;
use crate::process::Process;
use crate::show;
use anyhow::{Context, Result, anyhow};
use cara_authority::{ComponentId, Refusal, Rule, SecretGrant};
use cara_bundle::Embedded;
use cara_kernel::{CallServices, Checked, CompiledCache, Component, Kernel, NoTurn, PoolSize, Registry, SecretSource};
use cara_services::clock::Clock;
use cara_services::egress::{Doors, Egress, KnownSecrets};
use cara_services::files;
use cara_services::home::Home;
use cara_services::ledger::{Ledger, Records};
use cara_services::vault::{SecretId, SecretValue, Vault, VaultOptions, local_key};
use cara_signing::{Bundle, Package, TrustStore, TrustedKey, verify};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::OnceCell;

/// Everything that runs.
pub(crate) struct Cara {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) services: CallServices,
    /// The installed components, checked; by id.
    pub(crate) installed: BTreeMap<ComponentId, Arc<Checked>>,
    /// This process, in the ledger: the name of a lock it holds.
    pub(crate) process: Process,
    records: OnceCell<Records>,
    kernel: Kernel,
    cache: Arc<CompiledCache>,
    registry: Registry,
}

impl Cara {
    /// Starts all parts. Nothing is compiled and no password is asked for yet.
    pub(crate) fn start(log: Option<&str>) -> Result<Self> {
        let known = KnownSecrets::new();
        crate::logging::start(log, &known)?;
        let home = Home::locate(std::env::var_os("CARA_HOME").filter(|value| !value.is_empty()))?;
        let config = Config::read(&home.config())?;
        let clock = Clock::system();
        let ledger = Arc::new(Ledger::lazy(home.ledger(), clock, local_key(home.path(), "audit")?));
        let mut options = VaultOptions::new(vault_password);
        options.choice = config.vault.store;
        let vault = Arc::new(Vault::open(&home.vault_dir(), options)?);
        let secrets = Arc::new(VaultSource(vault.clone()));
        let egress = Egress::new(known.clone(), Doors::system());
        let services = CallServices { egress, secrets, ledger: ledger.clone(), clock, known, powers: Arc::new(NoTurn) };
        let key = local_key(home.path(), "compiled-code")?;
        let cache = Arc::new(CompiledCache::new(home.cache_dir(), &key));
        let kernel =
            Kernel::new(PoolSize::default()).map_err(|error| anyhow!("the sandbox cannot be started: {error:#}"))?;
        let installed = installed(&trust(&home)?)?;
        let process = Process::begin(&home)?;
        let (registry, records) = (Registry::default(), OnceCell::new());
        Ok(Self { home, config, ledger, vault, services, installed, process, records, kernel, cache, registry })
    }

    /// What is kept of conversations. The first call may ask for the vault's password.
    pub(crate) async fn records(&self) -> Result<&Records> {
        let open = async {
            let (home, vault) = (self.home.clone(), self.vault.clone());
            let key = tokio::task::spawn_blocking(move || content_key(&home, &vault)).await??;
            Ok::<_, anyhow::Error>(self.ledger.records(key).await?)
        };
        self.records.get_or_try_init(|| open).await
    }

    /// A component, which its first call loads. When its code must be compiled first, all others' is too, in parallel,
    /// with a progress bar.
    pub(crate) async fn component(&self, id: &ComponentId) -> Result<Arc<Component>> {
        if let Some(component) = self.registry.get(id) {
            return Ok(component);
        }
        let checked = self.checked(id)?.clone();
        if !self.kernel.is_compiled(&checked, &self.cache) {
            self.compile_all().await?;
        }
        let component = Component::lazy(&self.kernel, checked, self.cache.clone());
        self.registry.insert(component.clone());
        Ok(component)
    }

    /// An installed component.
    pub(crate) fn checked(&self, id: &ComponentId) -> Result<&Arc<Checked>> {
        self.installed.get(id).ok_or_else(|| {
            let known: Vec<String> = self.installed.keys().map(|id| format!("`{id}`")).collect();
            anyhow!("component `{id}` is not installed\nhint: installed are {}", known.join(", "))
        })
    }

    async fn compile_all(&self) -> Result<()> {
        let kernel = &self.kernel;
        let missing: Vec<_> =
            self.installed.values().filter(|checked| !kernel.is_compiled(checked, &self.cache)).collect();
        let bar = show::progress(missing.len() as u64, "preparing components");
        let mut tasks = tokio::task::JoinSet::new();
        for checked in missing {
            let (kernel, cache, checked) = (kernel.clone(), self.cache.clone(), checked.clone());
            tasks.spawn_blocking(move || kernel.compile(&checked, &cache));
        }
        while let Some(compiled) = tasks.join_next().await {
            compiled??;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// Who is trusted: the key this build was signed with, for what is built in, and whom the operator added.
fn trust(home: &Home) -> Result<TrustStore> {
    let path = home.trust();
    let text = files::read_capped(&path, TrustStore::MAX_BYTES as u64)?.unwrap_or_default();
    let text = String::from_utf8(text).with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    let mut store = TrustStore::from_toml(&text).with_context(|| format!("`{}` cannot be used", path.display()))?;
    let patterns =
        cara_bundle::components().iter().map(|built_in| built_in.id.parse()).collect::<Result<Vec<_>, _>>()?;
    let key = cara_signing::PublicKey::from_pem(cara_bundle::public_key())?;
    store.add(TrustedKey::new(key, "built-in", patterns)?)?;
    Ok(store)
}

/// Verifies what is built in, on all cores: its digests are most of the time of a start.
fn installed(trust: &TrustStore) -> Result<BTreeMap<ComponentId, Arc<Checked>>> {
    let all = cara_bundle::components();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut checked = Vec::new();
        while let Some(built_in) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            checked.push(verified(built_in, trust)?);
        }
        Ok::<_, anyhow::Error>(checked)
    };
    let parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(all.len())).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others = others.into_iter().map(|thread| thread.join().expect("a panic here is a bug"));
        std::iter::once(own).chain(others).collect::<Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().map(|checked| (checked.manifest().id().clone(), Arc::new(checked))).collect())
}

fn verified(built_in: &Embedded, trust: &TrustStore) -> Result<Checked> {
    let package = Package::read(built_in.component()?)?;
    let bundle = Bundle::from_json(built_in.bundle_json)?;
    Ok(Checked::new(verify(package, &bundle, trust, None)?)?)
}

/// Secrets from the vault; its calls block, and may wait for a person to type a password.
struct VaultSource(Arc<Vault>);

#[async_trait::async_trait]
impl SecretSource for VaultSource {
    async fn value(&self, grant: &SecretGrant) -> Result<Arc<SecretValue>, Refusal> {
        let id = SecretId { component: grant.component().clone(), name: grant.name().clone() };
        let (vault, wanted) = (self.0.clone(), id.clone());
        let found = tokio::task::spawn_blocking(move || vault.get(&wanted)).await;
        let refuse = |text: String| Refusal::new(Rule::Unavailable, text);
        match found {
            Ok(Ok(Some(value))) => Ok(value),
            Ok(Ok(None)) => Err(refuse(format!("no value is stored for secret `{id}`"))
                .hint(format!("to store one, run `cara secrets set {id}`"))),
            Ok(Err(error)) => Err(refuse(error.to_string())),
            Err(error) => Err(refuse(format!("the vault did not answer: {error}"))),
        }
    }
}
