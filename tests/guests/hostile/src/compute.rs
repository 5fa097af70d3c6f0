//! Attacks on time, stack and memory.

use crate::{Answer, say};
use cara_sdk::bindings::provider_component::wasi::clocks::monotonic_clock::subscribe_duration;
use cara_sdk::{Error, clock, log, state};
use serde::Deserialize;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

/// Computes for ever.
pub(crate) fn spin() -> Answer {
    let mut round = 0_u64;
    loop {
        round = black_box(round.wrapping_add(1));
    }
}

#[derive(Deserialize)]
pub(crate) struct HostCalls {
    /// `clock`, `log` or `state`.
    import: String,
}

/// Calls the host for ever, so that hardly any fuel is burnt in between.
pub(crate) fn spin_in_host_calls(args: &HostCalls) -> Answer {
    loop {
        match args.import.as_str() {
            "clock" => drop(black_box(clock::now_ms())),
            "log" => log::debug("again", &[]),
            "state" => drop(black_box(state::get("none"))),
            other => return Err(Error::bad_request(format!("`{other}` is no import"))),
        }
    }
}

/// Calls itself until there is no stack left.
#[inline(never)]
#[allow(unconditional_recursion, reason = "the attack")]
pub(crate) fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 8]);
    recurse(depth + 1) + frame[3]
}

/// Takes memory until there is none left.
pub(crate) fn allocate() -> Answer {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1; 1 << 20]));
    }
}

/// Takes no for an answer when it asks for memory, and computes for ever.
pub(crate) fn allocate_then_spin() -> Answer {
    let mut kept: Vec<u8> = Vec::new();
    while kept.try_reserve(kept.capacity().max(1 << 20)).is_ok() {
        kept.resize(kept.capacity(), 1);
    }
    black_box(&kept);
    spin()
}

/// Counts its calls in its own memory.
pub(crate) fn remember() -> Answer {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    say((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string())
}

#[derive(Deserialize)]
pub(crate) struct Sleep {
    ms: u64,
}

/// Blocks in a host call.
pub(crate) fn sleep(args: &Sleep) -> Answer {
    subscribe_duration(args.ms * 1_000_000).block();
    say("slept")
}
