//! What is asked of a transparency log, and what it answers.
//!
//! Specification: <https://github.com/sigstore/rekor/blob/main/openapi.yaml>

use std::collections::BTreeMap;

use sigstore_types::bundle::KindVersion;
use sigstore_types::{DerCertificate, DsseEnvelope, TransparencyLogEntry};
use sigstore_verify::rekor::{DsseEntry, LogEntry};

use super::KeylessError;

/// The path of the log's API.
pub(crate) const PATH: &str = "/api/v1/log/entries";

/// Asks the log to take the signature, as an entry of kind `dsse` 0.0.1.
pub(super) fn request(envelope: &DsseEnvelope, certificate: &DerCertificate) -> String {
    let entry = DsseEntry::new(envelope, certificate).expect("strings always have a JSON form");
    serde_json::to_string(&entry).expect("an entry of strings always has a JSON form")
}

/// The one entry in an answer, by a name nobody needs.
pub(crate) fn entry(answer: &str) -> Result<TransparencyLogEntry, KeylessError> {
    let entries: BTreeMap<String, LogEntry> =
        serde_json::from_str(answer).map_err(|error| KeylessError::log(&error))?;
    let mut entries = entries.into_values();
    let (Some(entry), None) = (entries.next(), entries.next()) else {
        return Err(KeylessError::log(&"it has not one entry"));
    };
    let entry = entry.to_bundle_entry(KindVersion::DsseV001).map_err(|error| KeylessError::log(&error))?;
    if entry.inclusion_proof.is_none() {
        return Err(KeylessError::log(&"its entry has no proof that it is in the log"));
    }
    Ok(entry)
}
