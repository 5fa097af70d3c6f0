//! `Reference`: where a package is, as a person types it.
//!
//! ```text
//! ./weather.wasm   ./weather/   https://example.com/weather.wasm   oci://registry.example.com/acme/weather:1.2.0
//! └ a file or a folder          └ a file on a web server           └ an artifact in an OCI registry
//! ```
//!
//! `#sha256:<hex>` pins the file of the first two, `@sha256:<hex>` the manifest of the third. What is shown reads back
//! as the same reference. Nothing is looked up here.

use cara_authority::Origin;
use cara_authority::origin::{Scheme, parse_url};
use cara_signing::{Digest, display_safe};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

mod repository;

pub use repository::OciReference;

/// The most bytes of a reference.
const LONGEST: usize = 4096;
const PIN: &str = "#sha256:";

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A file or a folder on this machine.
    File(FileReference),
    /// A file on a web server.
    Url(UrlReference),
    /// An artifact in an OCI registry.
    Registry(OciReference),
}

/// A file or a folder on this machine, and the digest that the file must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileReference {
    path: PathBuf,
    digest: Option<Digest>,
}

/// A URL without user, query and fragment, and the digest that the file behind it must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UrlReference {
    url: String,
    origin: Origin,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing, a control character, or too long.
    #[error("`{0}` does not name a package\nhint: {HOW}")]
    Malformed(String),
    /// A word that is neither a path nor a URL.
    #[error(
        "`{0}` is neither a path nor a URL\nhint: write `./{0}` for a file or folder, or look for it with `cara plugin search {0}`"
    )]
    Word(String),
    /// Another scheme than those that are read.
    #[error("`{0}` begins with a scheme that cara does not fetch\nhint: {HOW}")]
    Scheme(String),
    /// A URL that is none, or carries more than a path.
    #[error("`{url}` cannot be fetched: {why}\nhint: {HOW}")]
    Url {
        /// What was typed.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not the file it should be.
    #[error("`{url}` does not end in `{ending}`\nhint: name the file itself; archives are never unpacked")]
    Ending {
        /// What was typed.
        url: String,
        /// The ending that the path should have.
        ending: &'static str,
    },
    /// `http` toward another machine.
    #[error("`{0}` is not encrypted\nhint: use `https`; `http` is for servers on this machine (127.0.0.1, localhost)")]
    Plain(String),
    /// Not a name in a registry.
    #[error(
        "`{text}` is not a name in a registry: {why}\nhint: write it like `oci://registry.example.com/acme/weather:1.2.0`"
    )]
    Repository {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A pin that is no digest.
    #[error("`{0}` is not a digest\nhint: a digest is `sha256:` and 64 lower-case hex digits")]
    Digest(String),
}

const HOW: &str =
    "write `./weather.wasm`, `https://example.com/weather.wasm` or `oci://registry.example.com/acme/weather:1.2.0`";

impl Reference {
    /// Reads where a component is.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Self::read(text, ".wasm")
    }

    /// Reads where an index is: like a component, but files end in `.json`.
    pub fn parse_index(text: &str) -> Result<Self, ReferenceError> {
        Self::read(text, ".json")
    }

    fn read(text: &str, ending: &'static str) -> Result<Self, ReferenceError> {
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) || text.trim() != text {
            return Err(ReferenceError::Malformed(display_safe(text)));
        }
        match text.split_once("://") {
            Some(("oci", rest)) => OciReference::parse(rest).map(Self::Registry),
            Some(("https" | "http", _)) => UrlReference::parse(text, ending).map(Self::Url),
            Some(_) => Err(ReferenceError::Scheme(display_safe(text))),
            None => FileReference::parse(text).map(Self::File),
        }
    }

    /// Whether it leads to the network beyond this machine.
    pub fn is_public(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Url(url) => !url.origin.is_loopback(),
            Self::Registry(oci) => !oci.origin().is_loopback(),
        }
    }

    /// The digest that is pinned: of the file, or of the manifest in a registry.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::File(file) => file.digest,
            Self::Url(url) => url.digest,
            Self::Registry(oci) => oci.digest(),
        }
    }
}

impl FileReference {
    fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (path, digest) = pinned(text)?;
        if path.is_empty() {
            return Err(ReferenceError::Malformed(display_safe(text)));
        }
        // A bare word is rather a name somebody expects cara to know than a folder he forgot to point at.
        if !path.contains(['/', '\\', '.']) {
            return Err(ReferenceError::Word(display_safe(path)));
        }
        Ok(Self { path: PathBuf::from(path), digest })
    }

    /// This file with the digest that it had.
    pub(crate) fn pinned(path: PathBuf, digest: Digest) -> Self {
        Self { path, digest: Some(digest) }
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest that the file must have.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

impl UrlReference {
    fn parse(text: &str, ending: &'static str) -> Result<Self, ReferenceError> {
        let (plain, digest) = pinned(text)?;
        let refuse = |why| ReferenceError::Url { url: display_safe(plain), why };
        let authority = plain.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(ReferenceError::Url {
                url: "https://…".into(),
                why: "it carries a user name or password, which would be stored and shown",
            });
        }
        let url = parse_url(plain).map_err(|_| refuse("it is not a URL"))?;
        let origin = Origin::parse(plain).map_err(|_| refuse("it is not a URL"))?;
        if url.query().is_some() {
            return Err(refuse("it has a query, and the signature beside it could not be named"));
        }
        if url.fragment().is_some() {
            return Err(refuse("what follows `#` must be `sha256:` and 64 hex digits"));
        }
        if !url.path().ends_with(ending) || url.path().len() <= ending.len() + 1 {
            return Err(ReferenceError::Ending { url: display_safe(plain), ending });
        }
        if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            return Err(ReferenceError::Plain(display_safe(plain)));
        }
        Ok(Self { url: url.into(), origin, digest })
    }

    /// The URL, in normal form.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The digest that the file must have.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same URL with the digest that the file had.
    pub(crate) fn with(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

/// A text and the digest that is pinned after it.
fn pinned(text: &str) -> Result<(&str, Option<Digest>), ReferenceError> {
    let Some((text, hex)) = text.split_once(PIN) else { return Ok((text, None)) };
    let digest = format!("sha256:{hex}");
    Ok((text, Some(digest.parse().map_err(|_| ReferenceError::Digest(display_safe(&digest)))?)))
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => fmt::Display::fmt(file, f),
            Self::Url(url) => fmt::Display::fmt(url, f),
            Self::Registry(oci) => fmt::Display::fmt(oci, f),
        }
    }
}

impl fmt::Display for FileReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        pin(self.digest, f)
    }
}

impl fmt::Display for UrlReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)?;
        pin(self.digest, f)
    }
}

fn pin(digest: Option<Digest>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    digest.map_or(Ok(()), |digest| write!(f, "#{digest}"))
}
