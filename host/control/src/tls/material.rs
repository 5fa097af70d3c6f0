//! What a listener needs for TLS, read from where the settings say it is.

use super::kept::{GATEWAY, Kept, private, public};
use super::signing::{self, fingerprint};
use crate::application::Application;
use crate::error::{Context, Result, fail};
use crate::gateway_settings::{ClientCertificates, GatewaySettings, TlsMode};
use crate::reachable::{ShownCertificate, origin};
use cara_services::files::{self, Stamp};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The name of the files of a certificate that signs itself.
const SELF_SIGNED: &str = "self-signed";

/// Certificates and keys for one listener.
#[derive(Debug)]
pub struct TlsMaterial {
    /// The certificate of this machine, and those that lead to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Whether clients show a certificate.
    pub clients: ClientCertificates,
    /// Who signs those.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Which of them are revoked.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
    /// The certificate, to be shown.
    pub shown: ShownCertificate,
    /// Whether it was made just now.
    pub fresh: bool,
    /// The names and addresses that the settings want and a certificate of the own authority is not for.
    pub lacks: Vec<String>,
    /// The files that were read, and how they were.
    pub stamps: Vec<(PathBuf, Option<Stamp>)>,
}

impl TlsMaterial {
    /// Whether a file is another one by now.
    pub fn is_old(&self) -> bool {
        self.stamps.iter().any(|(path, before)| files::stamp(path).ok().flatten() != *before)
    }
}

/// The facts of a certificate that are shown: its subject, its fingerprint, and its end.
///
/// # Errors
///
/// It is no certificate.
pub fn facts(der: &[u8]) -> Result<(String, String, u64)> {
    let certificate = Certificate::from_der(der).context("this is no certificate")?;
    let until = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    let expires_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
    Ok((certificate.tbs_certificate.subject.to_string(), fingerprint(der), expires_ms))
}

impl Application {
    /// What listeners need for TLS with these settings; nothing where nothing is encrypted. A certificate that signs itself
    /// is made at the first call, and anew when it ends soon or is for other names.
    ///
    /// # Errors
    ///
    /// A file is missing, cannot be used, or does not belong to another one.
    pub fn tls_material(&self, settings: &GatewaySettings) -> Result<Option<TlsMaterial>> {
        let (kept, tls, now_ms) = (Kept::of(self.home()), &settings.tls, self.services.clock.now_ms());
        let (mut fresh, mut lacks) = (false, Vec::new());
        let (certificate, key) = match tls.mode {
            TlsMode::Off => return Ok(None),
            TlsMode::SelfSigned => {
                fresh = self_signed(&kept, settings, now_ms)?;
                (kept.certificate(SELF_SIGNED), kept.key(SELF_SIGNED))
            }
            TlsMode::Ca => {
                kept.with_authority()?;
                (_, lacks) = names_of_gateway(&kept, settings)?;
                (kept.certificate(GATEWAY), kept.key(GATEWAY))
            }
            TlsMode::Files => match (&tls.certificate, &tls.key) {
                (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
                _ => {
                    fail!(Invalid, "no certificate is named\nhint: set `gateway.tls.certificate` and `gateway.tls.key`")
                }
            },
        };
        let own = tls.mode == TlsMode::Ca;
        let authorities = tls.client_ca.clone().or_else(|| own.then(|| kept.authority()));
        let revoked = tls.crl.clone().or_else(|| (own && tls.client_ca.is_none()).then(|| kept.crl()));
        let used = tls.client_certificates != ClientCertificates::Off;
        let (authorities, revoked) = (authorities.filter(|_| used), revoked.filter(|_| used));
        // Looked at before they are read: one that changes meanwhile is read once more.
        let paths = [Some(&certificate), Some(&key), authorities.as_ref(), revoked.as_ref()];
        let stamps =
            paths.into_iter().flatten().map(|path| (path.clone(), files::stamp(path).ok().flatten())).collect();
        let chain = certificates(&certificate)?;
        let key_bytes = private(&key)?;
        let unusable = || format!("`{}` holds no key in PEM that can be used", key.display());
        let key = PrivateKeyDer::from_pem_slice(&key_bytes).with_context(unusable)?;
        let (_, fingerprint, expires_ms) =
            facts(&chain[0]).map_err(|error| error.context(format!("`{}`", certificate.display())))?;
        Ok(Some(TlsMaterial {
            chain,
            key,
            clients: tls.client_certificates,
            authorities: authorities.as_deref().map(certificates).transpose()?.unwrap_or_default(),
            revoked: revoked.as_deref().map(lists).transpose()?.unwrap_or_default(),
            shown: ShownCertificate { from: origin(tls.mode).to_owned(), fingerprint, expires_ms },
            fresh,
            lacks,
            stamps,
        }))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&public(path)?).collect();
    let read = read.with_context(|| format!("`{}` is not PEM", path.display()))?;
    if read.is_empty() {
        fail!(Invalid, "`{}` holds no certificate\nhint: it has to be in PEM", path.display());
    }
    Ok(read)
}

fn lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&public(path)?).collect();
    let read = read.with_context(|| format!("`{}` is not PEM", path.display()))?;
    if read.is_empty() {
        fail!(Invalid, "`{}` holds no list of revoked certificates\nhint: it has to be in PEM", path.display());
    }
    Ok(read)
}

