//! Everything that runs in the process that holds a home.

use crate::active_runs::ActiveRuns;
use crate::candidate::Reviewed;
use crate::component_settings::SettingSources;
use crate::config_check;
use crate::configuration::{AtStart, Config, Configuration, Followed, Unusable, VAULT_STORE, Watcher};
use crate::content_key;
use crate::current_components::Live;
use crate::error::{Error, ErrorKind, Result, error, fail};
use crate::event::{Events, Scope};
use crate::home_files::HomeFiles;
use crate::installed::{BuiltIn, Installed, Plugins};
use crate::messages::Sent;
use crate::password::Password;
use crate::request_secrets::RequestSecrets;
use crate::variables::{Brought, Environment, Variables};
use cara_authority::ComponentId;
use cara_kernel::{CallServices, Checked, CompiledCache, Component, HostServices, Kernel};
use cara_records::Records;
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets, Transport};
use cara_services::files::{self, FileLock};
use cara_services::home::Home;
use cara_services::keys::{self, KeyName};
use cara_services::ledger::{Ledger, LedgerError};
use cara_services::vault::{SecretValue, StoreKind, Vault, VaultOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long changes that go on are waited for when the process ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a process that holds a home is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A process that was started to hold the home, until it is told to end.
    Daemon,
    /// A conversation: it ends when its person leaves it.
    Chat,
    /// A command: it ends when it is done.
    Command,
}

/// Having a `HomeLock` tells you: this process holds the home, and no other does as long as you have it.
#[derive(Debug)]
pub struct HomeLock {
    home: Home,
    _lock: FileLock,
}

impl HomeLock {
    /// The lock of a home; none when another process holds it. The system lets go of it when a process ends, however it
    /// ends.
    pub fn take(home: &Home) -> Result<Option<Self>> {
        let lock = files::try_lock(&home.holder_lock())?;
        Ok(lock.map(|lock| Self { home: home.clone(), _lock: lock }))
    }
}

/// How an application is opened.
pub struct Options {
    /// The lock of its home.
    pub lock: HomeLock,
    /// What is built into this program.
    pub built_in: BuiltIn,
    /// Where the key of a new vault shall come from, whatever the configuration says.
    pub store: Option<StoreKind>,
    /// Secrets that are taken out of all texts.
    pub known: KnownSecrets,
    /// What was typed to start this process: `cara chat`, `cara start`.
    pub command: String,
    /// What this process is to others.
    pub role: Role,
}

/// Everything that runs.
pub struct Application {
    pub(crate) home: Home,
    pub(crate) command: String,
    pub(crate) role: Role,
    pub(crate) settings: Followed,
    /// What was read once of the configuration.
    at_start: AtStart,
    /// Tells of changes of the configuration; where it cannot, they are seen when it is used.
    _watcher: Option<Watcher>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) password: Password,
    pub(crate) services: CallServices,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) environment: Environment,
    pub(crate) events: Events,
    pub(crate) under_way: ActiveRuns,
    pub(crate) sent: Sent,
    pub(crate) reviewed: Reviewed,
    /// Names this process in the ledger.
    pub(crate) process: String,
    pub(crate) began_ms: u64,
    /// What changes something and goes on, whether or not somebody waits for it.
    pub(crate) work: TaskTracker,
    /// Ends the process, once what is under way has ended.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the ledger is closed: what fails from then on fails because of that.
    closed: CancellationToken,
    records: OnceCell<Records>,
    /// Let go of last.
    _lock: HomeLock,
}

