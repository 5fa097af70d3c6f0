//! Whose signatures count, and for which components.

use crate::application::Application;
use crate::error::{Context, Result, error, fail};
use crate::event::Events;
use crate::home_files::HomeFiles;
use crate::installed::BUILT_IN;
use crate::operation::{Done, Operation, Route};
use crate::signing_keys;
use cara_authority::Principal;
use cara_packages::confusables::imitated;
use cara_services::files;
use cara_signing::{
    Digest, Identity, Issuer, KeyId, Pattern, PublicKey, Revoked, Signer, TrustRoot, TrustStore, TrustedIdentity,
    TrustedKey,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Reads the file, changes it, and writes it as a whole; alone.
pub(crate) async fn change(
    application: &Application,
    event: &'static str,
    subject: &str,
    change: impl FnOnce(&mut TrustStore) -> Result<serde_json::Value>,
) -> Result<()> {
    let path = application.home().trust();
    let _alone = files::lock(&path.with_extension("toml.writer"))?;
    let mut store = read(&path)?;
    let detail = change(&mut store)?;
    application.ledger.append(event, subject, detail).await?;
    Ok(files::write_private_atomic(&path, store.to_toml().as_bytes())?)
}

fn read(path: &Path) -> Result<TrustStore> {
    let text = files::read_capped(path, TrustStore::MAX_BYTES as u64)?.unwrap_or_default();
    let text = String::from_utf8(text).with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    TrustStore::from_toml(&text).with_context(|| format!("`{}` cannot be used", path.display()))
}

fn now(application: &Application) -> Result<Timestamp> {
    Ok(Timestamp::from_millisecond(i64::try_from(application.services.clock.now_ms())?)?)
}

/// What somebody may sign.
pub(crate) fn patterns(may: &[String]) -> Result<Vec<Pattern>> {
    Ok(may.iter().map(|text| text.parse()).collect::<std::result::Result<Vec<_>, _>>()?)
}

/// Who is trusted now, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddedTrust {
    /// What they are called.
    pub name: String,
    /// The key's id, or the identity with its issuer.
    pub who: String,
    /// What they may sign.
    pub may: Vec<String>,
    /// Whether their signature counts: certificates need a trust root.
    pub counts: bool,
}

/// Trusts a key to sign components; one that is trusted under this name may sign more.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustKey {
    /// What to call whoever has the key.
    pub name: String,
    /// The public key, PEM; that of the key which was made here under this name when left out.
    #[serde(default)]
    pub key: Option<String>,
    /// What the key may sign: ids, prefixes with `*`, or `*`.
    pub may: Vec<String>,
}

impl Operation for TrustKey {
    type View = AddedTrust;
    const ROUTE: Route =
        Route::post("trust.add-key", "/control/v1/trust/keys", "Trust a key to sign components.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let key = match &self.key {
            Some(pem) => pem.parse()?,
            None => signing_keys::secret(&application.vault, &self.name).await?.public(),
        };
        add_key(application, &self.name, key, patterns(&self.may)?).await
    }
}

/// Trusts a key; one that is trusted already under this name may sign more.
pub(crate) async fn add_key(
    application: &Application,
    name: &str,
    key: PublicKey,
    patterns: Vec<Pattern>,
) -> Result<AddedTrust> {
    let may: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let (since, id) = (now(application)?, key.id());
    change(application, "trust-added", name, |store| {
        if store.key(&id).is_some_and(|known| known.name == name) {
            patterns.into_iter().try_for_each(|pattern| store.allow(name, pattern))?;
        } else {
            check_name(store, name)?;
            store.add(TrustedKey { since: Some(since), ..TrustedKey::new(key, name, patterns) })?;
        }
        Ok(json!({ "key": id.to_hex(), "may": may }))
    })
    .await?;
    Ok(AddedTrust { name: name.to_owned(), who: format!("key {id}"), may, counts: true })
}

/// A name that nobody else has, and that nobody takes for another.
fn check_name(store: &TrustStore, name: &str) -> Result<()> {
    let identities = store.identities().iter().map(|known| known.name.as_str());
    let mut names = store.keys().iter().map(|key| key.name.as_str()).chain(identities).chain([BUILT_IN]);
    if let Some(other) = imitated(name, names.clone()) {
        fail!(
            Refused,
            "`{name}` looks like `{other}`, whom you trust already\nhint: choose a name you will not mix up"
        );
    }
    if names.any(|known| known == name) {
        fail!(
            Conflict,
            "`{name}` is somebody else's name already\nhint: choose another, or `cara trust remove {name}` first"
        );
    }
    Ok(())
}