/// The names of this machine for a certificate that is made here.
pub(crate) fn names(settings: &GatewaySettings) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend(settings.tls.names.iter().cloned());
    let listened = settings.listen.iter().map(|address| address.ip().to_canonical());
    names.extend(listened.filter(|ip: &IpAddr| !ip.is_unspecified()).map(|ip| ip.to_string()));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The names that the certificate is for which the daemon shows with the mode `ca`, and those that are wanted beside them.
/// None at all where there is no such certificate.
pub(crate) fn names_of_gateway(kept: &Kept, settings: &GatewaySettings) -> Result<(Vec<String>, Vec<String>)> {
    let path = kept.certificate(GATEWAY);
    if !files::exists(&path)? {
        return Ok(Default::default());
    }
    let has = subject_names(&certificates(&path)?[0])?;
    // Those of this machine itself come first: whoever issues one for other names has a reason.
    let wanted = names(settings).into_iter().skip(3).map(|name| written(&name));
    let lacks = wanted.filter(|name| !has.contains(name)).collect();
    Ok((has, lacks))
}

/// A name or an address in the one way that it is compared.
fn written(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_ascii_lowercase(), |address| address.to_string())
}

/// The DNS names and addresses that a certificate is for.
fn subject_names(der: &[u8]) -> Result<Vec<String>> {
    let certificate = Certificate::from_der(der).context("this is no certificate")?;
    let names =
        certificate.tbs_certificate.get::<SubjectAltName>().context("the certificate's names cannot be read")?;
    let names = names.map(|(_, SubjectAltName(names))| names).unwrap_or_default();
    let named = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(written(name.as_ref())),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(|address| address.to_string()),
        _ => None,
    });
    Ok(named.collect())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let short = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    short.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Makes the certificate that signs itself where there is none that lasts: true when it did.
fn self_signed(kept: &Kept, settings: &GatewaySettings, now_ms: u64) -> Result<bool> {
    let _alone = kept.lock()?;
    let (path, key, wanted) = (kept.certificate(SELF_SIGNED), kept.key(SELF_SIGNED), names(settings));
    let named = kept.names();
    let is_for = files::read_capped(&named, 64 * 1024)?;
    if files::exists(&path)? && files::exists(&key)? && is_for.as_deref() == Some(wanted.join("\n").as_bytes()) {
        let (.., expires_ms) = facts(&certificates(&path)?[0])?;
        if now_ms + ShownCertificate::SOON_MS < expires_ms {
            return Ok(false);
        }
    }
    let made = signing::self_signed("cara", &wanted, now_ms)?;
    // The names last: a crash before leaves a certificate that is made anew.
    kept.write(&key, &made.key)?;
    kept.write(&path, &made.certificate)?;
    kept.write(&named, &wanted.join("\n"))?;
    Ok(true)
}
