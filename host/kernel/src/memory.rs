//! The memory of one call: the guest's own and what the host keeps for it.
//!
//! One budget, the call's `memory` limit. Linear memory takes from it as it grows, each thing the guest makes the host
//! buffer takes from it for as long as the host does. A host function that cannot say no ends the call instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// What a call may still take.
pub(crate) struct Memory {
    left: AtomicU64,
    exceeded: Notify,
}

impl Memory {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(bytes), exceeded: Notify::new() })
    }

    /// Takes bytes for the rest of the call. False, and nothing is taken, when they are not there.
    #[must_use]
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let take = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// What is left.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes bytes until the value is dropped.
    pub(crate) fn hold(self: &Arc<Self>, bytes: u64) -> Option<Held> {
        self.take(bytes).then(|| Held { memory: self.clone(), bytes })
    }

    /// Ends the call, from where no error can be returned.
    pub(crate) fn exceed(&self) {
        self.exceeded.notify_one();
    }

    /// Returns when the call has to end.
    pub(crate) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }
}

/// Bytes the host keeps for a guest, given back when it keeps them no longer.
pub(crate) struct Held {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
