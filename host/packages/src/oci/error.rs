//! Why a registry did not give or take what it should.

use crate::client::ClientError;
use cara_authority::{Origin, Refusal};
use cara_signing::Digest;
use http::StatusCode;

/// Why a registry did not give or take what it should. What the registry says is escaped and cut before it gets here.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The registry wants a login.
    #[error("`{0}` wants a login for this\nhint: log in with a user name and a password or token of that registry")]
    Login(Origin),
    /// It knows who asks and says no.
    #[error("`{0}` does not accept the login for this\nhint: check user name, password and what they may do there")]
    LoginRefused(Origin),
    /// It wants a login of a kind that is not known.
    #[error("`{0}` does not say how to log in\nhint: ask whoever runs that registry for `Bearer` or `Basic`")]
    Challenge(Origin),
    /// Where it sends us for a token gave none.
    #[error("`{0}` gave no token\nhint: check the login, or try again later")]
    Token(Origin),
    /// Another status than the one that was hoped for, and what it says about it.
    #[error("`{url}` answered {status}: {said}\nhint: {}", crate::oci::error::cure(*status))]
    Answered {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
        /// The registry's own words.
        said: String,
    },
    /// Bytes with another digest than they were asked for by.
    #[error("{what} of `{name}` has the digest `{found}`, not `{wanted}`\nhint: do not trust that registry")]
    Digest {
        /// The part that is fetched.
        what: &'static str,
        /// Of what.
        name: String,
        /// What was asked for.
        wanted: String,
        /// What came.
        found: Digest,
    },
    /// Another number of bytes than the manifest says.
    #[error("{what} of `{name}` is {found} bytes, its manifest says {said}\nhint: do not trust that registry")]
    Size {
        /// The part that is fetched.
        what: &'static str,
        /// Of what.
        name: String,
        /// What came.
        found: u64,
        /// What was said.
        said: u64,
    },
    /// The manifest names too many bytes.
    #[error("{what} of `{name}` is {said} bytes, the most is {most}\nhint: ask the author for a smaller one")]
    TooLarge {
        /// The part that is fetched.
        what: &'static str,
        /// Of what.
        name: String,
        /// What the manifest says.
        said: u64,
        /// The most that is fetched.
        most: usize,
    },
    /// Not the JSON of a manifest.
    #[error("{what} of `{name}` cannot be read: {why}\nhint: it has to be pushed again")]
    Malformed {
        /// The part that is fetched.
        what: &'static str,
        /// Of what.
        name: String,
        /// The place of the mistake.
        why: String,
    },
    /// Something else than a component.
    #[error("`{name}` is `{found}`, not `{wanted}`\nhint: it is another kind of artifact; check the name")]
    Kind {
        /// The name.
        name: String,
        /// The type that came.
        found: String,
        /// The type that was expected.
        wanted: &'static str,
    },
    /// Not one layer.
    #[error(
        "`{name}` has {count} layers, it must have one of `{wanted}`\nhint: its author has to push it again as one file"
    )]
    Layers {
        /// The name.
        name: String,
        /// How many.
        count: usize,
        /// What the one should be.
        wanted: &'static str,
    },
    /// A list of manifests with not exactly one that would do.
    #[error(
        "`{name}` is a list with {count} manifests of `{wanted}`, it must have one\nhint: name the one that is meant by its digest"
    )]
    Pick {
        /// The name.
        name: String,
        /// How many.
        count: usize,
        /// What the one should be.
        wanted: &'static str,
    },
    /// A signature that is about something else.
    #[error("a signature file listed for `{name}` is about another manifest\nhint: do not trust that registry")]
    Subject {
        /// The name.
        name: String,
    },
    /// No signature refers to it.
    #[error("`{0}` has no signature\nhint: its author has to push one: `cara plugin publish`, or `cosign attach`")]
    Unsigned(String),
    /// What is at the place of the signatures is something else.
    #[error("what lists the signatures of `{0}` is no list\nhint: remove that tag from the registry")]
    NoList(String),
    /// A name to push to that has a digest.
    #[error("`{0}` names a digest, which nobody can choose\nhint: push to a tag")]
    Pinned(String),
    /// A package and a signature that do not read as such.
    #[error(transparent)]
    Interfaces(#[from] cara_authority::interfaces::InterfacesError),
}

impl From<Refusal> for OciError {
    fn from(refusal: Refusal) -> Self {
        Self::Client(refusal.into())
    }
}

pub(super) fn cure(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "check what the login may do there",
        404 | 410 => "check registry, repository and tag",
        413 => "the registry takes only smaller files",
        429 | 500..=599 => "try again later",
        _ => "ask whoever runs that registry",
    }
}