/// Trusts an identity that signs by certificate.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustIdentity {
    /// What to call them.
    pub name: String,
    /// The e-mail address or URI in the certificate; a workflow's may end in `@refs/tags/*`.
    pub identity: String,
    /// The URL of the OpenID Connect issuer that vouches for the identity.
    pub issuer: String,
    /// What they may sign: ids, prefixes with `*`, or `*`.
    pub may: Vec<String>,
}

impl Operation for TrustIdentity {
    type View = AddedTrust;
    const ROUTE: Route = Route::post(
        "trust.add-identity",
        "/control/v1/trust/identities",
        "Trust an identity that signs by certificate.",
    )
    .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (identity, issuer): (Identity, Issuer) = (self.identity.parse()?, self.issuer.parse()?);
        let (name, may, patterns, since) = (&self.name, &self.may, patterns(&self.may)?, now(application)?);
        let shown = format!("{identity} ({issuer})");
        change(application, "trust-added", name, |store| {
            let same =
                |known: &TrustedIdentity| (&known.name, &known.identity, &known.issuer) == (name, &identity, &issuer);
            if store.identities().iter().any(same) {
                patterns.into_iter().try_for_each(|pattern| store.allow(name, pattern))?;
            } else {
                check_name(store, name)?;
                let (name, since) = (name.to_owned(), Some(since));
                store.add_identity(TrustedIdentity { name, identity, issuer, components: patterns, since })?;
            }
            Ok(json!({ "identity": shown, "may": may }))
        })
        .await?;
        let counts = files::exists(&application.home().trust_root())?;
        Ok(AddedTrust { name: self.name.clone(), who: shown, may: self.may, counts })
    }
}

/// Says which Sigstore instance's certificates count.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetTrustRoot {
    /// What to call it in the audit log: a file, or `public-good`.
    pub from: String,
    /// The `trusted_root.json`; that of the public instance, as this program knows it, when left out.
    #[serde(default)]
    pub root: Option<String>,
}

impl Operation for SetTrustRoot {
    type View = Done;
    const ROUTE: Route =
        Route::put("trust.set-root", "/control/v1/trust/root", "Say whose certificates count.").up_to(1 << 20).admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let from = &self.from;
        let text = self.root.unwrap_or_else(|| TrustRoot::PUBLIC_GOOD.to_owned());
        TrustRoot::from_json(&text).map_err(|why| error!(Invalid, "`{from}` is no trust root: {why}"))?;
        let _alone = files::lock(&application.home().trust().with_extension("toml.writer"))?;
        let detail = json!({ "digest": Digest::of(text.as_bytes()).to_string() });
        application.ledger.append("trust-root-set", from, detail).await?;
        files::write_private_atomic(&application.home().trust_root(), text.as_bytes())?;
        Ok(Done {})
    }
}

/// Trusts the certificates of no instance any more.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RemoveTrustRoot {}

impl Operation for RemoveTrustRoot {
    type View = Done;
    const ROUTE: Route =
        Route::delete("trust.remove-root", "/control/v1/trust/root", "Trust no certificates any more.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let _alone = files::lock(&application.home().trust().with_extension("toml.writer"))?;
        application.ledger.append("trust-root-removed", "", json!({})).await?;
        files::remove(&application.home().trust_root())?;
        Ok(Done {})
    }
}

/// Whom the operator trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TrustList {
    /// Keys.
    pub keys: Vec<KeyRow>,
    /// Identities that sign by certificate.
    pub identities: Vec<IdentityRow>,
    /// Whether certificates count at all.
    pub root: bool,
    /// What was revoked.
    pub revoked: Vec<String>,
}

/// A trusted key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyRow {
    /// What its owner is called.
    pub name: String,
    /// The key's id, 64 hex digits.
    pub key: String,
    /// The components that it may sign.
    pub may: Vec<String>,
    /// Since when, the day of UTC.
    pub since: Option<String>,
}

/// A trusted identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct IdentityRow {
    /// What they are called.
    pub name: String,
    /// The identity in their certificates.
    pub identity: String,
    /// The issuer that vouches for the identity.
    pub issuer: String,
    /// What they may sign.
    pub may: Vec<String>,
    /// Since when, the day of UTC.
    pub since: Option<String>,
}

/// Lists whom the operator trusts, for what, since when, and what was revoked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListTrust {}

