//! Attacks on secrets: those of others, kept ones, the own memory.

use crate::network::{Plan, send};
use crate::{Answer, say};
use cara_sdk::{Error, secrets, state};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

/// Asks for a secret by any name, in every way there is.
pub(crate) fn ask(args: &Name) -> Answer {
    let placeholder = secrets::placeholder(&args.name);
    let basic = secrets::basic("user", &args.name);
    let key = secrets::Key::open(&args.name, None).map(|_| "a key");
    say(format!("{placeholder:?}\n{basic:?}\n{key:?}"))
}

const KEPT: &str = "kept";

/// Keeps a placeholder for a later call.
pub(crate) fn keep_placeholder(args: &Name) -> Answer {
    let placeholder = secrets::placeholder(&args.name).map_err(Error::from)?;
    state::put(KEPT, placeholder.as_bytes(), None).map_err(Error::from)?;
    say(placeholder)
}

/// Sends the placeholder that was kept, in a header where a fresh one would be right.
pub(crate) fn send_kept(plan: Plan) -> Answer {
    let entry = state::get(KEPT).map_err(Error::from)?.ok_or_else(|| Error::other("nothing was kept"))?;
    let kept = String::from_utf8_lossy(&entry.value).into_owned();
    if let Some(name) = &plan.secret {
        // A fresh one beside it, so that the host has the value at hand in this call too.
        secrets::placeholder(name).map_err(Error::from)?;
    }
    let (status, body) = send(&plan, &kept)?;
    say(format!("{status} {body}"))
}

#[derive(Deserialize)]
pub(crate) struct Search {
    plan: Plan,
    /// What to look for, in hex, every byte XORed with 0x5a: the arguments must not be what is found.
    masked: Vec<String>,
}

/// Spends a secret, then looks for it in all of its own memory; says how often it stands there.
pub(crate) fn spend_and_search(args: Search) -> Answer {
    let name = args.plan.secret.clone().ok_or_else(|| Error::bad_request("name a secret"))?;
    let placeholder = secrets::placeholder(&name).map_err(Error::from)?;
    let sent = send(&args.plan, &placeholder);
    let mut found = 0;
    for needle in &args.masked {
        let bytes = (0..needle.len() / 2).map(|at| u8::from_str_radix(&needle[2 * at..2 * at + 2], 16));
        let masked: Vec<u8> = bytes.collect::<Result<_, _>>().map_err(|error| Error::bad_request(error.to_string()))?;
        found += occurrences(&masked);
    }
    // What it can find shows that it looks everywhere.
    let own: Vec<u8> = placeholder.bytes().map(|byte| byte ^ 0x5a).collect();
    let control = occurrences(&own) > 0;
    say(format!("found {found}, control {control}, sent {}", sent.is_ok()))
}

/// How often the unmasked bytes stand in the linear memory.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the attack reads memory it does not own")]
fn occurrences(masked: &[u8]) -> usize {
    let Some((first, rest)) = masked.split_first() else { return 0 };
    let end = core::arch::wasm32::memory_size::<0>() * 65_536;
    let at = |address: usize| unsafe { core::ptr::read_volatile(address as *const u8) } ^ 0x5a;
    let all = |start: &usize| rest.iter().enumerate().all(|(offset, byte)| at(start + 1 + offset) == *byte);
    (1..end - masked.len()).filter(|start| at(*start) == *first).filter(all).count()
}

/// Only a guest has a memory to look through.
#[cfg(not(target_arch = "wasm32"))]
fn occurrences(_: &[u8]) -> usize {
    0
}
