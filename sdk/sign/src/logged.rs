//! `enter_log`: puts what a home signed into a transparency log, and keeps the
//! log's proof of it.
//!
//! The entry is of kind `dsse`, around an in-toto statement that names the SHA-256 of what was signed and nothing else; the
//! key is the home's own, so there is no certificate and nobody to sign in as. What the log answers is not believed: it is
//! checked against the trust root before it is kept, and again whenever somebody asks.
//!
//! ```text
//! message ─→ statement ─→ HomeKey ─→ POST log/api/v1/log/entries ─→ entry ─→ checked ─→ Bundle, as JSON
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_signing::{Bundle, DisplaySafe, PAYLOAD_TYPE, TrustRoot, TrustRootError};
use ring::digest::{SHA256, digest};
use sigstore_types::bundle::{Bundle as Wire, VerificationMaterial};
use sigstore_types::{
    DsseEnvelope, DsseSignature, KeyId, PublicKeyIdentifier, Sha256Hash, Statement, Subject,
    VerificationMaterialContent,
};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::{PublicKeyVerificationPolicy, Verifier};
use thiserror::Error;

use crate::home_key::{HomeKey, HomeKeyError};
use crate::keyless::{Endpoint, KeylessError, PATH, Transport, answered, entry};
use crate::sign::json;

/// What the statement says of its subject: nothing beside its digest.
const PREDICATE_TYPE: &str = "https://cara.dev/audit-anchor/v1";

/// Enters the signature of a message into the log; gives the bundle with the log's proof, as JSON on one line.
///
/// The digest of the message and the public half of the key are public from then on, for ever.
///
/// # Errors
/// When the log refuses, or its answer does not hold against the trust root, the text of a `trusted_root.json`.
pub async fn enter_log(
    message: &[u8],
    key: &HomeKey,
    log: &Endpoint,
    root: &str,
    transport: &impl Transport,
) -> Result<String, LoggedError> {
    let hash = Sha256Hash::new(sha256(message));
    let statement = Statement::new(vec![Subject::new("anchor", hash.into())], PREDICATE_TYPE, serde_json::json!({}));
    let payload = serde_json::to_vec(&statement).expect("a statement of strings always has a JSON form");
    let signature = key.sign(&sigstore_types::pae(PAYLOAD_TYPE, &payload))?;
    let signature = DsseSignature::new(signature.into(), KeyId::new(key.id()));
    let envelope = DsseEnvelope::new(PAYLOAD_TYPE, payload.into(), signature);
    let proposed = serde_json::json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": { "proposedContent": {
            "envelope": serde_json::to_string(&envelope).expect("an envelope of strings always has a JSON form"),
            "verifiers": [STANDARD.encode(key.public_pem())],
        } },
    });
    let answer = transport.post(&log.join(PATH), &proposed.to_string()).await;
    let answer = answer.map_err(|error| LoggedError::Log(KeylessError::Transport(error.into())))?;
    let entry = entry(&answered(answer).map_err(LoggedError::Log)?).map_err(LoggedError::Log)?;
    let material = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(key.id()));
    let bundle = json(VerificationMaterial::new(material).with_tlog_entries(vec![entry]), envelope);
    check_log_entry(&bundle, message, key, root)?;
    Ok(bundle)
}

/// Checks that the log of the trust root has the key's signature of the message; gives the entry's number.
///
/// # Errors
/// When the bundle is of something else, or does not hold.
pub fn check_log_entry(bundle: &str, message: &[u8], key: &HomeKey, root: &str) -> Result<u64, LoggedError> {
    let unproven = |told: &dyn std::fmt::Display| LoggedError::Unproven(DisplaySafe::new(&told.to_string()));
    if bundle.len() > Bundle::MAX_BYTES {
        return Err(unproven(&"the bundle is too large"));
    }
    // Reading the root makes the arithmetic known that the checks are done with.
    TrustRoot::from_json(root)?;
    let root = TrustedRoot::from_json(root).map_err(|error| unproven(&error))?;
    let verifier = Verifier::new(&root).map_err(|error| unproven(&error))?;
    let wire = Wire::from_json(bundle).map_err(|error| unproven(&error))?;
    let [entry] = wire.verification_material.tlog_entries.as_slice() else {
        return Err(unproven(&"it has not one entry"));
    };
    let policy = PublicKeyVerificationPolicy::new(key.public());
    let checked = verifier.verify(Sha256Hash::new(sha256(message)), &wire, &policy);
    checked.map_err(|error| unproven(&error))?;
    Ok(entry.log_index.get())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Why something is not in a transparency log, or not proven to be.
#[derive(Debug, Error)]
pub enum LoggedError {
    /// The key signs nothing.
    #[error(transparent)]
    Key(#[from] HomeKeyError),
    /// The log could not be asked, refused, or was not understood.
    #[error(transparent)]
    Log(KeylessError),
    /// There is no trust root to check against.
    #[error(transparent)]
    Root(#[from] TrustRootError),
    /// What the log gave does not hold.
    #[error(
        "the entry of the transparency log does not hold: {0}\n\
         hint: see that the log and the trust root (`cara trust list`) are of one Sigstore instance, and the clock is right"
    )]
    Unproven(DisplaySafe),
}
