//! `OciReference`: a repository in an OCI registry, with a tag or a digest.
//!
//! The grammar is that of the OCI distribution specification 1.1 ("Pulling manifests"). A registry on this machine is
//! spoken to over `http`, every other over `https`. No registry is meant when none is written.

use super::ReferenceError;
use cara_authority::Origin;
use cara_authority::origin::Scheme;
use cara_signing::{Digest, display_safe};
use std::fmt;

/// The tag that is meant when neither tag nor digest is written.
const LATEST: &str = "latest";
/// Registry and repository together; what many registries take (distribution specification, "Pulling manifests").
const LONGEST: usize = 255;

/// `oci://registry[:port]/repository[:tag][@sha256:…]`. It has a tag or a digest or both; the digest decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OciReference {
    origin: Origin,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl OciReference {
    /// Reads what follows `oci://`.
    pub(super) fn parse(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |why| ReferenceError::Repository { text: format!("oci://{}", display_safe(text)), why };
        let (named, digest) = match text.split_once('@') {
            // A digest is the only thing an `@` may introduce: `user@registry` would be stored and shown.
            Some((named, digest)) if digest.starts_with("sha256:") => {
                (named, Some(digest.parse().map_err(|_| ReferenceError::Digest(display_safe(digest)))?))
            }
            Some(_) => return Err(refuse("after `@` comes `sha256:` and 64 hex digits")),
            None => (text, None),
        };
        let (registry, path) = named.split_once('/').ok_or_else(|| refuse("it has no repository"))?;
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        if registry.is_empty() || !registry.bytes().all(in_a_registry) {
            return Err(refuse("the registry is not a host"));
        }
        let origin = |scheme: &str| Origin::parse(&format!("{scheme}://{registry}"));
        let origin = origin("https")
            .and_then(|secure| if secure.is_loopback() { origin("http") } else { Ok(secure) })
            .map_err(|_| refuse("the registry is not a host"))?;
        if !repository.split('/').all(is_component) {
            return Err(refuse("a repository is lower-case words of `a-z` and `0-9`, joined by `.`, `_`, `-` and `/`"));
        }
        if registry.len() + 1 + repository.len() > LONGEST {
            return Err(refuse("it is over 255 characters"));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse("a tag is 1 to 128 of `a-z`, `A-Z`, `0-9`, `_`, `.` and `-`"));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| LATEST.to_owned()));
        Ok(Self { origin, repository: repository.to_owned(), tag, digest })
    }

    /// Where the registry is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was written or neither was.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that the manifest must have.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same name with the digest that its manifest had.
    pub(crate) fn with(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// What a manifest is asked for by: the digest if there is one, the tag otherwise.
    pub(crate) fn wanted(&self) -> String {
        self.digest.map_or_else(|| self.tag.clone().unwrap_or_default(), |digest| digest.to_string())
    }

    /// The registry as it is written: host and port.
    fn registry(&self) -> String {
        let port = match (self.origin.scheme(), self.origin.port()) {
            (Scheme::Https, 443) | (Scheme::Http, 80) => String::new(),
            (_, port) => format!(":{port}"),
        };
        format!("{}{port}", self.origin.host())
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry(), self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn in_a_registry(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let joint = |joint: &str| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    let ends = text.bytes().next().is_some_and(word) && text.bytes().last().is_some_and(word);
    ends && text.split(|c: char| c.is_ascii() && word(c as u8)).all(joint)
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
fn is_tag(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|b| first(b) || matches!(b, b'.' | b'-'))
}
