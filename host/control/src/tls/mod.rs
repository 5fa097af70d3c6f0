//! The certificates of the daemon and of its clients: an authority of the
//! home, what it signs, and what it takes back.
//!
//! ```text
//! init-ca ─→ authority (key in the vault) ─→ issue ─→ tls/NAME.pem, NAME.key
//!                                        └─→ revoke ─→ tls/crl.pem ─→ listeners read it anew
//! material.rs: what a listener needs, whichever way it came about
//! ```

mod kept;
mod material;
mod signing;

pub use material::{TlsMaterial, facts};

use self::kept::{Authority, GATEWAY, Index, Issued, Kept};
use self::signing::{AUTHORITY_DAYS, DAYS, Made, Signer};
use crate::application::Application;
use crate::error::{Result, fail};
use crate::event::Events;
use crate::gateway_settings::{GatewaySettings, TlsMode};
use crate::operation::{Operation, Route};
use crate::reachable::{Reachable, ShownCertificate, origin};
use cara_authority::{Principal, SecretName};
use cara_services::vault::{SecretId, SecretValue, Vault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Under which the authority's key is in the vault, among the host's own.
const KEY: &str = "tls-authority";

fn key_id() -> SecretId {
    SecretId::host(SecretName::parse(KEY).expect("a name"))
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct IssuedCertificate {
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// Its name.
    pub name: String,
    /// Whether it is a client's; else it is a server's.
    pub client: bool,
    /// SHA-256 over it, in hexadecimal digits.
    pub fingerprint: String,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
    /// When it was revoked, if it was.
    pub revoked_ms: Option<u64>,
    /// The file of the certificate.
    pub certificate: String,
    /// The file of its key.
    pub key: String,
}

impl IssuedCertificate {
    fn of(kept: &Kept, issued: &Issued) -> Self {
        let Issued { serial, name, client, fingerprint, expires_ms, revoked_ms } = issued.clone();
        let (certificate, key) = (kept.certificate(&name), kept.key(&name));
        let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
        Self { serial, name, client, fingerprint, expires_ms, revoked_ms, certificate, key }
    }
}

/// The authority of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateAuthority {
    /// Its name.
    pub name: String,
    /// SHA-256 over its certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
    /// The file of its certificate, which clients are given to trust.
    pub certificate: String,
}

impl CertificateAuthority {
    fn of(kept: &Kept, authority: &Authority) -> Self {
        let Authority { name, fingerprint, expires_ms, .. } = authority.clone();
        Self { name, fingerprint, expires_ms, certificate: kept.authority().display().to_string() }
    }
}

/// What is known about encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TlsState {
    /// Where the configuration has the certificate of the daemon come from: `off`, `self-signed`, `ca` or `files`.
    pub mode: String,
    /// The certificate that the daemon shows, where it does.
    pub shown: Option<ShownCertificate>,
    /// The authority of this home, if there is one.
    pub authority: Option<CertificateAuthority>,
}

/// Makes the authority of the home, and the certificate that the daemon shows with the mode `ca`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeAuthority {
    /// The name in its certificate; `cara` when left out.
    #[serde(default)]
    pub name: Option<String>,
}

impl Operation for MakeAuthority {
    type View = CertificateAuthority;
    const ROUTE: Route =
        Route::post("tls.init-ca", "/control/v1/tls/authority", "Make the certificate authority of the home.")
            .once()
            .admin()
            .audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let name = self.name.unwrap_or_else(|| "cara".to_owned());
        check_name(&name)?;
        changed(application, move |kept, vault, names, now_ms| {
            let mut index = kept.index()?;
            if index.authority.is_some() {
                fail!(Conflict, "this home has a certificate authority already\nhint: `cara tls show` shows it");
            }
            let Made { certificate, key, issued } = signing::authority(&name, now_ms)?;
            let key = SecretValue::new(key.into_bytes())?;
            let authority =
                Authority { name, fingerprint: issued.fingerprint, expires_ms: issued.expires_ms, lists: 0 };
            let signer = Signer::new(&authority, &key)?;
            // The key first: an authority that is written down can sign.
            vault.set(&key_id(), key)?;
            kept.write(&kept.authority(), &certificate)?;
            let of_gateway = signer.issue(GATEWAY, names, false, DAYS, now_ms)?;
            index.authority = Some(authority.clone());
            write(kept, &mut index, of_gateway)?;
            revise(kept, &mut index, &signer, now_ms)?;
            Ok(CertificateAuthority::of(kept, &authority))
        })
        .await
    }
}

