//! Everything that runs in the process that holds a home.
//!
//! ```text
//! Application ─┬─ Holder: this process, its lock, its end        ├─ ActiveRuns, Records: conversations and runs
//!              ├─ InUse: the configuration that it goes by       └─ Reviewed, Password: what waits for a person
//!              └─ Live: what is installed, granted, stored and set now; each request takes it with its own environment
//! ```

use crate::accounts::Accounts;
use crate::active_runs::ActiveRuns;
use crate::anchor_state::Anchoring;
use crate::background_responses::BackgroundResponses;
use crate::call_journal::{self, Journal};
use crate::candidate::Reviewed;
use crate::change::Topic;
use crate::collector::Collector;
use crate::component_settings::SettingSources;
use crate::config_check;
use crate::configuration::{Config, Configuration, Followed, InUse};
use crate::content_key;
use crate::conversations::Conversations;
use crate::credentials::Credentials;
use crate::current_components::Live;
use crate::entries::Entries;
use crate::error::{Error, Result, error};
use crate::event::{Events, Scope};
use crate::holder::{Holder, HomeLock, Role};
use crate::home_files::HomeFiles;
use crate::installed::{BuiltIn, Installed, Plugins};
use crate::known_people;
use crate::machine;
use crate::messages::{self, Console};
use crate::metrics::Metrics;
use crate::password::Password;
use crate::preparations::Preparations;
use crate::reachable::Doors;
use crate::request_secrets::RequestSecrets;
use crate::telemetry::{Spans, Telemetry};
use crate::variables::{Brought, Environment, Variables};
use cara_authority::ComponentId;
use cara_channels::{Channel, Pace, drive};
use cara_kernel::{CallServices, Checked, CompiledCache, Component, HostServices, Kernel};
use cara_records::Records;
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets, Transport};
use cara_services::home::Home;
use cara_services::keys::{self, KeyName};
use cara_services::ledger::Ledger;
use cara_services::vault::{SecretValue, StoreKind, Vault, VaultOptions};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// How often what was kept long enough is forgotten.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// As it is for requests that bring nothing along.
    live: Live,
    pub(crate) in_use: InUse,
    /// What changed in the home since this process holds it.
    pub(crate) changes: Events,
    pub(crate) telemetry: Telemetry,
    pub(crate) password: Password,
    pub(crate) services: CallServices,
    pub(crate) active_runs: ActiveRuns,
    pub(crate) anchoring: Anchoring,
    /// The parts that did not work at the last look, and how they were.
    pub(crate) ill: Mutex<Vec<String>>,
    /// Held by who looks at them.
    pub(crate) looking: tokio::sync::Mutex<()>,
    pub(crate) console: Console,
    pub(crate) conversations: Conversations,
    /// Accounts of channels that are driven.
    pub(crate) accounts: Accounts,
    /// Ends what drives the channels.
    pub(crate) outbox_end: CancellationToken,
    pub(crate) reviewed: Reviewed,
    /// What opens connections to this process.
    pub(crate) doors: Doors,
    records: OnceCell<Records>,
    /// Who is let in at the doors of the gateway.
    pub(crate) credentials: OnceCell<Arc<Credentials>>,
    pub(crate) entries: Entries,
    /// Calls of programs on their way into the ledger.
    pub(crate) journal: OnceCell<Arc<Journal>>,
    pub(crate) preparations: Preparations,
    pub(crate) background_responses: BackgroundResponses,
    /// This application, for work that goes on by itself.
    pub(crate) me: Weak<Self>,
    /// Lets go of the home last.
    pub(crate) holder: Holder,
}

/// What is installed, granted, stored and set is what most use cases are about.
impl Deref for Application {
    type Target = Live;
    fn deref(&self) -> &Live {
        &self.live
    }
}

/// The vault of a home; a password comes from who is asked for it, and what is taken out is known as a secret from then on.
fn vault(home: &Home, password: &Password, known: &KnownSecrets, choice: Option<StoreKind>) -> Arc<Vault> {
    let (prompt, seen) = (password.clone(), known.clone());
    let mut options = VaultOptions::new(
        move |_, _: &Path| prompt.give(),
        Arc::new(move |value: &Arc<SecretValue>| seen.register(value)),
    );
    options.choice = choice;
    Arc::new(Vault::new(home, options))
}

