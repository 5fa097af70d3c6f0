//! The host's one clock, as in `wit/clock.wit`, and waiting.

pub use crate::bindings::provider_component::cara::plugin::clock::now_ms;
use crate::bindings::provider_component::wasi::clocks::monotonic_clock::subscribe_duration;

/// Waits this many milliseconds without burning fuel; the call's limits of time go on.
///
/// Imports `wasi:clocks/monotonic-clock` and `wasi:io/poll`. A cancelled call ends within the wait.
pub fn sleep_ms(milliseconds: u64) {
    subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
}