/// The memory of this machine in bytes, where it says so.
fn machine_memory() -> Option<u64> {
    let told = files::read_capped(Path::new("/proc/meminfo"), 64 << 10).ok()??;
    let line = std::str::from_utf8(&told).ok()?.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

impl Application {
    /// Starts all parts. Nothing is compiled and no password is asked for yet.
    pub fn open(options: Options) -> Result<Arc<Self>> {
        let Options { lock, built_in, store, known, command, role } = options;
        let home = lock.home.clone();
        let settings = Followed::open(home.config());
        // A file that cannot be read stops what needs it, not what mends it.
        let config = settings.read().unwrap_or_default();
        let at_start = AtStart::of(&config);
        let clock = Clock::system();
        let ledger = Arc::new(Ledger::lazy(home.ledger(), clock, keys::audit(&home)?));
        let password = Password::new(settings.clone());
        let (prompt, seen) = (password.clone(), known.clone());
        let mut vault = VaultOptions::new(
            move |_, _: &Path| prompt.give(),
            Arc::new(move |value: &Arc<SecretValue>| seen.register(value)),
        );
        vault.choice = store.or(config.vault.store);
        let vault = Arc::new(Vault::new(&home, vault));
        let key = keys::read_or_make(&home, KeyName::CompiledCode)?;
        let cache = Arc::new(CompiledCache::new(home.cache_dir(), &key));
        let kernel = Kernel::new(config.pool.size(machine_memory()))
            .map_err(|error| error!(Internal, "the sandbox cannot be started: {error:#}"))?;
        let events = Events::new(Scope::Home);
        let plugins = Arc::new(Plugins::open(&home, built_in, kernel, cache, ledger.clone(), events.clone())?);
        let (checked, shown) = (plugins.clone(), home.config().display().to_string());
        settings.checked_by(Box::new(move |config| config_check::check(&checked, config, &shown)));
        let watcher =
            settings.watch(&events).map_err(|error| tracing::warn!(%error, "the configuration is not watched"));
        // What was started to hold the home has the home's environment; any other command has its person's.
        let environment = Environment::of_home(role == Role::Daemon);
        let brought = Brought::of(&environment);
        let secrets =
            RequestSecrets { plugins: plugins.clone(), vault: vault.clone(), ledger: ledger.clone(), brought };
        let services = CallServices {
            egress: Egress::new(known, Transport::system()),
            secrets: Arc::new(secrets),
            ledger: ledger.clone(),
            clock,
            account: None,
            host_services: HostServices::default(),
        };
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        Ok(Arc::new(Self {
            home,
            command,
            role,
            settings,
            at_start,
            _watcher: watcher.ok(),
            ledger,
            vault,
            password,
            services,
            plugins,
            environment,
            events,
            under_way: ActiveRuns::default(),
            sent: Sent::default(),
            reviewed: Reviewed::default(),
            process: hex::encode(random),
            began_ms: clock.now_ms(),
            work: TaskTracker::new(),
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
            records: OnceCell::new(),
            _lock: lock,
        }))
    }

    /// What concerns the home as a whole, whoever it is told to.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Is cancelled when somebody wants the process to end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits until no run is under way.
    pub async fn idle(&self) {
        self.under_way.ended().await;
    }

    /// Ends everything: runs that go on are left to be resumed, each after the call that it makes.
    pub async fn close(&self) {
        self.under_way.leave().await;
        self.work.close();
        if tokio::time::timeout(PATIENCE, self.work.wait()).await.is_err() {
            tracing::warn!("changes that go on are cut off");
        }
        self.closed.cancel();
        self.ledger.close().await;
    }

    /// A failure as its caller has to see it: what went on while this process closed can be asked of the next one.
    pub(crate) fn failed(&self, error: Error) -> Error {
        if self.closed.is_cancelled() { error.kind(ErrorKind::Unknown) } else { error }
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Result<Arc<Config>> {
        self.settings.now(&self.events)
    }

    /// Whether each component that has a table in the configuration is there.
    pub(crate) fn check_components(&self) -> Result<()> {
        config_check::components(&self.plugins, &*self.config()?, &self.home.config().display().to_string())
    }

    /// Whether each name in the policy is one of something.
    pub(crate) fn check_policy(&self) -> Result<()> {
        config_check::policy(&self.plugins, &*self.config()?, &self.home.config().display().to_string())
    }

    /// How the configuration stands.
    pub fn configuration(&self) -> Configuration {
        let (_, bad) = self.settings.text(&self.events);
        let now = self.settings.read();
        let waits = now.map(|now| self.at_start.waits(&now)).unwrap_or_default();
        Configuration {
            path: self.home.config().display().to_string(),
            problem: bad.map(|bad| bad.error),
            from_next_start: waits.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Says that what the file says does not count, to whoever begins something under what counted before.
    pub(crate) fn say_configuration(&self, events: &Events) {
        if let (_, Some(Unusable { error, of_before: true })) = self.settings.text(&self.events) {
            events.note(format!("{}; the configuration of before stays in use", error.message));
        }
    }

    /// Whether a vault that is made now is made where the configuration says: that was read when this process began.
    pub(crate) fn check_vault(&self) -> Result<()> {
        if self.at_start.waits(&*self.config()?).contains(&VAULT_STORE) {
            fail!(
                Conflict,
                "`{VAULT_STORE}` was changed since this process began, and counts from its next start\n\
                 hint: `cara stop`, and do it again"
            );
        }
        Ok(())
    }

    /// What is kept of conversations. The first call needs the vault where the operator sealed the key.
    pub(crate) async fn records(&self) -> Result<&Records> {
        let open = async {
            let key = content_key::content_key(&self.home, &self.vault, &self.ledger).await?;
            let records = match Records::open(&self.ledger, key).await {
                Err(error @ LedgerError::WrongKey(_)) => {
                    content_key::other(&self.home, &self.vault, &self.ledger, error).await?
                }
                opened => opened?,
            };
            // Whoever held the home before is gone, and its runs can be taken up.
            for run in records.unfinished_runs().await?.iter().filter(|run| run.process != self.process) {
                records.release_process(&run.process).await?;
            }
            Ok::<_, Error>(records)
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

    /// What the calls of a request share: it spends no secret that another one brought along.
    pub(crate) fn services_for(&self, brought: &Brought) -> CallServices {
        let secrets = RequestSecrets {
            plugins: self.plugins.clone(),
            vault: self.vault.clone(),
            ledger: self.ledger.clone(),
            brought: brought.clone(),
        };
        let egress = match &brought.environment.known {
            Some(known) => self.services.egress.knowing(known.clone()),
            None => self.services.egress.clone(),
        };
        CallServices { egress, secrets: Arc::new(secrets), ..self.services.clone() }
    }

    /// What says how components' settings are set now.
    pub(crate) fn around(&self) -> Result<SettingSources> {
        self.around_in(&self.environment)
    }

    /// What says how components' settings are set for a request with this environment.
    pub(crate) fn around_in(&self, environment: &Environment) -> Result<SettingSources> {
        let (config, installed) = (self.config()?, self.installed()?);
        Ok(SettingSources { config, installed, environment: environment.clone() })
    }

    /// What a request brings along. Its secrets are taken out of its own texts.
    pub(crate) fn brought(&self, settings: &BTreeMap<String, String>, variables: &Variables) -> Result<Brought> {
        let mut environment = self.environment.with(variables.clone());
        if !variables.0.is_empty() {
            let installed = self.installed()?;
            let all = self.plugins.manifests(&installed);
            environment.hide(self.services.egress.known(), all.flat_map(|manifest| manifest.secrets()));
        }
        Ok(Brought { settings: settings.clone(), environment })
    }

    /// What is installed, granted and configured, for a request with this environment, followed while it changes.
    pub(crate) fn live(&self, environment: &Environment) -> Live {
        Live {
            plugins: self.plugins.clone(),
            ledger: self.ledger.clone(),
            settings: self.settings.clone(),
            environment: environment.clone(),
            events: self.events.clone(),
            vault: self.vault.clone(),
        }
    }
}
