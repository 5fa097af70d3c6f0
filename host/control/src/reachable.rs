//! Where the daemon is reached, as its doors tell the application.
//!
//! The application must not know what a door is: it keeps what was told, for `cara status` and for who needs to hear that
//! settings or certificates changed.

use crate::gateway_settings::TlsMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// How the daemon is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Reachable {
    /// The addresses at which it listens, with the ports that it got.
    pub listening: Vec<String>,
    /// The certificate that it shows; none where nothing is encrypted.
    pub certificate: Option<ShownCertificate>,
    /// Where Tailscale leads to it, if it does.
    pub tailscale: Option<String>,
    /// Whether it is announced in the local network.
    pub announced: bool,
    /// How many connections there are.
    pub connections: u64,
    /// What of the configuration could not be done; what was there before stays.
    pub problems: Vec<String>,
}

/// A certificate, as somebody compares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownCertificate {
    /// Where it comes from: `self-signed`, `ca`, `files`.
    pub from: String,
    /// SHA-256 over the certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
}

impl ShownCertificate {
    /// How soon before its end a certificate is warned about, and renewed where it is made here.
    pub const SOON_MS: u64 = 30 * 24 * 60 * 60 * 1000;

    /// Whether the end is near, or over.
    pub fn is_ending(&self, now_ms: u64) -> bool {
        self.expires_ms < now_ms + Self::SOON_MS
    }
}

impl Reachable {
    /// Warns about a certificate that ends soon; one that signs itself is made anew by then.
    fn with_ending(mut self, now_ms: u64) -> Self {
        let ending = self.certificate.as_ref().filter(|shown| shown.is_ending(now_ms));
        if let Some(shown) = ending {
            let when = match shown.expires_ms.checked_sub(now_ms) {
                Some(left) => format!("expires in {} days", left / (24 * 60 * 60 * 1000)),
                None => "has expired".to_owned(),
            };
            let cure = match shown.from.as_str() {
                "ca" => "`cara tls issue gateway` makes the next one",
                _ => "put the next one in the place of the files that `[gateway.tls]` names",
            };
            self.problems.push(format!("the certificate {when}\nhint: {cure}"));
        }
        self
    }
}

/// The name of where a certificate comes from.
pub fn origin(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Off => "off",
        TlsMode::SelfSigned => "self-signed",
        TlsMode::Ca => "ca",
        TlsMode::Files => "files",
    }
}

/// Says how the daemon is reached when it is asked.
type Tell = Box<dyn Fn() -> Reachable + Send + Sync>;

/// What the doors of a process tell, and hear.
#[derive(Default)]
pub(crate) struct Doors {
    tell: Mutex<Option<Tell>>,
    /// Counts changes of certificates.
    certificates: watch::Sender<u64>,
}

impl Doors {
    /// How the daemon is reached; nothing in a process without such doors.
    pub(crate) fn reachable(&self, now_ms: u64) -> Option<Reachable> {
        let told = self.tell.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|tell| tell());
        told.map(|told| told.with_ending(now_ms))
    }

    /// Has it be told so from now on.
    pub(crate) fn told_by(&self, tell: impl Fn() -> Reachable + Send + Sync + 'static) {
        *self.tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(tell));
    }

    /// Changes when certificates do.
    pub(crate) fn certificates(&self) -> watch::Receiver<u64> {
        self.certificates.subscribe()
    }

    /// Says that certificates, or the list of revoked ones, are others now.
    pub(crate) fn certificates_changed(&self) {
        self.certificates.send_modify(|count| *count += 1);
    }
}
