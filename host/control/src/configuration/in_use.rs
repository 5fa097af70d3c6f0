//! The configuration that is in use: what counts now, and what was read once
//! when the process began.

use super::{
    Config, Configuration, Followed, LEDGER_URL, LedgerSettings, PoolSettings, Unusable, VAULT_STORE, Watcher,
};
use crate::error::{Result, fail};
use crate::event::Events;
use crate::telemetry_settings::TelemetrySettings;
use cara_services::vault::StoreKind;
use std::path::PathBuf;
use std::sync::Arc;

/// What of the configuration is read once, when a process begins.
pub(crate) struct AtStart {
    store: Option<StoreKind>,
    pool: PoolSettings,
    ledger: LedgerSettings,
    telemetry: TelemetrySettings,
}

impl AtStart {
    /// What counts while the process lives.
    pub(crate) fn of(config: &Config) -> Self {
        let (ledger, telemetry) = (config.ledger.clone(), config.telemetry.clone());
        Self { store: config.vault.store, pool: config.pool, ledger, telemetry }
    }

    /// The keys that say something else by now.
    pub(crate) fn waits(&self, now: &Config) -> Vec<&'static str> {
        let keys = [
            (VAULT_STORE, self.store != now.vault.store),
            ("pool.calls", self.pool != now.pool),
            (LEDGER_URL, self.ledger != now.ledger),
            ("telemetry.otlp", self.telemetry != now.telemetry),
        ];
        keys.into_iter().filter_map(|(key, waits)| waits.then_some(key)).collect()
    }
}

/// The configuration that a process goes by.
pub(crate) struct InUse {
    path: PathBuf,
    settings: Followed,
    /// What was read once of it.
    at_start: AtStart,
    /// Tells of changes; where it cannot, they are seen when the configuration is used.
    _watcher: Option<Watcher>,
    events: Events,
}

impl InUse {
    /// Follows the file from here on; `config` is what counted when the process began.
    pub(crate) fn new(path: PathBuf, settings: Followed, config: &Config, events: &Events) -> Self {
        let watcher =
            settings.watch(events).map_err(|error| tracing::warn!(%error, "the configuration is not watched"));
        let at_start = AtStart::of(config);
        Self { path, settings, at_start, _watcher: watcher.ok(), events: events.clone() }
    }

    /// The configuration as it is now.
    pub(crate) fn now(&self) -> Result<Arc<Config>> {
        self.settings.now(&self.events)
    }

    /// The file, as errors name it.
    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// How it stands.
    pub(crate) fn state(&self) -> Configuration {
        let (_, bad) = self.settings.text(&self.events);
        let now = self.settings.read();
        let waits = now.map(|now| self.at_start.waits(&now)).unwrap_or_default();
        Configuration {
            path: self.shown(),
            problem: bad.map(|bad| bad.error),
            from_next_start: waits.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Says that what the file says does not count, to whoever begins something under what counted before.
    pub(crate) fn say(&self, events: &Events) {
        if let (_, Some(Unusable { error, of_before: true })) = self.settings.text(&self.events) {
            events.note(format!("{}; the previous configuration stays in use", error.message));
        }
    }

    /// Whether a vault that is made now is made where the configuration says: that was read when this process began.
    pub(crate) fn check_vault(&self) -> Result<()> {
        if self.at_start.waits(&*self.now()?).contains(&VAULT_STORE) {
            fail!(
                Conflict,
                "`{VAULT_STORE}` was changed since this process began, and counts from its next start\n\
                 hint: `cara stop`, and do it again"
            );
        }
        Ok(())
    }
}
