//! What a signature says: an in-toto statement about one component file.
//!
//! Specification: <https://github.com/in-toto/attestation/tree/main/spec/v1>

use semver::Version;
use serde::Deserialize;
use sigstore_types::{Sha256Hash, Statement};
use thiserror::Error;

use crate::digest::Digest;
use crate::display_safe::DisplaySafe;
use crate::package::Package;

/// The type of every in-toto statement, version 1.
pub const STATEMENT_TYPE: &str = Statement::TYPE_V1;

/// The type of our predicate: the component's id, version and manifest digest.
pub const PREDICATE_TYPE: &str = "https://cara.dev/plugin/v1";

/// What a statement claims about a component; true only once compared with one.
pub(crate) struct Claims {
    pub(crate) file: String,
    pub(crate) digest: Digest,
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) manifest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    id: String,
    manifest: ManifestDigest,
    version: Version,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestDigest {
    sha256: Sha256Hash,
}

/// The name a package's file has in its statement.
pub(crate) fn file_name(package: &Package) -> String {
    format!("{}.wasm", package.id())
}

impl Claims {
    /// Reads a payload whose signature was checked before.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, StatementError> {
        let json = |error: serde_json::Error| StatementError::Json(DisplaySafe::new(&error.to_string()));
        let statement: Statement = serde_json::from_slice(payload).map_err(json)?;
        if statement.type_ != STATEMENT_TYPE {
            return Err(StatementError::Type(DisplaySafe::new(&statement.type_)));
        }
        if statement.predicate_type != PREDICATE_TYPE {
            return Err(StatementError::PredicateType(DisplaySafe::new(&statement.predicate_type)));
        }
        let [subject] = statement.subject.as_slice() else {
            return Err(StatementError::Subjects(statement.subject.len()));
        };
        let digest = subject.digest.sha256.ok_or(StatementError::NoDigest)?;
        let predicate: Predicate = serde_json::from_value(statement.predicate)
            .map_err(|error| StatementError::Predicate(DisplaySafe::new(&error.to_string())))?;
        Ok(Self {
            file: subject.name.clone(),
            digest: Digest::from_bytes(*digest.as_bytes()),
            id: predicate.id,
            version: predicate.version,
            manifest: Digest::from_bytes(*predicate.manifest.sha256.as_bytes()),
        })
    }
}

/// Why a signed payload is not a statement about a component.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StatementError {
    /// Not the JSON of a statement.
    #[error("not an in-toto statement: {0}")]
    Json(DisplaySafe),
    /// Another type than `STATEMENT_TYPE`.
    #[error("its statement type is `{0}`")]
    Type(DisplaySafe),
    /// Another type than `PREDICATE_TYPE`.
    #[error("its predicate type is `{0}`")]
    PredicateType(DisplaySafe),
    /// Not exactly one subject.
    #[error("it is about {0} files, not one")]
    Subjects(usize),
    /// A subject without a SHA-256 digest.
    #[error("it has no SHA-256 digest of the file")]
    NoDigest,
    /// Not our predicate.
    #[error("its predicate is not a component's: {0}")]
    Predicate(DisplaySafe),
}
