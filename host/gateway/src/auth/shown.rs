//! What a request shows to be let in.

use super::asker::Asker;
use super::cookies;
use cara_control::{CredentialKind, Credentials, Held};
use http::{HeaderMap, HeaderName, header};
use std::sync::Arc;

/// Where clients of Anthropic's API put their key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a request shows: the first of these that is there, and no other.
pub(crate) enum Shown<'a> {
    /// A token; nothing that can be one where the header says something else.
    Token(Option<&'a str>),
    /// The cookie of a session.
    Cookie(&'a str),
    /// The certificate of the connection, by SHA-256 over it.
    Certificate([u8; 32]),
}

impl<'a> Shown<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, asker: &Asker) -> Option<Self> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            return Some(Self::Token(value.to_str().ok().and_then(bearer)));
        }
        if let Some(value) = headers.get(API_KEY) {
            return Some(Self::Token(value.to_str().ok()));
        }
        if let Some(cookie) = cookies::session(headers, asker) {
            return Some(Self::Cookie(cookie));
        }
        let mut fingerprint = [0; 32];
        let certificate = asker.certificate.as_ref()?;
        hex::decode_to_slice(&certificate.fingerprint, &mut fingerprint).ok()?;
        Some(Self::Certificate(fingerprint))
    }

    /// Whether the connection shows it, whatever the request is.
    pub(crate) fn is_certificate(&self) -> bool {
        matches!(self, Self::Certificate(_))
    }

    /// What it lets in as.
    pub(crate) fn held(&self, credentials: &Credentials, now_ms: u64) -> Option<Arc<Held>> {
        match self {
            Self::Token(token) => credentials.shown(CredentialKind::Token, (*token)?.as_bytes(), now_ms),
            Self::Cookie(secret) => credentials.shown(CredentialKind::Session, secret.as_bytes(), now_ms),
            Self::Certificate(fingerprint) => credentials.of_hash(CredentialKind::Certificate, fingerprint, now_ms),
        }
    }
}

/// The token of `Bearer TOKEN`; the scheme in any case (RFC 9110).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