/// What is installed, and the kernel that runs it.
fn plugins(
    home: &Home,
    built_in: BuiltIn,
    config: &Config,
    ledger: &Arc<Ledger>,
    events: &Events,
) -> Result<Arc<Plugins>> {
    let key = keys::read_or_make(home, KeyName::CompiledCode)?;
    let cache = Arc::new(CompiledCache::new(home.cache_dir(), &key));
    let kernel = Kernel::new(config.pool.size(machine::memory()))
        .map_err(|error| error!(Internal, "the sandbox cannot be started: {error:#}"))?;
    Ok(Arc::new(Plugins::open(home, built_in, kernel, cache, ledger.clone(), events.clone())?))
}

/// What the calls of all requests share.
fn services(live: &Live, known: KnownSecrets, clock: Clock) -> CallServices {
    CallServices {
        egress: Egress::new(known, Transport::system()),
        secrets: Arc::new(RequestSecrets::of(live, Brought::of(&live.environment))),
        ledger: live.ledger.clone(),
        clock,
        account: None,
        host_services: HostServices::default(),
    }
}

impl Application {
    /// Starts all parts. Nothing is compiled and no password is asked for yet.
    pub fn open(options: Options) -> Result<Arc<Self>> {
        let Options { lock, built_in, store, known, command, role } = options;
        let (clock, events) = (Clock::system(), Events::new(Scope::Home));
        let holder = Holder::new(lock, command, role, clock.now_ms())?;
        let home = holder.home();
        let settings = Followed::open(home.config());
        // A file that cannot be read stops what needs it, not what mends it.
        let config = settings.read().unwrap_or_default();
        let ledger = Arc::new(Ledger::lazy(settings.ledger(home.ledger()), clock, keys::audit(home)?));
        let password = Password::new(settings.clone());
        let vault = vault(home, &password, &known, store.or(config.vault.store));
        let plugins = plugins(home, built_in, &config, &ledger, &events)?;
        let (checked, shown) = (plugins.clone(), home.config().display().to_string());
        settings.checked_by(Box::new(move |config| config_check::check(&checked, config, &shown)));
        let in_use = InUse::new(home.config(), settings.clone(), &config, &events);
        // What was started to hold the home has the home's environment; any other command has its person's.
        let environment = Environment::of_home(role == Role::Daemon);
        let live = Live { plugins, ledger, settings, environment, events, vault };
        let services = services(&live, known, clock);
        let (console, conversations, outbox_end, reviewed, doors, accounts) = Default::default();
        let (records, credentials, entries) = Default::default();
        let changes = Events::new(Scope::Changes);
        // A command ends before anything would be sent.
        let collector = config.telemetry.otlp.as_deref().filter(|_| holder.role != Role::Command);
        let collector = collector.map(|url| Collector::new(url, services.egress.clone(), &holder.process));
        let metrics = Metrics::new(collector.as_ref(), &holder.process)?;
        let spans = collector.as_ref().map(|collector| Spans::new(collector, clock)).transpose()?;
        let telemetry = Telemetry::new(metrics, spans);
        let active_runs = ActiveRuns::telling(&changes);
        let (journal, preparations, background_responses, anchoring, ill, looking) = Default::default();
        Ok(Arc::new_cyclic(|me| Self {
            me: me.clone(),
            live,
            in_use,
            changes,
            telemetry,
            password,
            services,
            active_runs,
            anchoring,
            ill,
            looking,
            console,
            conversations,
            accounts,
            outbox_end,
            reviewed,
            doors,
            records,
            credentials,
            entries,
            journal,
            preparations,
            background_responses,
            holder,
        }))
    }

    /// Events that concern the whole home, whoever they are told to.
    pub fn events(&self) -> &Events {
        &self.live.events
    }

    /// What is counted, measured and traced.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// The home.
    pub fn home(&self) -> &Home {
        self.holder.home()
    }

