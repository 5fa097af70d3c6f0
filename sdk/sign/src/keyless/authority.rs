//! What is asked of a certificate authority, and what it answers.
//!
//! Specification: <https://github.com/sigstore/fulcio/blob/main/fulcio.proto>

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use sigstore_types::DerCertificate;
use sigstore_verify::crypto::parse_certificate_info;
use zeroize::Zeroizing;

use super::KeylessError;

/// The path of the authority's API.
pub(super) const PATH: &str = "/api/v2/signingCert";

/// Whom the token names: the e-mail address if there is one, else the subject. It
/// is not checked, the authority does that; it has to be signed to show that who
/// has the token has the key.
pub(super) fn subject(token: &str) -> Result<String, KeylessError> {
    #[derive(Deserialize)]
    struct Claims {
        email: Option<String>,
        sub: Option<String>,
    }
    // The causes are left out on purpose: no part of a token may reach a log.
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(KeylessError::Token);
    };
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).map_err(|_| KeylessError::Token)?);
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| KeylessError::Token)?;
    let named = claims.email.filter(|email| !email.is_empty()).or(claims.sub);
    named.filter(|name| !name.is_empty()).ok_or(KeylessError::Token)
}

/// Asks for a certificate for `public_key`, SubjectPublicKeyInfo as PEM, for which
/// `proof` is the signature of the `subject`.
pub(super) fn request(token: &str, public_key: &str, proof: &[u8]) -> Zeroizing<String> {
    let body = serde_json::json!({
        "credentials": { "oidcIdentityToken": token },
        "publicKeyRequest": {
            "publicKey": { "algorithm": "ECDSA", "content": public_key },
            "proofOfPossession": STANDARD.encode(proof),
        },
    });
    Zeroizing::new(body.to_string())
}

/// Whom a certificate names, and who vouched for them.
pub(super) struct Named {
    pub(super) subject: String,
    pub(super) issuer: String,
}

/// The certificate in an answer. One whose promise of the certificate log is beside
/// it and not in it (`signedCertificateDetachedSct`) is not read: no bundle could carry it.
pub(super) fn certificate(answer: &str) -> Result<(DerCertificate, Named), KeylessError> {
    let read: Read = serde_json::from_str(answer).map_err(|error| KeylessError::authority(&error))?;
    let chain = read.signed_certificate_embedded_sct.chain.certificates;
    let first = chain.first().ok_or_else(|| KeylessError::authority(&"it has no certificate"))?;
    let certificate = DerCertificate::from_pem(first).map_err(|error| KeylessError::authority(&error))?;
    // Asked before anything is in the log for ever.
    let named = parse_certificate_info(&certificate).ok().and_then(|info| {
        let subject = info.identity?.as_str().to_owned();
        Some(Named { subject, issuer: info.issuer? })
    });
    let named = named.ok_or_else(|| KeylessError::authority(&"its certificate is broken, or names nobody"))?;
    Ok((certificate, named))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a certificate")]
struct Read {
    signed_certificate_embedded_sct: SignedCertificate,
}

#[derive(Deserialize)]
#[serde(expecting = "a certificate chain")]
struct SignedCertificate {
    chain: Chain,
}

/// PEM, the signer's own first.
#[derive(Deserialize)]
#[serde(expecting = "a list of certificates")]
struct Chain {
    certificates: Vec<String>,
}
