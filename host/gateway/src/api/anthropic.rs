//! Anthropic's API: messages.
//!
//! Forms: <https://docs.anthropic.com/en/api/messages>. Models are listed beside OpenAI's, at the same path.

mod message;
mod messages;
mod reply;

use super::{Around, served};
use crate::refusal::{Refusal, Shape};
use axum::extract::Request;
use axum::routing::post;
use cara_control::Application;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// The versions whose forms are known here: of what is taken and given, both are the same.
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

/// Refuses a request in forms that are not known here.
fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let version = headers.get("anthropic-version").map(|version| version.as_bytes());
    if VERSIONS.iter().any(|known| version == Some(known.as_bytes())) {
        return Ok(());
    }
    let what = if version.is_some() { "is not one that is known here" } else { "is missing" };
    let [first, second] = VERSIONS;
    let text = format!("`anthropic-version` {what}\nhint: send `anthropic-version: {second}`, or `{first}`");
    Err(Refusal::field("anthropic-version", text))
}

/// The paths.
pub(super) fn router() -> axum::Router<Arc<Application>> {
    let messages = async |around: Around, request: Request| {
        if let Err(refusal) = check(request.headers()) {
            return refusal.response(Shape::Anthropic);
        }
        served(Shape::Anthropic, around, request, messages::serve).await
    };
    let count = async || {
        let text =
            "tokens are not counted here: each vendor counts its own\nhint: `usage` in an answer says what was counted";
        Refusal::new(StatusCode::NOT_FOUND, text).response(Shape::Anthropic)
    };
    axum::Router::new().route("/v1/messages", post(messages)).route("/v1/messages/count_tokens", post(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn other_forms_than_the_known_are_refused() {
        let with = |version: Option<&'static str>| {
            let version = version.map(|version| ("anthropic-version", HeaderValue::from_static(version)));
            check(&version.into_iter().map(|(name, value)| (http::HeaderName::from_static(name), value)).collect())
        };
        assert!(VERSIONS.iter().all(|version| with(Some(version)) == Ok(())));
        assert!(with(Some("2024-01-01")).is_err() && with(None).is_err());
    }
}
