//! What a fetch or a push needs of the world: the gate, a login, time, an eye.

use cara_services::egress::Egress;
use cara_services::vault::SecretValue;
use std::sync::Arc;
use std::time::Duration;

/// What a fetch or a push is done with.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The one way out.
    pub egress: &'a Egress,
    /// Who asks, if a registry wants to know.
    pub credentials: &'a Credentials,
    /// How long it may take.
    pub deadlines: Deadlines,
    /// Whom to tell how far it is.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl<'a> Access<'a> {
    /// Without a login, in the usual time, telling nobody.
    pub fn anonymous(egress: &'a Egress) -> Self {
        Self { egress, credentials: &Credentials::Anonymous, deadlines: Deadlines::FETCH, progress: &|_| {} }
    }
}

/// A login at a registry. It goes to that registry, or to whom that registry names for tokens, and nowhere else; a file
/// on a web server is always asked for without.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Nobody.
    #[default]
    Anonymous,
    /// A user name and a password.
    Basic {
        /// The user name.
        user: String,
        /// The password, or a token that a registry takes as one.
        password: Arc<SecretValue>,
    },
    /// A token that the registry itself takes.
    Bearer(Arc<SecretValue>),
}

/// How long all requests of a fetch or a push may take together, and each of them without a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first request to the last byte.
    pub total: Duration,
    /// From one part of an answer to the next.
    pub idle: Duration,
}

impl Deadlines {
    /// Two minutes, half a minute of silence.
    pub const FETCH: Self = Self { total: Duration::from_secs(120), idle: Duration::from_secs(30) };
    /// Ten minutes: what is sent may be slow.
    pub const PUSH: Self = Self { total: Duration::from_secs(600), idle: Duration::from_secs(30) };
}

/// How far a fetch or a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is under way.
    pub phase: Phase,
    /// Bytes of it so far.
    pub bytes: u64,
    /// Bytes of it in all, as the server says.
    pub of: Option<u64>,
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Tokens, manifests and lists.
    Asking,
    /// The component.
    Component,
    /// A signature file.
    Signature,
    /// An index.
    Index,
    /// Something that is pushed.
    Sending,
}
