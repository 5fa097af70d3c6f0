//! Images and recordings, by a model.
//!
//! ```text
//! attachment ─┐
//!             ├─→ file: what its first bytes say it is ─→ question ─→ model ─→ answer
//! url ────────┘
//! ```

use cara_sdk::http::{Followed, Request, follow};
use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, attachments, models};
use serde::Deserialize;

mod file;
mod question;

use file::{File, MOST};

/// The component.
#[derive(Debug)]
pub struct Media;

cara_sdk::export_tool!(Media);

/// How many redirects are followed.
const REDIRECTS: usize = 5;

#[derive(Deserialize)]
struct Attached {
    attachment: String,
    question: Option<String>,
}

#[derive(Deserialize)]
struct OnTheWeb {
    url: String,
    question: Option<String>,
}

impl Tool for Media {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "media_describe" => {
                let Attached { attachment, question } = read_arguments(&arguments)?;
                let question = question::checked(question)?;
                let blob = attachments::get(&attachment)?;
                answer(File::read(blob.data)?, question)
            }
            "media_describe_url" => {
                let OnTheWeb { url, question } = read_arguments(&arguments)?;
                let question = question::checked(question)?;
                answer(File::read(get(&url)?)?, question)
            }
            other => Err(unknown(other)),
        }
    }
}

fn answer(file: File, question: Option<String>) -> Result<Vec<Content>, Error> {
    let response = models::complete(&question::request(file, question))?;
    match response.text.trim() {
        "" => Err(Error::other("the model said nothing about it; ask another question, or try again")),
        text => say(text),
    }
}

/// The bytes at an address, at most as many as a file may have.
fn get(url: &str) -> Result<Vec<u8>, Error> {
    let request = |url: &str| {
        Request::get(url)
            .header("accept", "image/png, image/jpeg, image/gif, image/webp, audio/*")
            .header("user-agent", concat!("cara/", env!("CARGO_PKG_VERSION")))
            .timeouts(10_000, 20_000, 10_000)
    };
    let Followed { response, chain } = follow(url, REDIRECTS, request)?;
    if !response.is_success() {
        let (last, status) = (chain.last().map_or(url, String::as_str), response.status());
        return Err(Error::bad_request(format!("`{last}` answered {status}, there is no file")));
    }
    let told = response.header("content-length").and_then(|length| length.trim().parse::<u64>().ok());
    file::check_size(told.unwrap_or(0))?;
    response.bytes(MOST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_anything_is_asked() {
        let long = format!(r#"{{"attachment":"a","question":"{}"}}"#, "å".repeat(2_001));
        for (name, arguments) in [
            ("media_describe", "{}"),
            ("media_describe", r#"{"attachment":1}"#),
            ("media_describe", &long),
            ("media_describe_url", r#"{"question":"what?"}"#),
            ("media_describe_url", r#"{"url":"file:///etc/passwd"}"#),
            ("media_describe_url", r#"{"url":"h.example/a.png"}"#),
        ] {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = Media::call(name.into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{name} {arguments}");
        }
    }
}