/// Issues a certificate.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueCertificate {
    /// What it is called, and what its files are; `gateway` is what the daemon shows.
    pub name: String,
    /// Whether it is a client's; else it is a server's.
    #[serde(default)]
    pub client: bool,
    /// How long it lasts, days; 365 when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3650))]
    pub days: Option<u32>,
    /// Of a server: the DNS names and addresses that it is for; those of this machine when left out.
    #[serde(default)]
    pub names: Vec<String>,
}

impl Operation for IssueCertificate {
    type View = IssuedCertificate;
    const ROUTE: Route =
        Route::post("tls.issue", "/control/v1/tls/certificates", "Issue a certificate.").once().admin().audited();

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let Self { name, client, days, names } = self;
        check_name(&name)?;
        let days = days.unwrap_or(DAYS);
        if !(1..=AUTHORITY_DAYS).contains(&days) {
            fail!(Invalid, "a certificate does not last {days} days\nhint: name 1 to {AUTHORITY_DAYS}");
        }
        if client && name == GATEWAY {
            fail!(Invalid, "`{GATEWAY}` is the certificate of the daemon\nhint: give the client another name");
        }
        changed(application, move |kept, vault, own, now_ms| {
            let (mut index, authority) = kept.with_authority()?;
            let taken = index.issued.iter().any(|known| {
                known.name == name && known.revoked_ms.is_none() && known.expires_ms > now_ms && (known.client || client)
            });
            if taken {
                fail!(
                    Conflict,
                    "there is a certificate `{name}` already\nhint: `cara tls revoke {name}` first, or take another name"
                );
            }
            let signer = Signer::new(&authority, &*stored(vault)?)?;
            let for_names: &[String] = if client { &[] } else if names.is_empty() { own } else { &names };
            let made = signer.issue(&name, for_names, client, days, now_ms)?;
            let view = IssuedCertificate::of(kept, &made.issued);
            write(kept, &mut index, made)?;
            Ok(view)
        })
        .await
    }
}

/// Revokes a certificate: connections that were opened with it end, and a credential for it is taken back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeCertificate {
    /// Its serial number, or its name.
    pub certificate: String,
}

impl Operation for RevokeCertificate {
    type View = Vec<IssuedCertificate>;
    const ROUTE: Route =
        Route::delete("tls.revoke", "/control/v1/tls/certificates/{certificate}", "Revoke a certificate.")
            .admin()
            .audited();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let Self { certificate: wanted } = self;
        let revoked = changed(application, move |kept, vault, _, now_ms| {
            let (mut index, authority) = kept.with_authority()?;
            let is_meant = |known: &Issued| known.serial == wanted || known.name == wanted;
            let last = index.issued.iter().rfind(|known| known.name == GATEWAY);
            if last.is_some_and(is_meant) {
                fail!(
                    Refused,
                    "`{GATEWAY}` is the certificate of the daemon\nhint: `cara tls issue {GATEWAY}` has it show another; then \
                     revoke the one before by its serial number"
                );
            }
            let found = index.issued.iter_mut().filter(|known| is_meant(known) && known.revoked_ms.is_none());
            let mut revoked = Vec::new();
            for known in found {
                known.revoked_ms = Some(now_ms);
                revoked.push(IssuedCertificate::of(kept, known));
            }
            if revoked.is_empty() {
                let shown = wanted.escape_debug();
                fail!(NotFound, "no certificate `{shown}` is valid\nhint: `cara tls list` lists them");
            }
            let signer = Signer::new(&authority, &*stored(vault)?)?;
            revise(kept, &mut index, &signer, now_ms)?;
            Ok(revoked)
        })
        .await?;
        for certificate in &revoked {
            application.take_back_certificate(by, &certificate.fingerprint).await?;
        }
        Ok(revoked)
    }
}

/// Lists what was issued.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListCertificates {}

impl Operation for ListCertificates {
    type View = Vec<IssuedCertificate>;
    const ROUTE: Route =
        Route::get("tls.list", "/control/v1/tls/certificates", "List the certificates that were issued.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let kept = Kept::of(application.home());
        Ok(kept.index()?.issued.iter().map(|issued| IssuedCertificate::of(&kept, issued)).collect())
    }
}

