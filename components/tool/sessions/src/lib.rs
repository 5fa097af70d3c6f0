//! A person's earlier conversations.
//!
//! The host decides whose they are; this only words them for a model.

use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, sessions};
use serde::Deserialize;

mod text;

/// The component.
#[derive(Debug)]
pub struct Sessions;

cara_sdk::export_tool!(Sessions);

#[derive(Deserialize)]
struct List {
    count: Option<u32>,
}

#[derive(Deserialize)]
struct Read {
    id: String,
    first: Option<u32>,
    count: Option<u32>,
}

impl Tool for Sessions {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "session_list" => {
                let count = count(read_arguments::<List>(&arguments)?.count)?;
                say(text::list(&sessions::recent(count)?, count))
            }
            "session_read" => {
                let Read { id, first, count: wanted } = read_arguments(&arguments)?;
                let (first, count) = (place(first)?, count(wanted)?);
                say(text::lines(&sessions::read(&id, first, count)?, first, count))
            }
            other => Err(unknown(other)),
        }
    }
}

fn count(wanted: Option<u32>) -> Result<u32, Error> {
    match wanted.unwrap_or(20) {
        count @ 1..=100 => Ok(count),
        count => Err(Error::bad_request(format!("`count` is 1 to 100, not {count}"))),
    }
}

fn place(first: Option<u32>) -> Result<u32, Error> {
    match first.unwrap_or(1) {
        0 => Err(Error::bad_request("`first` is at least 1, the place of the first message")),
        first => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_the_host_is_asked() {
        for (name, arguments) in [
            ("session_list", r#"{"count":0}"#),
            ("session_list", r#"{"count":101}"#),
            ("session_list", r#"{"count":"all"}"#),
            ("session_read", "{}"),
            ("session_read", r#"{"id":"a","first":0}"#),
            ("session_read", r#"{"id":"a","first":4294967296}"#),
            ("session_read", r#"{"id":"a","count":101}"#),
        ] {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = Sessions::call(name.into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{name} {arguments}");
        }
    }
}
