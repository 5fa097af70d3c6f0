//! Tokens: what programs show with each request; also certificates, and
//! names of a tailnet, that stand for one.

use crate::application::Application;
use crate::credentials::{End, Held, TOKEN, sha256, shown, text};
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::issuing::{Wanted, issue, rotate};
use crate::known_people::person;
use crate::operation::{Operation, Route};
use cara_authority::{Allowance, Principal, Scope, display_safe};
use cara_records::{Credential, CredentialKind};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What this file's commands are about.
const KINDS: [CredentialKind; 3] = [CredentialKind::Token, CredentialKind::Certificate, CredentialKind::Tailnet];

/// The longest name that a tailnet gives somebody, characters.
const LOGIN: usize = 200;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// A credential in a list. What shows it is not kept, and cannot be listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialRow {
    /// The id.
    pub id: String,
    /// What it is: `token`, `certificate`, `tailnet`, `device`, `session`, `password` or `code`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// Whose it is.
    pub person: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The only agents that are talked to; any when nothing.
    pub agents: Option<BTreeSet<String>>,
    /// Tokens of models that it may use in one day.
    pub tokens_per_day: Option<u64>,
    /// The credential that it was made with, and goes with.
    pub parent: Option<String>,
    /// Since when, Unix milliseconds.
    pub added_ms: u64,
    /// From when on it counts no more, Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// The beginning of the day, in UTC, on which it was last used, Unix milliseconds.
    pub used_ms: Option<u64>,
}

impl CredentialRow {
    /// How one that holds is listed.
    pub(crate) fn of(held: &Held) -> Self {
        held.kept().into()
    }
}

impl From<Credential> for CredentialRow {
    fn from(kept: Credential) -> Self {
        let Allowance { scopes, agents, tokens_per_day } = kept.about.allowance;
        Self {
            id: kept.id.to_string(),
            kind: kept.kind.name().to_owned(),
            name: kept.about.name,
            person: kept.person.to_string(),
            scopes,
            agents,
            tokens_per_day,
            parent: kept.parent.map(|id| id.to_string()),
            added_ms: kept.added_ms,
            expires_ms: kept.expires_ms,
            used_ms: kept.used_day.map(|day| day * DAY_MS),
        }
    }
}

/// Those of these kinds that hold now.
pub(crate) async fn listed(application: &Application, kinds: &[CredentialKind]) -> Result<Vec<CredentialRow>> {
    let now_ms = application.now_ms();
    let all = application.credentials().await?.all();
    let mut all: Vec<&Arc<Held>> = all.iter().filter(|held| held.holds(now_ms)).collect();
    all.retain(|held| kinds.contains(&held.kind()));
    Ok(all.into_iter().map(|held| CredentialRow::of(held)).collect())
}

/// Takes one of these kinds back, by its id or a name that only it has.
pub(crate) async fn revoked(
    application: &Application,
    by: &Principal,
    kinds: &[CredentialKind],
    named: &str,
) -> Result<Revoked> {
    let held = application.credentials().await?.named(kinds, named)?;
    let event = ("credential-revoked", json!({ "kind": held.kind(), "by": by.door() }));
    let gone = application.take_back(held.id(), End::TakenBack, Some(event)).await?;
    Ok(Revoked { credential: CredentialRow::of(&held), yielded: gone.saturating_sub(1) as u64 })
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Revoked {
    /// The credential.
    pub credential: CredentialRow,
    /// How many that it had yielded went with it.
    pub yielded: u64,
}

/// Lists tokens, certificates and names of a tailnet that let somebody in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListTokens {}

impl Operation for ListTokens {
    type View = Vec<CredentialRow>;
    const ROUTE: Route =
        Route::get("tokens.list", "/control/v1/tokens", "List the tokens that let programs in, never what shows them.")
            .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        listed(application, &KINDS).await
    }
}

/// Makes a token, for no more than whoever asks may do.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CreateToken {
    /// What it is called.
    pub name: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The only agents that may be talked to with it.
    #[serde(default)]
    pub agents: Option<BTreeSet<String>>,
    /// Tokens of models that it may use in one day, UTC.
    #[serde(default)]
    pub tokens_per_day: Option<u64>,
    /// For how long it holds, milliseconds; for good when left out.
    #[serde(default)]
    pub expires_in_ms: Option<u64>,
    /// Whose it is: the owner's, when left out.
    #[serde(default)]
    pub person: Option<String>,
    /// In place of a token: the certificate of a TLS client, PEM.
    #[serde(default)]
    pub certificate: Option<String>,
    /// In place of a token: the name by which a tailnet knows somebody, such as `anna@example.com`.
    #[serde(default)]
    pub tailnet: Option<String>,
}

/// A token that was made.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    /// How it is listed.
    pub credential: CredentialRow,
    /// The token itself: it is told this once. Nothing for a certificate or a name of a tailnet.
    pub token: Option<String>,
}

