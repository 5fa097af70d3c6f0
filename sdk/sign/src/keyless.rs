//! `sign_keyless`: signs with a certificate instead of a key somebody keeps.
//!
//! What is sent and what is made of the answers is here; the way out is not, the
//! caller brings it as a `Transport`. Nothing an answer says is believed: the bundle
//! is checked against the trust root before it leaves.
//!
//! ```text
//! package ─→ statement ─→ one-time key ─→ signature ───────────────────┐
//! token ──→ POST authority/api/v2/signingCert ──→ certificate ─────────┼─→ Bundle
//!           POST log/api/v1/log/entries ────────→ entry with its proof ┘
//! ```

mod authority;
mod endpoint;
mod log;
mod one_time_key;

use std::error::Error as StdError;

use cara_signing::{
    BadName, Bundle, BundleError, CertificateError, DisplaySafe, IdentityError, PAYLOAD_TYPE, Package, TrustError,
    TrustRoot, TrustStore, TrustedIdentity, VerifyError, verify,
};
use serde::Deserialize;
use sigstore_types::bundle::{CertificateContent, VerificationMaterial};
use sigstore_types::{DsseEnvelope, DsseSignature, KeyId, VerificationMaterialContent};
use thiserror::Error;

use crate::sign::{json, statement};
use authority::Named;
use one_time_key::OneTimeKey;

pub use endpoint::{Endpoint, EndpointError};
pub(crate) use log::{PATH, entry};
pub(crate) use one_time_key::SPKI;

/// The way to the authority and the log; the host's egress gate stands behind it.
pub trait Transport: Sync {
    /// Why no answer came; shown as it is, so it brings its own hint.
    type Error: Into<Box<dyn StdError + Send + Sync>>;

    /// Posts `body` to `url` as `application/json` and returns the answer, whatever
    /// its status; follows no redirect, as the first body holds the sign-in token.
    fn post(&self, url: &str, body: &str) -> impl Future<Output = Result<Answer, Self::Error>> + Send;
}

/// What came back from a `Transport`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status code of HTTP.
    pub status: u16,
    /// The body; one over 64 KiB is refused, so more need not be read.
    pub body: String,
}

/// One Sigstore instance to sign with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Its certificate authority, a Fulcio with API version 2.
    pub authority: Endpoint,
    /// Its transparency log, a Rekor with API version 1.
    pub log: Endpoint,
    /// What its answers are checked against.
    pub root: TrustRoot,
}

/// Signs `package` as the one the sign-in `token` names, an OpenID Connect identity
/// token made for `sigstore`. The key lives only in this call.
///
/// The identity becomes public: certificate and signature stand in the log for ever.
///
/// # Errors
/// When authority or log refuses, or what they answered does not hold against the
/// trust root of `instance`.
pub async fn sign_keyless(
    package: &Package,
    token: &str,
    instance: &Instance,
    transport: &impl Transport,
) -> Result<Bundle, KeylessError> {
    let key = OneTimeKey::generate()?;
    let proof = key.sign(authority::subject(token)?.as_bytes())?;
    let request = authority::request(token, &key.public_pem(), &proof);
    let answer = transport.post(&instance.authority.join(authority::PATH), &request).await;
    let answer = read(answer.map_err(transport_failed)?, Party::Authority)?;
    let (certificate, named) = authority::certificate(&answer)?;

    let payload = statement(package);
    let signature = key.sign(&sigstore_types::pae(PAYLOAD_TYPE, &payload))?;
    let signature = DsseSignature::new(signature.into(), KeyId::default());
    let envelope = DsseEnvelope::new(PAYLOAD_TYPE, payload.into(), signature);
    let request = log::request(&envelope, &certificate);
    let answer = transport.post(&instance.log.join(log::PATH), &request).await;
    let entry = log::entry(&read(answer.map_err(transport_failed)?, Party::Log)?)?;

    let material = VerificationMaterialContent::Certificate(CertificateContent::new(certificate));
    let material = VerificationMaterial::new(material).with_tlog_entries(vec![entry]);
    let bundle = Bundle::from_json(&json(material, envelope))?;
    check(package, &bundle, &named, &instance.root)?;
    Ok(bundle)
}

/// Checks the bundle as one who trusts its signer will, so that none leaves that is then refused.
fn check(package: &Package, bundle: &Bundle, named: &Named, root: &TrustRoot) -> Result<(), KeylessError> {
    let (identity, issuer) = (named.subject.parse()?, named.issuer.parse()?);
    let (name, components) = ("who signs".to_owned(), vec![package.id().clone().into()]);
    let mut trust = TrustStore::empty().with_root(root.clone());
    trust.add_identity(TrustedIdentity { name, identity, issuer, components, since: None })?;
    match verify(package.clone(), bundle, &trust, None) {
        Ok(_) => Ok(()),
        Err(VerifyError::Certificate(_, problem)) => Err(KeylessError::Unproven(problem)),
        Err(other) => Err(KeylessError::Refused(other)),
    }
}