    /// Is cancelled when somebody wants the process to end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.holder.stop
    }

    /// How many runs are under way.
    pub fn busy(&self) -> usize {
        self.active_runs.all().len()
    }

    /// Waits until no run is under way.
    pub async fn idle(&self) {
        self.active_runs.ended().await;
    }

    /// Ends everything: runs that go on are left to be resumed, each after the call that it makes.
    pub async fn close(&self) {
        self.changes.end();
        self.conversations.close();
        self.active_runs.leave().await;
        self.outbox_end.cancel();
        self.holder.close().await;
        if let Some(journal) = self.journal.get() {
            journal.close().await;
        }
        self.ledger.close().await;
        self.telemetry.end().await;
    }

    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Result<Arc<Config>> {
        self.in_use.now()
    }

    /// How the configuration stands.
    pub fn configuration(&self) -> Configuration {
        self.in_use.state()
    }

    /// Whether each component that has a table in the configuration is there.
    pub(crate) fn check_components(&self) -> Result<()> {
        config_check::components(&self.plugins, &*self.config()?, &self.in_use.shown())
    }

    /// Whether each name in the policy is one of something.
    pub(crate) fn check_policy(&self) -> Result<()> {
        config_check::policy(&self.plugins, &*self.config()?, &self.in_use.shown())
    }

    /// What is kept of conversations. The first call needs the vault where the operator sealed the key.
    pub async fn records(&self) -> Result<&Records> {
        let open = async {
            let key = content_key::content_key(self.home(), &self.vault, &self.ledger).await?;
            let records = Records::open(&self.ledger, key).await?;
            // Whoever held the home before is gone, and its runs can be taken up.
            for run in records.unfinished_runs().await?.iter().filter(|run| run.process != self.holder.process) {
                records.release_process(&run.process).await?;
            }
            // What programs used is kept before what was reserved for them is given back.
            call_journal::recover(self.home(), &records).await?;
            records.release_programs(&self.holder.process).await?;
            self.drive(&records);
            Ok::<_, Error>(records)
        };
        // Once, and large: it takes no room in what waits for it.
        self.records.get_or_try_init(|| Box::pin(open)).await
    }

    /// Sends what is in the outbox for a channel, until the process ends. Messages that the channel brings are handed to
    /// [`Application::deliver`].
    ///
    /// # Errors
    ///
    /// The ledger cannot be opened.
    pub async fn attach_channel(&self, channel: Arc<dyn Channel>) -> Result<()> {
        let (records, end) = (self.records().await?.clone(), self.outbox_end.clone());
        let process = self.holder.process.clone();
        self.holder.work.spawn(async move {
            let driven = drive(records, channel, &process, &|_| true, Pace::default(), end).await;
            if let Err(error) = driven {
                tracing::error!(%error, "messages are not sent: the outbox cannot be read");
            }
        });
        Ok(())
    }

    /// Sends what is in the outbox, and forgets what was kept long enough, until the process ends.
    fn drive(&self, records: &Records) {
        self.console.has_left();
        if self.telemetry.is_traced() {
            self.keep_measuring();
        }
        let (changes, mut rules, end) = (self.changes.clone(), self.settings.rules(), self.outbox_end.clone());
        self.holder.work.spawn(async move {
            // The first is the one in use.
            rules.mark_unchanged();
            while let Some(Ok(())) = end.run_until_cancelled(rules.changed()).await {
                changes.changed(Topic::Config, "config.changed", None);
            }
        });
        let (config, shown) = (self.config().unwrap_or_default(), self.in_use.shown());
        let settings = config.inbox;
        let (records, console, end) = (records.clone(), Arc::new(self.console.clone()), self.outbox_end.clone());
        let (process, me) = (self.holder.process.clone(), self.me.clone());
        self.holder.work.spawn(async move {
            match messages::miss(&records, settings).await {
                Ok(0) => {}
                Ok(missed) => tracing::warn!(missed, "messages came while nothing ran, and are too old to be answered"),
                Err(error) => tracing::warn!(%error, "the inbox cannot be read"),
            }
            if let Err(error) = known_people::check(&records, &config, &shown).await {
                tracing::warn!(%error, "the configuration names people whom nobody knows");
            }
            if let Some(me) = me.upgrade()
                && let Err(error) = me.answer_waiting().await
            {
                tracing::warn!(%error, "what waits in the inbox is not answered");
            }
            // Who holds the home is the only one who sends: whoever was before is gone.
            let driven = drive(records.clone(), console, &process, &|_| true, Pace::default(), end.clone());
            let forgetting = async {
                while let Some(me) = me.upgrade() {
                    if let Err(error) = me.forget_old().await {
                        tracing::warn!(%error, "what was kept long enough is not forgotten yet");
                    }
                    drop(me);
                    tokio::time::sleep(DAY).await;
                }
            };
            let driven = tokio::select! {
                driven = driven => driven,
                () = forgetting => Ok(()),
            };
            if let Err(error) = driven {
                tracing::error!(%error, "messages are not sent: the outbox cannot be read");
            }
        });
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
        let egress = match &brought.environment.known {
            Some(known) => self.services.egress.knowing(known.clone()),
            None => self.services.egress.clone(),
        };
        let secrets = Arc::new(RequestSecrets::of(&self.live, brought.clone()));
        CallServices { egress, secrets, ..self.services.clone() }
    }

    /// What says how components' settings are set now.
    pub(crate) fn setting_sources(&self) -> Result<SettingSources> {
        self.setting_sources_in(&self.environment)
    }

    /// What says how components' settings are set for a request with this environment.
    pub(crate) fn setting_sources_in(&self, environment: &Environment) -> Result<SettingSources> {
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
        Live { environment: environment.clone(), ..self.live.clone() }
    }
}
