//! What the engines are sent, and what they answer.
//!
//! Brave: https://api-dashboard.search.brave.com/api-reference/web/search/get
//! SearXNG: https://docs.searxng.org/dev/search_api
//! Tavily: https://help.tavily.com/articles/4840311948-tavily-search-api

use cara_sdk::Error;
use cara_sdk::http::join;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use crate::engine::Engine;

/// A result, as every engine's is read.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Found {
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) url: String,
    /// Brave calls it `description`, the others `content`.
    #[serde(default, alias = "description", alias = "content")]
    pub(crate) excerpt: Option<String>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Brave {
    /// Left out where nothing was found.
    web: Option<Results>,
}

/// What Tavily is sent.
#[derive(Serialize)]
pub(crate) struct Tavily<'a> {
    query: &'a str,
    max_results: usize,
    search_depth: &'static str,
}

impl<'a> Tavily<'a> {
    pub(crate) fn new(query: &'a str, count: usize) -> Self {
        Self { query, max_results: count, search_depth: "basic" }
    }
}

/// The address of a search with Brave; without the marks it puts around words that were found.
pub(crate) fn brave(query: &str, count: usize) -> String {
    let mut parameters = Serializer::new(String::new());
    parameters.append_pair("q", query).append_pair("count", &count.to_string());
    let parameters = parameters.append_pair("result_filter", "web").append_pair("text_decorations", "false").finish();
    format!("https://api.search.brave.com/res/v1/web/search?{parameters}")
}

/// The address of a search with a SearXNG server. It takes no number of results.
pub(crate) fn searxng(url: &str, query: &str) -> String {
    let parameters = Serializer::new(String::new()).append_pair("q", query).append_pair("format", "json").finish();
    format!("{}?{parameters}", join(url, "search"))
}

/// Reads an engine's answer.
pub(crate) fn results(engine: &Engine, answer: &[u8]) -> Result<Vec<Found>, Error> {
    let read = match engine {
        Engine::Brave => serde_json::from_slice::<Brave>(answer).map(|brave| brave.web.unwrap_or(NONE)),
        Engine::Searxng { .. } | Engine::Tavily => serde_json::from_slice(answer),
    };
    read.map(|read| read.results).map_err(|error| {
        let name = name(engine);
        Error::network(format!("the answer of {name} is not the JSON expected: {error}"))
    })
}

const NONE: Results = Results { results: Vec::new() };

/// What a status that is no success means.
pub(crate) fn failure(engine: &Engine, status: u16, said: &str) -> Error {
    let name = name(engine);
    match (engine, status) {
        (Engine::Searxng { .. }, 403) => Error::other(format!(
            "{name} refused to answer in JSON (403)\n\
             hint: add `json` to `search: formats:` in the server's settings.yml"
        )),
        _ if (300..400).contains(&status) => Error::other(format!(
            "{name} answered with a redirect ({status}), which is not followed\nhint: check its address"
        )),
        // 422 is Brave's word for a request, or a key, that it cannot take.
        _ => Error::from_status(status, format!("{name} answered {status}: {said}")),
    }
}

fn name(engine: &Engine) -> &'static str {
    match engine {
        Engine::Brave => "Brave Search",
        Engine::Searxng { .. } => "the SearXNG server",
        Engine::Tavily => "Tavily",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    fn searxng_engine() -> Engine {
        Engine::Searxng { url: "http://127.0.0.1:8888".into() }
    }

    fn brave_engine() -> Engine {
        Engine::Brave
    }

    #[test]
    fn a_query_cannot_add_parameters_of_its_own() {
        assert_eq!(
            brave("a&count=99#æ?", 8),
            "https://api.search.brave.com/res/v1/web/search?q=a%26count%3D99%23%C3%A6%3F&count=8&result_filter=web&text_decorations=false"
        );
        for base in ["https://s.example/searx", "https://s.example/searx/"] {
            assert_eq!(searxng(base, "a b"), "https://s.example/searx/search?q=a+b&format=json");
        }
        let body = serde_json::to_string(&Tavily::new("\"}", 3)).unwrap();
        assert_eq!(body, r#"{"query":"\"}","max_results":3,"search_depth":"basic"}"#);
    }

    #[test]
    fn braves_answer_is_read() {
        let answer = br#"{"type":"search","query":{"original":"rust","more_results_available":true},"mixed":{},
            "web":{"type":"search","family_friendly":true,"results":[
              {"title":"Rust","url":"https://www.rust-lang.org/","is_source_local":false,"description":"A language","page_age":"2026-01-15T00:00:00","profile":{"name":"Rust"},"meta_url":{"hostname":"www.rust-lang.org"}},
              {"title":"Rust (fungus)","url":"https://en.wikipedia.org/wiki/Rust_(fungus)"}]}}"#;
        let read = results(&brave_engine(), answer).unwrap();
        assert_eq!((read.len(), read[0].excerpt.as_deref(), read[1].excerpt.as_deref()), (2, Some("A language"), None));
        assert_eq!(results(&brave_engine(), br#"{"type":"search","query":{}}"#).unwrap(), []);
    }

    #[test]
    fn the_answer_of_searxng_is_read() {
        let answer = br#"{"query":"rust","number_of_results":0,"results":[{"url":"https://www.rust-lang.org/","title":"Rust",
            "content":"A language","publishedDate":null,"thumbnail":"","engine":"brave","template":"default.html","parsed_url":["https","www.rust-lang.org","/","","",""],
            "engines":["brave","startpage"],"positions":[1,1],"score":4.0,"category":"general"}],"answers":[],"corrections":[],"infoboxes":[],"suggestions":[],"unresponsive_engines":[["google","timeout"]]}"#;
        let read = results(&searxng_engine(), answer).unwrap();
        assert_eq!(
            (read[0].url.as_str(), read[0].excerpt.as_deref()),
            ("https://www.rust-lang.org/", Some("A language"))
        );
    }

    #[test]
    fn tavilys_answer_is_read() {
        let answer = br#"{"query":"rust","follow_up_questions":null,"answer":null,"images":[],"results":[{"title":"Rust","url":"https://www.rust-lang.org/",
            "content":"A language","score":0.98,"raw_content":null}],"response_time":1.2,"request_id":"x"}"#;
        let read = results(&Engine::Tavily, answer).unwrap();
        assert_eq!((read[0].title.as_deref(), read[0].excerpt.as_deref()), (Some("Rust"), Some("A language")));
    }

    #[test]
    fn an_answer_that_is_no_json_and_a_failure_are_said_in_whose_name() {
        let error = results(&searxng_engine(), b"<html>").unwrap_err();
        assert!(error.message.starts_with("the answer of the SearXNG server is not"), "{}", error.message);
        let error = failure(&searxng_engine(), 403, "Forbidden");
        assert!(error.message.contains("settings.yml"), "{}", error.message);
        let error = failure(&brave_engine(), 429, "slow down");
        assert_eq!(
            (error.kind, error.retry, &*error.message),
            (ErrorKind::RateLimit, true, "Brave Search answered 429: slow down")
        );
        assert_eq!(failure(&brave_engine(), 401, "").kind, ErrorKind::Auth);
        assert!(failure(&searxng_engine(), 302, "").message.contains("redirect"));
    }
}