/// The party that answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Party {
    Authority,
    Log,
}

/// The body of an answer that grants what was asked for.
fn read(answer: Answer, by: Party) -> Result<String, KeylessError> {
    if answer.body.len() > Bundle::MAX_BYTES {
        let told = format!("it is {} bytes, the most is {}", answer.body.len(), Bundle::MAX_BYTES);
        return Err(match by {
            Party::Authority => KeylessError::authority(&told),
            Party::Log => KeylessError::log(&told),
        });
    }
    let (status, told) = (answer.status, Reason::of(&answer.body));
    match (status, by) {
        (200 | 201, _) => Ok(answer.body),
        (_, Party::Authority) => Err(KeylessError::AuthorityRefuses { status, told }),
        (_, Party::Log) => Err(KeylessError::LogRefuses { status, told }),
    }
}

/// The body of an answer of a log that took what it was given.
pub(crate) fn answered(answer: Answer) -> Result<String, KeylessError> {
    read(answer, Party::Log)
}

/// The form both give their reasons in. Nothing else of such a body is shown.
#[derive(Deserialize)]
struct Reason {
    message: String,
}

impl Reason {
    fn of(body: &str) -> DisplaySafe {
        DisplaySafe::new(
            &serde_json::from_str::<Self>(body).map_or("no reason given".to_owned(), |reason| reason.message),
        )
    }
}

fn transport_failed<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> KeylessError {
    KeylessError::Transport(error.into())
}

/// Why no bundle came of a keyless signature.
#[derive(Debug, Error)]
pub enum KeylessError {
    /// The token is not one, or names nobody. What it says is never shown.
    #[error(
        "the sign-in token is not an OpenID Connect identity token that names somebody\n\
         hint: sign in again; the token has three parts with dots between them"
    )]
    Token,
    /// The operating system has no random numbers to give.
    #[error("no key can be made: the system has no random numbers\nhint: try again")]
    Random,
    /// No answer came.
    #[error(transparent)]
    Transport(Box<dyn StdError + Send + Sync>),
    /// The certificate authority makes no certificate.
    #[error(
        "the certificate authority refuses with status {status}: {told}\n\
         hint: sign in again; if it stays so, see that its address is right and it knows who made the token"
    )]
    AuthorityRefuses {
        /// The status code of HTTP.
        status: u16,
        /// The reason it gives.
        told: DisplaySafe,
    },
    /// The certificate authority said something else than a certificate.
    #[error(
        "the certificate authority's answer is not understood: {0}\n\
         hint: sign in again; if it stays so, the address is not one of a Fulcio version 2"
    )]
    Authority(DisplaySafe),
    /// The transparency log does not take the signature.
    #[error(
        "the transparency log refuses with status {status}: {told}\n\
         hint: sign again; if it stays so, see that its address is right and it knows the certificate authority"
    )]
    LogRefuses {
        /// The status code of HTTP.
        status: u16,
        /// The reason it gives.
        told: DisplaySafe,
    },
    /// The transparency log said something else than an entry.
    #[error(
        "the transparency log's answer is not understood: {0}\n\
         hint: sign again; if it stays so, the address is not one of a Rekor version 1"
    )]
    Log(DisplaySafe),
    /// What came of it is not a bundle we read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// What came of it does not hold against the trust root.
    #[error(
        "the signature just made cannot be trusted: {}\n\
         hint: sign again; if it stays so, see that authority, log and trust root are of one Sigstore instance, \
         and this machine's clock is right",
        problem(.0)
    )]
    Unproven(#[source] CertificateError),
    /// Whom the certificate names, nobody could trust.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Who vouched for them, nobody could trust.
    #[error(transparent)]
    Issuer(#[from] BadName),
    /// No trust store takes the two.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// What came of it would be refused by those who trust its signer.
    #[error(transparent)]
    Refused(VerifyError),
}

/// What is wrong without its hint, which is for who gets the bundle.
fn problem(error: &CertificateError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl KeylessError {
    fn authority(told: &dyn std::fmt::Display) -> Self {
        Self::Authority(DisplaySafe::new(&told.to_string()))
    }

    fn log(told: &dyn std::fmt::Display) -> Self {
        Self::Log(DisplaySafe::new(&told.to_string()))
    }
}
