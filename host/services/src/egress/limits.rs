//! What one call may use of the network: time and bytes.

use cara_authority::{Limits, Refusal, Rule};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Limits of one request; the budget is shared by all requests of a call.
#[derive(Debug, Clone)]
pub struct EgressLimits {
    /// Resolving, connecting and the TLS handshake.
    pub connect: Duration,
    /// From the connection to the header of the answer, the sending of the body included.
    pub first_byte: Duration,
    /// The longest wait for the next part of the answer. Time in which nobody asks for it does not count.
    pub between_bytes: Duration,
    /// From the beginning to the last byte of the answer.
    pub total: Duration,
    /// Bytes, both ways.
    pub budget: Arc<Budget>,
}

impl EgressLimits {
    /// What a call's limits leave for a request that begins with the call.
    pub fn of(limits: &Limits) -> Self {
        Self {
            connect: Duration::from_secs(10).min(limits.wall),
            first_byte: limits.idle.min(limits.wall),
            between_bytes: limits.idle.min(limits.wall),
            total: limits.wall,
            budget: Arc::new(Budget::new(limits.egress)),
        }
    }
}

/// Bytes a call may still send and receive: headers, bodies and trailers of all its requests, before compression.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
    whole: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { left: AtomicU64::new(bytes), whole: bytes }
    }

    /// What is left of it.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Uses up a part; the rest is lost when it is not enough.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Refusal> {
        let bytes = bytes as u64;
        let before =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes)));
        match before {
            Ok(left) if left >= bytes => Ok(()),
            _ => Err(Refusal::new(Rule::Limit, format!("the call sent and received over {} bytes", self.whole))
                .hint("to allow more, raise `egress` in the component's limits")),
        }
    }
}
