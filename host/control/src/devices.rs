//! Devices and browsers that were let in, and the codes that let them in.

use crate::application::Application;
use crate::credentials::{code, plain_code, sha256, shown};
use crate::error::Result;
use crate::event::Events;
use crate::issuing::{Wanted, issue};
use crate::known_people::person;
use crate::operation::{Operation, Route};
use crate::tokens::{CredentialRow, Revoked, listed, revoked};
use cara_authority::{Allowance, Principal, Scope};
use cara_records::CredentialKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What this file's commands are about.
const KINDS: [CredentialKind; 4] =
    [CredentialKind::Device, CredentialKind::Session, CredentialKind::Password, CredentialKind::Code];

/// How long a code lets somebody in, milliseconds.
const CODE_MS: u64 = 10 * 60 * 1_000;

/// Lists devices, browsers that were let in, codes that wait, and the password of the page.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListDevices {}

impl Operation for ListDevices {
    type View = Vec<CredentialRow>;
    const ROUTE: Route =
        Route::get("devices.list", "/control/v1/devices", "List the devices and browsers that were let in.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        listed(application, &KINDS).await
    }
}

/// Makes a code that lets one device or browser in, once, within ten minutes; for no more than whoever asks may do.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PairDevice {
    /// What the device is called, where it does not say itself.
    pub name: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The only agents that may be talked to with it.
    #[serde(default)]
    pub agents: Option<BTreeSet<String>>,
    /// Tokens of models that it may use in one day, UTC.
    #[serde(default)]
    pub tokens_per_day: Option<u64>,
    /// Whose it is: the owner's, when left out.
    #[serde(default)]
    pub person: Option<String>,
}

/// A code that was made.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PairingCode {
    /// The id by which it can be taken back.
    pub id: String,
    /// The code: it is told this once.
    pub code: String,
    /// From when on it lets nobody in, Unix milliseconds.
    pub expires_ms: u64,
}

impl Operation for PairDevice {
    type View = PairingCode;
    const ROUTE: Route =
        Route::post("devices.pair", "/control/v1/devices", "Make a code that lets one device or browser in.")
            .once()
            .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let code = code()?;
        let expires_ms = application.now_ms() + CODE_MS;
        let wanted = Wanted {
            kind: CredentialKind::Code,
            name: self.name,
            person: person(self.person.as_deref().unwrap_or("owner"))?,
            allowance: Allowance { scopes: self.scopes, agents: self.agents, tokens_per_day: self.tokens_per_day },
            expires_ms: Some(expires_ms),
            proof: shown(&sha256(plain_code(&code).as_bytes())),
        };
        let held = issue(application, by, wanted, &[]).await?;
        let expires_ms = held.expires_ms().unwrap_or(expires_ms);
        Ok(PairingCode { id: held.id().to_string(), code: code.to_string(), expires_ms })
    }
}

/// Takes a device, a browser or a code back: it lets nobody in, and what goes on with it ends.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeDevice {
    /// Its id, or a name that only it has.
    pub id: String,
}

impl Operation for RevokeDevice {
    type View = Revoked;
    const ROUTE: Route = Route::delete(
        "devices.revoke",
        "/control/v1/devices/{id}",
        "Take a device or browser back; what goes on with it ends.",
    )
    .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        revoked(application, by, &KINDS, &self.id).await
    }
}