/// Shows what is known about encryption.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowTls {}

impl Operation for ShowTls {
    type View = TlsState;
    const ROUTE: Route =
        Route::get("tls.show", "/control/v1/tls", "Show the certificate of the daemon and the authority of the home.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (kept, mode) = (Kept::of(application.home()), application.config()?.gateway.tls.mode);
        let Reachable { certificate: shown, .. } = application.reachable().unwrap_or_default();
        let authority = kept.index()?.authority.map(|authority| CertificateAuthority::of(&kept, &authority));
        Ok(TlsState { mode: origin(mode).to_owned(), shown, authority })
    }
}

impl Application {
    /// Issues the certificate that the daemon shows with the mode `ca` anew, where it is not for all that the settings want
    /// and the vault gives the authority's key; else what is missing is among its material.
    pub fn reissue_gateway(&self, settings: &GatewaySettings) {
        if settings.tls.mode != TlsMode::Ca {
            return;
        }
        match self.reissued(settings) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("the certificate of the daemon was issued anew, for the addresses that it listens at");
            }
            Err(error) => tracing::warn!(%error, "the certificate of the daemon is not issued anew"),
        }
    }

    fn reissued(&self, settings: &GatewaySettings) -> Result<bool> {
        let kept = Kept::of(self.home());
        let (mut names, lacks) = material::names_of_gateway(&kept, settings)?;
        if lacks.is_empty() {
            return Ok(false);
        }
        let _alone = kept.lock()?;
        let (mut index, authority) = kept.with_authority()?;
        let signer = Signer::new(&authority, &*stored(&self.vault)?)?;
        names.extend(lacks);
        let made = signer.issue(GATEWAY, &names, false, DAYS, self.services.clock.now_ms())?;
        write(&kept, &mut index, made)?;
        Ok(true)
    }
}

/// Names are those of files, too.
fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let taken = ["ca", "crl", "index", "lock", "self-signed"].contains(&name);
    if name.is_empty() || name.len() > 64 || taken || !name.bytes().all(fits) {
        let shown: String = name.chars().take(64).collect();
        let shown = shown.escape_debug();
        fail!(Invalid, "`{shown}` is no name of a certificate\nhint: use letters, digits, `-` and `_`, as in `laptop`");
    }
    Ok(())
}

/// The authority's key.
fn stored(vault: &Vault) -> Result<Arc<SecretValue>> {
    match vault.get(&key_id())? {
        Some(key) => Ok(key),
        None => fail!(
            Internal,
            "the key of the certificate authority is not in the vault\nhint: put `vault/vault.json` back from your backup; or \
             move the folder `tls/` away and run `cara tls init-ca` again"
        ),
    }
}

/// Writes what was issued: the key before what says that it is there.
fn write(kept: &Kept, index: &mut Index, made: Made) -> Result<()> {
    kept.write(&kept.key(&made.issued.name), &made.key)?;
    kept.write(&kept.certificate(&made.issued.name), &made.certificate)?;
    index.issued.push(made.issued);
    kept.write_index(index)
}

/// Signs the list of revoked certificates anew.
fn revise(kept: &Kept, index: &mut Index, signer: &Signer, now_ms: u64) -> Result<()> {
    let Some(authority) = index.authority.as_mut() else { return Ok(()) };
    authority.lists += 1;
    let authority = authority.clone();
    let list = signer.revoked(index, &authority, now_ms)?;
    // The list counts: it is there before the index says so.
    kept.write(&kept.crl(), &list)?;
    kept.write_index(index)
}

/// Changes what the home keeps of certificates, and has listeners look at it.
async fn changed<T: Send + 'static>(
    application: &Arc<Application>,
    change: impl FnOnce(&Kept, &Vault, &[String], u64) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (kept, vault) = (Kept::of(application.home()), application.vault.clone());
    let (names, now_ms) = (material::names(&application.config()?.gateway), application.services.clock.now_ms());
    let done = spawn_blocking(move || {
        let _alone = kept.lock()?;
        change(&kept, &vault, &names, now_ms)
    })
    .await??;
    application.doors.certificates_changed();
    Ok(done)
}
