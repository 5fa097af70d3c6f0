//! Puts the parts together: the one file that knows every one of them.

use crate::error::told;
use anyhow::Result;
use cara_control::{Application, BuiltIn, Embedded, HomeLock, Options, Role};
use cara_services::egress::KnownSecrets;
use cara_services::home::Home;
use cara_services::vault::StoreKind;
use std::sync::Arc;

/// What of the command line concerns all parts.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) home: Home,
    pub(crate) known: KnownSecrets,
    /// Where the key of a new vault shall come from, whatever the configuration says.
    pub(crate) store: Option<StoreKind>,
    /// What was typed, without its arguments: `cara chat`.
    pub(crate) command: String,
    /// What this process is to others when it holds the home.
    pub(crate) role: Role,
}

impl Surroundings {
    /// The home that the environment names.
    pub(crate) fn new(known: KnownSecrets, store: Option<StoreKind>, command: String, role: Role) -> Result<Self> {
        let home = Home::locate(std::env::var_os("CARA_HOME").filter(|value| !value.is_empty()))?;
        Ok(Self { home, known, store, command, role })
    }

    /// Starts all parts over a home whose lock is held.
    pub(crate) fn application(&self, lock: HomeLock) -> Result<Arc<Application>> {
        let embedded = |built_in: &cara_bundle::Embedded| Embedded {
            id: built_in.id,
            wasm: built_in.wasm,
            manifest: built_in.manifest,
            digest: built_in.digest,
            bundle: built_in.bundle_json,
        };
        let components = cara_bundle::components().iter().map(embedded).collect();
        let options = Options {
            lock,
            built_in: BuiltIn::new(components, cara_bundle::public_key()).map_err(told)?,
            store: self.store,
            known: self.known.clone(),
            command: self.command.clone(),
            role: self.role,
        };
        Application::open(options).map_err(told)
    }
}
