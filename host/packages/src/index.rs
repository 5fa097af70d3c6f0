//! `Index`: a list of plugins to search in (docs/plugin-index.md).
//!
//! It is a help for people who look for something, no source of trust: what it says of a package is compared with the
//! package once that is fetched, and who made it is verified then.

use crate::access::{Access, Phase};
use crate::client::{Client, ClientError, Want};
use crate::fetch::{FetchError, capped, checked};
use crate::oci::{self, Registry, Scope};
use crate::reference::{Reference, ReferenceError};
use cara_authority::{Destination, display_safe};
use http::{HeaderMap, Method};
use std::collections::BTreeSet;

mod entry;
mod search;

pub use entry::Entry;

/// The largest index, in bytes (4 MiB).
pub const MAX_BYTES: usize = oci::INDEX_BYTES;
/// The most entries of an index.
pub const MAX_ENTRIES: usize = 10_000;
/// The version that is read.
const VERSION: u64 = 1;

/// A list of plugins, well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    entries: Vec<Entry>,
}

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The index could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// More bytes than are read.
    #[error("the index is {0} bytes, the most is {MAX_BYTES}\nhint: {CURE}")]
    TooLarge(usize),
    /// Not the JSON of an index.
    #[error("the index cannot be read: {0}\nhint: {CURE}")]
    Json(String),
    /// Another version of the format.
    #[error("the index is of version {0}, this cara reads version {VERSION}\nhint: use a newer cara")]
    Version(u64),
    /// More entries than are read.
    #[error("the index has {0} entries, the most is {MAX_ENTRIES}\nhint: {CURE}")]
    Entries(usize),
    /// A key that is not known.
    #[error("{place} has the key `{key}`, which is not known\nhint: keys of your own begin with `x-`")]
    Key {
        /// Where.
        place: String,
        /// The key.
        key: String,
    },
    /// A value that is not what it should be.
    #[error("entry {at} of the index: {why}\nhint: {CURE}")]
    Entry {
        /// The entry's place, from 1.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A place that an entry may not name.
    #[error(
        "entry {at} of the index leads to `{reference}`\nhint: a public index names `https` and `oci` on public hosts only"
    )]
    Inward {
        /// The entry's place, from 1.
        at: usize,
        /// The reference of the entry.
        reference: String,
    },
    /// One version twice.
    #[error("the index has `{id}` {version} twice\nhint: {CURE}")]
    Twice {
        /// The component.
        id: String,
        /// The version.
        version: String,
    },
}

const CURE: &str = "whoever keeps the index has to correct it";

impl Index {
    /// Fetches an index and reads it.
    pub async fn fetch(reference: &Reference, access: Access<'_>) -> Result<Self, IndexError> {
        let bytes = bytes(reference, access).await?;
        Self::parse(&bytes, reference)
    }

    /// Reads an index that came from `source`.
    pub fn parse(bytes: &[u8], source: &Reference) -> Result<Self, IndexError> {
        if bytes.len() > MAX_BYTES {
            return Err(IndexError::TooLarge(bytes.len()));
        }
        let json = |error: serde_json::Error| IndexError::Json(display_safe(&error.to_string()));
        // The version is read first: what else a newer one says may be unreadable here.
        let outline: entry::Outline = serde_json::from_slice(bytes).map_err(json)?;
        if outline.version != VERSION {
            return Err(IndexError::Version(outline.version));
        }
        let file: entry::File = serde_json::from_slice(bytes).map_err(json)?;
        own_keys(|| "the index".to_owned(), file.rest.keys())?;
        if file.entries.len() > MAX_ENTRIES {
            return Err(IndexError::Entries(file.entries.len()));
        }
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for (at, line) in (1..).zip(file.entries) {
            own_keys(|| format!("entry {at} of the index"), line.rest.keys())?;
            let entry = Entry::read(line).map_err(|why| IndexError::Entry { at, why: why.to_string() })?;
            admitted(at, &entry.reference, source)?;
            if !seen.insert((entry.id.clone(), entry.version.clone())) {
                return Err(IndexError::Twice { id: entry.id.to_string(), version: entry.version.to_string() });
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }

    /// Every entry, as the index lists them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// An index of the network names nothing on this machine; one of this machine may, but no paths: they would mean another
/// file in every folder.
fn admitted(at: usize, reference: &Reference, source: &Reference) -> Result<(), IndexError> {
    let inward = match reference {
        Reference::File(_) => true,
        reference => !reference.is_public() && source.is_public(),
    };
    if inward { Err(IndexError::Inward { at, reference: display_safe(&reference.to_string()) }) } else { Ok(()) }
}

fn own_keys<'a>(place: impl Fn() -> String, mut keys: impl Iterator<Item = &'a String>) -> Result<(), IndexError> {
    match keys.find(|key| !key.starts_with("x-")) {
        Some(key) => Err(IndexError::Key { place: place(), key: display_safe(key) }),
        None => Ok(()),
    }
}

async fn bytes(reference: &Reference, access: Access<'_>) -> Result<Vec<u8>, FetchError> {
    let client = Client::new(access);
    let bytes = match reference {
        Reference::File(file) => {
            let path = file.path().to_owned();
            let read = tokio::task::spawn_blocking(move || capped(&path, MAX_BYTES)?.ok_or(FetchError::Missing(path)));
            read.await.expect("reading a file does not panic")?
        }
        Reference::Url(url) => {
            let destination = Destination::named(&Method::GET, url.url()).map_err(ClientError::from)?;
            let reply = client.get(destination, HeaderMap::new()).await?.ok()?;
            client.read(reply, Want { phase: Phase::Index, most: MAX_BYTES }).await?
        }
        Reference::Registry(name) => {
            // What is pinned there is the manifest, which is checked on the way.
            let mut registry = Registry::new(&client, name, Scope::Pull);
            return Ok(oci::pull(&mut registry, &oci::INDEX).await?.bytes);
        }
    };
    checked(reference, &bytes, reference.digest())?;
    Ok(bytes)
}

impl From<ReferenceError> for entry::BadEntry {
    fn from(error: ReferenceError) -> Self {
        Self(display_safe(error.to_string().lines().next().unwrap_or_default()))
    }
}
