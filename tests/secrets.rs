//! Secrets are spent, never read: canary values are looked for everywhere.

#![allow(clippy::unwrap_used)]

mod echo;
mod places;
mod providers;

use cara_harness::{Canary, Testbed, captured};

/// Fails when the canary was seen in the log or in a file of the home.
#[track_caller]
fn unseen(canary: &Canary, testbed: &Testbed) {
    assert_eq!(canary.seen_in(&captured().text()), None, "in the log");
    for (path, bytes) in testbed.files() {
        assert_eq!(canary.seen_in(&String::from_utf8_lossy(&bytes)), None, "in {}", path.display());
    }
}