impl Operation for ListTrust {
    type View = TrustList;
    const ROUTE: Route =
        Route::get("trust.list", "/control/v1/trust", "List whom the operator trusts, and what was revoked.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let store = read(&application.home().trust())?;
        let texts = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect();
        let key = |key: &TrustedKey| KeyRow {
            name: key.name.clone(),
            key: key.id.to_hex(),
            may: texts(&key.components),
            since: key.since.map(day),
        };
        let identity = |known: &TrustedIdentity| IdentityRow {
            name: known.name.clone(),
            identity: known.identity.to_string(),
            issuer: known.issuer.to_string(),
            may: texts(&known.components),
            since: known.since.map(day),
        };
        Ok(TrustList {
            keys: store.keys().iter().map(key).collect(),
            identities: store.identities().iter().map(identity).collect(),
            root: files::exists(&application.home().trust_root())?,
            revoked: store.revoked().iter().map(ToString::to_string).collect(),
        })
    }
}

fn day(since: Timestamp) -> String {
    since.strftime("%Y-%m-%d").to_string()
}

/// Stops trusting a key or an identity; what it signed is not used from the next call on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveTrust {
    /// The name, or the beginning of the key's id.
    pub name: String,
}

impl Operation for RemoveTrust {
    type View = Done;
    const ROUTE: Route =
        Route::delete("trust.remove", "/control/v1/trust/names/{name}", "Stop trusting a key or an identity.").admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let name = &self.name;
        change(application, "trust-removed", name, |store| {
            if let Some(known) = store.identities().iter().find(|known| known.name == *name) {
                let detail = json!({ "identity": known.identity, "issuer": known.issuer });
                store.remove(name);
                return Ok(detail);
            }
            let named = |key: &&TrustedKey| key.name == *name || (name.len() >= 8 && key.id.to_hex().starts_with(name));
            let found: Vec<(KeyId, String)> =
                store.keys().iter().filter(named).map(|key| (key.id, key.name.clone())).collect();
            let [(id, known)] = &found[..] else {
                let what = match found.len() {
                    0 => "no key or identity is".to_owned(),
                    count => format!("{count} keys are"),
                };
                return Err(error!(
                    NotFound,
                    "{what} called `{name}`\nhint: `cara trust list` shows them; name one by its name, or a key by its id"
                ));
            };
            store.remove(known);
            Ok(json!({ "key": id.to_hex() }))
        })
        .await?;
        Ok(Done {})
    }
}

/// Revokes for good.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeTrust {
    /// A key's id of 64 hex digits, or its first 16 where one key that is known here has them; or a component's digest
    /// `sha256:…`.
    pub what: String,
}

impl Operation for RevokeTrust {
    type View = String;
    const ROUTE: Route =
        Route::post("trust.revoke", "/control/v1/trust/revoked", "Revoke a key or a component's code for good.")
            .admin();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let revoked = match shown_key(application, &self.what)? {
            Some(id) => Revoked::Key(id),
            None => Revoked::try_from(self.what)?,
        };
        change(application, "trust-revoked", &revoked.to_string(), |store| {
            store.revoke(revoked);
            Ok(json!({}))
        })
        .await?;
        Ok(revoked.to_string())
    }
}

/// How many digits a key's id has, and how many of them are shown where it stands among other things.
const WHOLE: usize = 64;
const SHOWN: usize = 16;

/// The one key with this beginning of an id, as lists show it, among those that are trusted or signed what is installed.
fn shown_key(application: &Application, text: &str) -> Result<Option<KeyId>> {
    if !(SHOWN..WHOLE).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let (store, installed) = (read(&application.home().trust())?, application.installed()?);
    let trusted = store.keys().iter().map(|key| key.id);
    let signed = installed
        .usable
        .values()
        .filter_map(|checked| if let Signer::Key { id, .. } = checked.package().signer() { Some(*id) } else { None });
    let begins = |id: &KeyId| id.to_hex().starts_with(&text.to_ascii_lowercase());
    let mut found: Vec<KeyId> = trusted.chain(signed).filter(begins).collect();
    found.sort_by_key(KeyId::to_hex);
    found.dedup();
    match &found[..] {
        [id] => Ok(Some(*id)),
        found => Err(error!(
            NotFound,
            "{} of the keys that are known here have an id that begins with `{text}`\n\
             hint: write all 64 digits of the id; `cara plugin review FILE --json` and `cara trust list --json` show them",
            if found.is_empty() { "none" } else { "several" }
        )),
    }
}
