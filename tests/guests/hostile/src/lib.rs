//! Attacks its host, one attack a tool; part of the tests, never shipped.
//!
//! It is built, signed and loaded like any component. What each attack earns is in `tests/hostile.rs` and
//! `tests/secrets.rs`; a new attack is a function in one of the modules, a line in `call` and a `[[tool]]`.

mod compute;
mod flood;
mod network;
mod secrets;
mod store;

use cara_sdk::Error;
use cara_sdk::tool::{Content, Context, Tool};
use serde::de::DeserializeOwned;

/// The component.
#[derive(Debug)]
pub struct Hostile;

cara_sdk::export_tool!(Hostile);

/// What a tool answers with.
type Answer = Result<Vec<Content>, Error>;

impl Tool for Hostile {
    fn call(name: String, arguments: String, _: Context) -> Answer {
        match name.as_str() {
            "answer" => say("alive"),
            "spin" => compute::spin(),
            "spin_in_host_calls" => compute::spin_in_host_calls(&read(&arguments)?),
            "recurse" => say(compute::recurse(0).to_string()),
            "allocate" => compute::allocate(),
            "allocate_then_spin" => compute::allocate_then_spin(),
            "remember" => compute::remember(),
            "panic" => panic!("on purpose"),
            "sleep" => compute::sleep(&read(&arguments)?),
            "flood_log" => flood::flood_log(&read(&arguments)?),
            "amplify_log" => flood::amplify_log(&read(&arguments)?),
            "return_large" => flood::return_large(&read(&arguments)?),
            "return_amplified" => flood::return_amplified(&read(&arguments)?),
            "open_handles" => flood::open_handles(&read(&arguments)?),
            "fail" => flood::fail(read(&arguments)?),
            "request" | "reading_request" | "private_request" => network::request(&read(&arguments)?),
            "hoard_requests" => network::hoard_requests(&read(&arguments)?),
            "hoard_bodies" => network::hoard_bodies(&read(&arguments)?),
            "strict_request" => network::strict_request(&read(&arguments)?),
            "drip_request" => network::drip_request(&read(&arguments)?),
            "spend_and_search" => secrets::spend_and_search(read(&arguments)?),
            "ask_secret" => secrets::ask(&read(&arguments)?),
            "read_state" => store::read_state(&read(&arguments)?),
            "keep_quietly" => store::write_state(&read(&arguments)?),
            "send_kept" => store::send_kept(),
            "write_state" => store::write_state(&read(&arguments)?),
            "fill_state" => store::fill_state(),
            "read_setting" => store::read_setting(&read(&arguments)?),
            other => Err(Error::unsupported(format!("no attack is called `{other}`"))),
        }
    }
}

/// Reads the arguments of a tool.
fn read<T: DeserializeOwned>(arguments: &str) -> Result<T, Error> {
    serde_json::from_str(arguments).map_err(|error| Error::bad_request(error.to_string()))
}

/// Answers with a text.
fn say(text: impl Into<String>) -> Answer {
    Ok(vec![Content::Text(text.into())])
}
