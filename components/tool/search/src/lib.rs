//! Searching the web, by the engine the operator chose.

use cara_sdk::http::Request;
use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, error, secrets, settings};
use serde::Deserialize;

mod engine;
mod text;
mod wire;

use engine::{Engine, SetUp};

/// The component.
#[derive(Debug)]
pub struct Search;

cara_sdk::export_tool!(Search);

/// The most bytes of an engine's answer.
const ANSWER: u64 = 2 << 20;

#[derive(Deserialize)]
struct Wanted {
    query: String,
    count: Option<usize>,
}

impl Tool for Search {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "web_search" => {
                let Wanted { query, count } = read_arguments(&arguments)?;
                let (query, count) = checked(&query, count)?;
                say(web_search(query, count)?)
            }
            other => Err(unknown(other)),
        }
    }
}

fn checked(query: &str, count: Option<usize>) -> Result<(&str, usize), Error> {
    let query = query.trim();
    match (query.chars().count(), count.unwrap_or(8)) {
        (0, _) => Err(Error::bad_request("there is nothing to search for")),
        (1..=400, count @ 1..=20) => Ok((query, count)),
        (1..=400, count) => Err(Error::bad_request(format!("`count` is 1 to 20, not {count}"))),
        (length, _) => Err(Error::bad_request(format!("a query has at most 400 characters, this one has {length}"))),
    }
}

fn web_search(query: &str, count: usize) -> Result<String, Error> {
    let set_up = SetUp {
        engine: settings::get("engine")?,
        searxng: settings::get("searxng-url")?,
        brave: secrets::available("brave-key").is_ok(),
        tavily: secrets::available("tavily-key").is_ok(),
    };
    let engine = set_up.engine()?;
    let results = wire::results(&engine, &answer(&engine, query, count)?)?;
    Ok(text::shown(&results, count))
}

/// The bytes of the engine's answer.
fn answer(engine: &Engine, query: &str, count: usize) -> Result<Vec<u8>, Error> {
    let response = request(engine, query, count)?.send()?;
    if response.is_success() {
        return response.bytes(ANSWER);
    }
    let (status, wait) = (response.status(), response.retry_after_ms());
    let said = error::excerpt(&response.excerpt(4_096));
    Err(wire::failure(engine, status, &said).after(wait))
}

/// The request; the host adds the key of the engine.
fn request(engine: &Engine, query: &str, count: usize) -> Result<Request, Error> {
    let request = match engine {
        Engine::Brave => Request::get(wire::brave(query, count)),
        Engine::Searxng { url } => Request::get(wire::searxng(url, query)),
        Engine::Tavily => Request::post("https://api.tavily.com/search").json(&wire::Tavily::new(query, count))?,
    };
    Ok(request.header("accept", "application/json").timeouts(10_000, 20_000, 10_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_anything_is_asked() {
        let long = format!(r#"{{"query":"{}"}}"#, "å".repeat(401));
        for arguments in [
            "{}",
            r#"{"query":" "}"#,
            r#"{"query":"a","count":0}"#,
            r#"{"query":"a","count":21}"#,
            r#"{"query":["a"]}"#,
            &long,
        ] {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = Search::call("web_search".into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{arguments}");
        }
    }
}
