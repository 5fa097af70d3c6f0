//! What the assistant remembers about a person.
//!
//! The host keeps it and chooses whose it is; this is only the way a model asks for it.

use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, memory};
use serde::Deserialize;

mod text;
use text::{checked_key, checked_value};

/// The component.
#[derive(Debug)]
pub struct Memory;

cara_sdk::export_tool!(Memory);

#[derive(Deserialize)]
struct Write {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    prefix: String,
}

#[derive(Deserialize)]
struct Search {
    query: String,
    count: Option<u32>,
}

impl Tool for Memory {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "memory_write" => {
                let Write { key, value } = read_arguments(&arguments)?;
                memory::write(checked_key(&key)?, checked_value(&value)?)?;
                say(format!("remembered under `{key}`"))
            }
            "memory_read" => {
                let Key { key } = read_arguments(&arguments)?;
                let entry = memory::read(checked_key(&key)?)?;
                say(entry.map_or_else(|| text::nothing_under(&key), |entry| text::whole(&entry)))
            }
            "memory_list" => {
                let List { prefix } = read_arguments(&arguments)?;
                say(text::list(&memory::keys(&prefix)?, &prefix))
            }
            "memory_search" => {
                let Search { query, count } = read_arguments(&arguments)?;
                let count = text::checked_search(&query, count)?;
                say(text::found(&memory::search(&query, count)?, count))
            }
            "memory_delete" => {
                let Key { key } = read_arguments(&arguments)?;
                let there = memory::delete(checked_key(&key)?)?;
                say(if there { format!("forgot `{key}`") } else { text::nothing_under(&key) })
            }
            other => Err(unknown(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    fn refused(name: &str, arguments: &str) -> ErrorKind {
        let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
        Memory::call(name.into(), arguments.into(), context).unwrap_err().kind
    }

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_the_host_is_asked() {
        for (name, arguments) in [
            ("memory_write", r#"{"key":"a"}"#),
            ("memory_write", r#"{"key":"","value":"b"}"#),
            ("memory_write", r#"{"key":"a","value":""}"#),
            ("memory_read", "{}"),
            ("memory_list", r#"{"prefix":1}"#),
            ("memory_search", r#"{"query":" "}"#),
            ("memory_search", r#"{"query":"a","count":0}"#),
            ("memory_search", r#"{"query":"a","count":51}"#),
            ("memory_search", r#"{"query":"a","count":-1}"#),
            ("memory_delete", r#"{"key":[]}"#),
        ] {
            assert_eq!(refused(name, arguments), ErrorKind::BadRequest, "{name} {arguments}");
        }
        assert_eq!(refused("memory_erase", "{}"), ErrorKind::Unsupported);
    }
}
