//! Why a request failed. No variant holds a secret:
//! foreign text is scrubbed, escaped and cut before it gets here.

use super::redaction::KnownSecrets;
use cara_authority::{Origin, Refusal};
use cara_signing::{display_safe, with_causes};
use std::error::Error;
use std::time::Duration;

/// Why a request failed. The source is kept as scrubbed text, because a chain of foreign errors would be printed
/// unscrubbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name has no address.
    #[error("the name of `{origin}` cannot be resolved: {reason}\nhint: check the name and this machine's DNS")]
    Resolve {
        /// Where to.
        origin: Origin,
        /// What the resolver said.
        reason: String,
    },
    /// No address took the connection.
    #[error("cannot connect to `{origin}`: {reason}\nhint: check that the server runs and that this machine is online")]
    Connect {
        /// Where to.
        origin: Origin,
        /// What the system said.
        reason: String,
    },
    /// The server is not who it should be, or speaks no TLS that is safe.
    #[error(
        "no trusted connection to `{origin}`: {reason}\nhint: the server's certificate must fit its name and be signed by an authority this machine trusts"
    )]
    Tls {
        /// Where to.
        origin: Origin,
        /// What rustls said.
        reason: String,
    },
    /// A phase of the exchange took too long.
    #[error("`{origin}` took over {limit:?} to {phase}")]
    Timeout {
        /// Where to.
        origin: Origin,
        /// The phase.
        phase: Phase,
        /// How long it had.
        limit: Duration,
    },
    /// The connection ended in the middle, or what came was not HTTP.
    #[error("the exchange with `{origin}` broke off: {reason}")]
    Broken {
        /// Where to.
        origin: Origin,
        /// What hyper said.
        reason: String,
    },
    /// The component's own body failed.
    #[error("the body of the request to `{origin}` failed: {reason}")]
    Body {
        /// Where to.
        origin: Origin,
        /// What was wrong.
        reason: String,
    },
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// Resolving, connecting and the TLS handshake.
    #[error("connect")]
    Connect,
    /// Up to the header of the answer.
    #[error("begin its answer")]
    FirstByte,
    /// From one part of the answer to the next.
    #[error("go on with its answer")]
    NextByte,
    /// The whole exchange.
    #[error("finish its answer")]
    Finish,
}

/// The texts of an error and its sources: without secrets, on one line, at most 256 bytes.
pub(super) fn reason(known: &KnownSecrets, error: &(dyn Error + 'static)) -> String {
    display_safe(&known.scrub_text(&with_causes(error)))
}

/// The end of a body that may not go on; the reason lies in the exchange.
#[derive(Debug, thiserror::Error)]
#[error("the request was ended")]
pub(super) struct Stopped;
