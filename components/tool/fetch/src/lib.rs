//! Web pages as text.
//!
//! ```text
//! url ─→ follow (each hop a request the gate checks) ─→ body, at most 1 MiB ─→ page: characters, then text ─→ answer: the window asked for
//! ```

use cara_sdk::Error;
use cara_sdk::http::{Followed, Request, follow};
use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};

mod answer;
mod arguments;
mod body;
mod html;
mod layout;
mod page;

use answer::{Came, Window};
use arguments::Wanted;

/// The component.
#[derive(Debug)]
pub struct Fetch;

cara_sdk::export_tool!(Fetch);

/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// The most bytes of a body that are read.
const BODY: usize = 1 << 20;

impl Tool for Fetch {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "fetch_page" => say(fetch_page(read_arguments(&arguments)?)?),
            other => Err(unknown(other)),
        }
    }
}

fn fetch_page(wanted: Wanted) -> Result<String, Error> {
    let window = Window::checked(wanted.offset, wanted.max_characters)?;
    let Followed { mut response, chain } = follow(&wanted.url, REDIRECTS, request)?;
    let (status, url) = (response.status(), chain.last().map_or("", String::as_str));
    let media_type = response.header("content-type").map(str::to_owned);
    let told = response.header("content-length").and_then(|length| length.trim().parse().ok());
    let came = Came { chain: &chain, status, media_type: media_type.as_deref() };
    if page::is_binary(media_type.as_deref()) {
        return Ok(answer::binary(&came, told));
    }
    let body = body::read(&mut response, BODY)?;
    match page::text(&body.bytes, media_type.as_deref(), url, wanted.raw) {
        Some(text) => Ok(answer::text(&came, &text, window, body.end)),
        None => Ok(answer::binary(&came, told.or(Some(body.bytes.len() as u64)))),
    }
}

/// No `Accept-Encoding`, so that what comes can be read as it is.
fn request(url: &str) -> Request {
    Request::get(url)
        .header("accept", "text/html, application/xhtml+xml, text/*;q=0.9, application/json;q=0.9, */*;q=0.5")
        .header("user-agent", concat!("cara/", env!("CARGO_PKG_VERSION")))
        .timeouts(10_000, 20_000, 10_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;
    use cara_sdk::http::Method;
    use cara_sdk::testing::{MockHost, Reply, context};

    #[test]
    fn a_page_is_read_at_the_end_of_its_redirects() {
        let moved = Reply::new(301).header("location", "/new");
        let page = Reply::new(200).header("content-type", "text/html").body("<h1>Hel").body("lo</h1>");
        let mock = MockHost::new().reply(Method::Get, "https://h.example/", moved).reply(
            Method::Get,
            "https://h.example/new",
            page,
        );
        let call = || Fetch::call("fetch_page".into(), r#"{"url":"https://h.example/"}"#.into(), context());
        let told = mock.run(call).unwrap();
        assert!(matches!(&told[0], Content::Text(text) if text.contains("Hello")), "{told:?}");
        assert_eq!((mock.sent().len(), mock.sent()[1].timeouts_ms), (2, [10_000, 20_000, 10_000]));
    }

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_anything_is_asked() {
        for arguments in [
            "{}",
            r#"{"url":1}"#,
            r#"{"url":"h.example/page"}"#,
            r#"{"url":"file:///etc/passwd"}"#,
            r#"{"url":"https://me:you@h.example/"}"#,
            r#"{"url":"https://h.example/","max_characters":0}"#,
            r#"{"url":"https://h.example/","max_characters":100001}"#,
            r#"{"url":"https://h.example/","offset":-1}"#,
            r#"{"url":"https://h.example/","raw":"yes"}"#,
        ] {
            let error = Fetch::call("fetch_page".into(), arguments.into(), context()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{arguments}");
        }
    }
}
