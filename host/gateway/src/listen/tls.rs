//! TLS of a listener: what it shows, and whose certificates it takes.
//!
//! ```text
//! settings, files ─→ TlsMaterial ─→ Tls ─→ each new connection
//!                                    └─→ those that are there: are their certificates still good?
//! ```

use super::peer::ClientCertificate;
use cara_control::reachable::ShownCertificate;
use cara_control::tls::{TlsMaterial, facts};
use cara_control::{ClientCertificates, Error, ErrorKind};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt::Display;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What comes first in HTTP/2 and HTTP/1.1, by preference (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS as new connections get it.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// The certificate, to be shown to people.
    pub(crate) shown: ShownCertificate,
    /// What it was made of.
    pub(crate) material: TlsMaterial,
}

fn unusable(what: &str, error: impl Display) -> Error {
    let text =
        format!("{what}: {error}\nhint: `cara tls show` and `[gateway.tls]` of the configuration say where it is");
    Error::new(ErrorKind::Invalid, text)
}

impl Tls {
    /// TLS made of this; where parts do not belong together, nothing is.
    pub(crate) fn new(material: TlsMaterial) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match material.clients {
            ClientCertificates::Off => None,
            taken => {
                let mut roots = RootCertStore::empty();
                for authority in &material.authorities {
                    let why = "an authority of clients cannot be used";
                    roots.add(authority.clone()).map_err(|error| unusable(why, error))?;
                }
                let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                if !material.revoked.is_empty() {
                    builder = builder
                        .with_crls(material.revoked.iter().cloned())
                        .only_check_end_entity_revocation()
                        .enforce_revocation_expiration();
                }
                if taken == ClientCertificates::Optional {
                    builder = builder.allow_unauthenticated();
                }
                let why = "the authorities of clients cannot be used";
                Some(builder.build().map_err(|error| unusable(why, error))?)
            }
        };
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| unusable("TLS cannot be used", error))?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(material.chain.clone(), material.key.clone_key());
        let mut config = config.map_err(|error| unusable("certificate and key cannot be used", error))?;
        // Of what both speak, what is listed first here: the strongest.
        config.ignore_client_order = true;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let (acceptor, shown) = (TlsAcceptor::from(Arc::new(config)), material.shown.clone());
        Ok(Self { acceptor, verifier, shown, material })
    }

    /// Whether a client with these certificates would still be let in.
    pub(crate) fn takes(&self, chain: &[CertificateDer<'static>]) -> bool {
        let (Some(verifier), Some((own, others))) = (&self.verifier, chain.split_first()) else { return false };
        verifier.verify_client_cert(own, others, UnixTime::now()).is_ok()
    }
}

/// The certificate that a client showed and that was verified.
pub(crate) fn client(chain: &[CertificateDer<'static>]) -> Option<Arc<ClientCertificate>> {
    let (subject, fingerprint, _) = facts(chain.first()?).ok()?;
    Some(Arc::new(ClientCertificate { fingerprint, subject }))
}
