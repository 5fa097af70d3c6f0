//! Attacks on secrets: those of others, what signs too much, the own memory.

use crate::network::{Plan, send};
use crate::{Answer, say};
use cara_sdk::{Error, secrets};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Ask {
    name: String,
    #[serde(default)]
    data: String,
}

/// Asks for a secret by any name, in every way there is.
pub(crate) fn ask(args: &Ask) -> Answer {
    let signed = secrets::sign(&args.name, args.data.as_bytes());
    let signed = signed.map(|signature| format!("signed {}", signature.len()));
    say(format!("{:?}\n{signed:?}", secrets::available(&args.name)))
}

#[derive(Deserialize)]
pub(crate) struct Search {
    plan: Plan,
    /// What to look for, in hex, every byte XORed with 0x5a: the arguments must not be what is found.
    masked: Vec<String>,
}

/// Spends a secret, then looks for it in all of its own memory; says how often it stands there.
pub(crate) fn spend_and_search(args: Search) -> Answer {
    let sent = send(&args.plan);
    let mut found = 0;
    for needle in &args.masked {
        let bytes = (0..needle.len() / 2).map(|at| u8::from_str_radix(&needle[2 * at..2 * at + 2], 16));
        let masked: Vec<u8> = bytes.collect::<Result<_, _>>().map_err(|error| Error::bad_request(error.to_string()))?;
        found += occurrences(&masked);
    }
    // What it can find shows that it looks everywhere.
    let own: Vec<u8> = args.plan.url.bytes().map(|byte| byte ^ 0x5a).collect();
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
