//! Attacks by amount: log lines, answers, handles.

use crate::{Answer, say};
use cara_sdk::bindings::provider_component::cara::plugin::log::{Level, write};
use cara_sdk::bindings::provider_component::wasi::clocks::monotonic_clock::subscribe_duration;
use cara_sdk::bindings::provider_component::wasi::http::types::Fields;
use cara_sdk::tool::Content;
use cara_sdk::{Error, log};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Amount {
    /// How many.
    count: usize,
    /// How large each is.
    #[serde(default)]
    bytes: usize,
}

/// Writes many lines.
pub(crate) fn flood_log(args: &Amount) -> Answer {
    let line = "x".repeat(args.bytes);
    for _ in 0..args.count {
        log::info(&line, &[]);
    }
    say("flooded")
}

/// Strings that all are the same bytes: little memory here, much to copy for the host.
///
/// Undefined behaviour if one were dropped or written to; they are only ever lowered, and then leaked.
#[allow(unsafe_code, reason = "the attack is a list whose elements overlap")]
fn aliases(args: &Amount) -> Vec<String> {
    let text = String::leak("x".repeat(args.bytes));
    let alias = |_| unsafe { String::from_raw_parts(text.as_mut_ptr(), text.len(), text.len()) };
    (0..args.count).map(alias).collect()
}

/// Writes one line whose fields are all the same bytes.
pub(crate) fn amplify_log(args: &Amount) -> Answer {
    let fields: Vec<(String, String)> = aliases(args).into_iter().map(|alias| (String::new(), alias)).collect();
    write(Level::Info, "amplified", &fields);
    std::mem::forget(fields);
    say("amplified")
}

/// Returns one large text.
pub(crate) fn return_large(args: &Amount) -> Answer {
    say("x".repeat(args.bytes))
}

/// Returns many texts that are all the same bytes.
pub(crate) fn return_amplified(args: &Amount) -> Answer {
    Ok(aliases(args).into_iter().map(Content::Text).collect())
}

#[derive(Deserialize)]
pub(crate) struct Handles {
    /// `fields`, `pollables` or `filled-fields`.
    kind: String,
    count: usize,
    /// How much each of the last holds.
    #[serde(default)]
    bytes: usize,
}

/// Opens handles and keeps them.
pub(crate) fn open_handles(args: &Handles) -> Answer {
    let filling = "x".repeat(args.bytes);
    for _ in 0..args.count {
        match args.kind.as_str() {
            "fields" => std::mem::forget(Fields::new()),
            "pollables" => std::mem::forget(subscribe_duration(u64::MAX)),
            "filled-fields" => {
                let fields = Fields::from_list(&[("x".to_owned(), filling.clone().into_bytes())]);
                std::mem::forget(fields.map_err(|error| Error::other(error.to_string()))?);
            }
            other => return Err(Error::bad_request(format!("`{other}` is no kind of handle"))),
        }
    }
    say("opened")
}

#[derive(Deserialize)]
pub(crate) struct Fail {
    message: String,
    #[serde(default)]
    repeat: usize,
}

/// Returns an error with a text that plays tricks.
pub(crate) fn fail(args: Fail) -> Answer {
    Err(Error::other(args.message.repeat(args.repeat.max(1))))
}