impl Operation for CreateToken {
    type View = CreatedToken;
    const ROUTE: Route =
        Route::post("tokens.create", "/control/v1/tokens", "Make a token for a program; it is shown once.")
            .once()
            .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let (kind, hash, token) = match (&self.certificate, &self.tailnet) {
            (None, None) => {
                let token = text(TOKEN)?;
                (CredentialKind::Token, sha256(token.as_bytes()), Some(token))
            }
            (Some(pem), None) => (CredentialKind::Certificate, fingerprint(pem)?, None),
            (None, Some(login)) => (CredentialKind::Tailnet, sha256(tailnet_login(login)?.as_bytes()), None),
            (Some(_), Some(_)) => {
                fail!(
                    Invalid,
                    "one credential is shown in one way\nhint: make one for the certificate and one for the name"
                )
            }
        };
        if application.credentials().await?.of_hash(kind, &hash, application.now_ms()).is_some() {
            fail!(
                Conflict,
                "there is a credential for that already\nhint: `cara token list` shows it; revoke it first"
            );
        }
        let expires_ms = self.expires_in_ms.map(|lasts| application.now_ms().saturating_add(lasts));
        let person = person(self.person.as_deref().unwrap_or("owner"))?;
        let allowance = Allowance { scopes: self.scopes, agents: self.agents, tokens_per_day: self.tokens_per_day };
        let wanted = Wanted { kind, name: self.name, person, allowance, expires_ms, proof: shown(&hash) };
        let held = issue(application, by, wanted, &[]).await?;
        Ok(CreatedToken { credential: CredentialRow::of(&held), token: token.map(|token| token.to_string()) })
    }
}

/// SHA-256 over a certificate.
fn fingerprint(pem: &str) -> Result<[u8; 32]> {
    let read = CertificateDer::from_pem_slice(pem.as_bytes());
    let none = |_| {
        error!(
            Invalid,
            "that is no certificate in PEM\nhint: name the file that begins with `-----BEGIN CERTIFICATE-----`"
        )
    };
    Ok(sha256(&read.map_err(none)?))
}

/// The name by which a tailnet knows somebody, as it is compared.
pub(crate) fn tailnet_login(login: &str) -> Result<String> {
    let login = login.trim().to_lowercase();
    if login.is_empty() || login.chars().count() > LOGIN || login.chars().any(|c| c.is_whitespace() || c.is_control()) {
        fail!(Invalid, "`{}` is no name of a tailnet\nhint: write it as `anna@example.com`", display_safe(&login));
    }
    Ok(login)
}

impl Application {
    /// Who a tailnet says somebody is, if that lets them in.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn of_tailnet(&self, login: &str) -> Result<Option<Arc<Held>>> {
        let Ok(login) = tailnet_login(login) else { return Ok(None) };
        Ok(self.credentials().await?.shown(CredentialKind::Tailnet, login.as_bytes(), self.now_ms()))
    }

    /// Takes back what lets in whoever has this certificate, by SHA-256 over it in hexadecimal digits.
    pub(crate) async fn take_back_certificate(&self, by: &Principal, fingerprint: &str) -> Result<()> {
        let (mut hash, kind) = ([0; 32], CredentialKind::Certificate);
        let read = hex::decode_to_slice(fingerprint, &mut hash);
        let credentials = self.credentials().await?;
        if let Some(held) = read.ok().and_then(|()| credentials.of_hash(kind, &hash, self.now_ms())) {
            let event = ("credential-revoked", json!({ "kind": kind, "by": by.door() }));
            self.take_back(held.id(), End::TakenBack, Some(event)).await?;
        }
        Ok(())
    }
}

/// Gives a token another secret: the one before counts no more, and what goes on with it ends.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateToken {
    /// Its id, or a name that only it has.
    pub id: String,
}

impl Operation for RotateToken {
    type View = CreatedToken;
    const ROUTE: Route = Route::post(
        "tokens.rotate",
        "/control/v1/tokens/{id}/rotate",
        "Give a token another secret; it is shown once.",
    )
    .once()
    .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let token = application.credentials().await?.named(&[CredentialKind::Token], &self.id)?;
        let (held, secret) = rotate(application, by, &token).await?;
        Ok(CreatedToken { credential: CredentialRow::of(&held), token: Some(secret.to_string()) })
    }
}

/// Takes a token back: it lets nobody in, and what goes on with it ends.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    /// Its id, or a name that only it has.
    pub id: String,
}

impl Operation for RevokeToken {
    type View = Revoked;
    const ROUTE: Route =
        Route::delete("tokens.revoke", "/control/v1/tokens/{id}", "Take a token back; what goes on with it ends.")
            .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        revoked(application, by, &KINDS, &self.id).await
    }
}
