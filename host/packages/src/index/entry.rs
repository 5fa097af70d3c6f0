//! `Entry`: one version of one plugin in an index, every value checked.

use crate::reference::Reference;
use cara_authority::{ComponentId, Kind};
use cara_signing::{Digest, KeyId, display_safe};
use semver::Version;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most characters of a summary.
const SUMMARY: usize = 300;

/// One version of one plugin. What is said here is what the index says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The component's id.
    pub id: ComponentId,
    /// The component's version.
    pub version: Version,
    /// The component in a line.
    pub summary: String,
    /// The component's kinds.
    pub kinds: Vec<Kind>,
    /// The reference to install it from.
    pub reference: Reference,
    /// The digest of the component file.
    pub digest: Digest,
    /// The key that signed it.
    pub signer: KeyId,
}

/// The whole file.
#[derive(Deserialize)]
#[serde(expecting = "an object with `version` and `entries`")]
pub(super) struct File {
    #[serde(rename = "version")]
    _version: u64,
    pub(super) entries: Vec<Line>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// What is the same in every version of the format.
#[derive(Deserialize)]
#[serde(expecting = "an object with `version` and `entries`")]
pub(super) struct Outline {
    pub(super) version: u64,
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(expecting = "an entry of an index")]
pub(super) struct Line {
    id: String,
    version: String,
    summary: String,
    kinds: Vec<String>,
    #[serde(rename = "ref")]
    reference: String,
    digest: String,
    signer: String,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// What is wrong with an entry; a part of a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadEntry(pub(super) String);

impl Entry {
    pub(super) fn read(line: Line) -> Result<Self, BadEntry> {
        let bad = |key: &str, value: &str| BadEntry(format!("its `{key}` is `{}`", display_safe(value)));
        let (characters, control) = (line.summary.chars().count(), line.summary.chars().any(char::is_control));
        if characters == 0 || characters > SUMMARY || control {
            return Err(BadEntry(format!("its `summary` is not one line of 1 to {SUMMARY} characters")));
        }
        let kind = |name: &String| Kind::named(name).ok_or_else(|| bad("kinds", name));
        Ok(Self {
            id: ComponentId::parse(&line.id).map_err(|_| bad("id", &line.id))?,
            version: Version::parse(&line.version).map_err(|_| bad("version", &line.version))?,
            kinds: line.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            reference: Reference::parse(&line.reference)?,
            digest: line.digest.parse().map_err(|_| bad("digest", &line.digest))?,
            signer: line.signer.parse().map_err(|_| bad("signer", &line.signer))?,
            summary: line.summary,
        })
    }
}
