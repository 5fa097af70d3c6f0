//! Why a request is not answered, in the shape that the clients of its path
//! read.

use crate::failure::{failed, json as answer};
use axum::response::Response;
use cara_control::completion::{Unanswered, Why};
use cara_control::{Error, ErrorKind};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};

/// What Anthropic's clients send with every request.
const ANTHROPIC: &str = "anthropic-version";

/// Whose clients read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    OpenAi,
    Anthropic,
    Ollama,
}

impl Shape {
    /// That of a request; none where it is for cara's own clients.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Option<Self> {
        let is = |under: &str| path.strip_prefix(under).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match path {
            _ if is("/v1/messages") => Some(Self::Anthropic),
            _ if is("/v1/models") => Some(Self::of_models(headers)),
            _ if is("/v1") => Some(Self::OpenAi),
            _ if is("/api") => Some(Self::Ollama),
            _ => None,
        }
    }

    /// That of a list of models, which two kinds of clients ask for at one path.
    pub(crate) fn of_models(headers: &HeaderMap) -> Self {
        if headers.contains_key(ANTHROPIC) { Self::Anthropic } else { Self::OpenAi }
    }
}

/// Why a client of a model API gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// The field that is at fault.
    param: Option<String>,
    code: Option<&'static str>,
    message: String,
    retry_after_ms: Option<u64>,
    /// Whether trying again helps nobody, whatever the status says.
    is_final: bool,
}

impl Refusal {
    /// Of a status, with the cure after `hint:`.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let (param, code, retry_after_ms, is_final) = Default::default();
        Self { status, param, code, message: message.into(), retry_after_ms, is_final }
    }

    /// Of a field that is wrong.
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// Of a field that is not there.
    pub(crate) fn missing(param: &str) -> Self {
        Self::field(param, format!("`{param}` is missing"))
    }

    /// Of a field that nobody here can honour.
    pub(crate) fn unsupported(param: impl Into<String>, why: &str) -> Self {
        let param = param.into();
        let message = format!("`{param}` is not supported: {why}\nhint: leave it out");
        Self { code: Some("unsupported_parameter"), ..Self::field(param, message) }
    }

    /// Of a field that is wrong in a way that has a name.
    pub(crate) fn coded(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::field(param, message) }
    }

    /// Whether what was named is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// The message.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Of a field in this place of another one.
    #[must_use]
    pub(crate) fn within(mut self, place: &str) -> Self {
        let param = self.param.take().unwrap_or_default();
        let dot = if param.is_empty() || param.starts_with('[') { "" } else { "." };
        self.param = Some(format!("{place}{dot}{param}"));
        self
    }

    fn openai(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 if self.code == Some("insufficient_quota") => "insufficient_quota",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        json!({ "error": { "message": self.message, "type": kind, "param": self.param, "code": self.code } })
    }

    fn anthropic(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        json!({ "type": "error", "error": { "type": kind, "message": self.named() } })
    }

    /// The message with the field before it, where the shape has no place of its own for that.
    fn named(&self) -> String {
        match &self.param {
            Some(param) if !self.message.contains(param.as_str()) => format!("{param}: {}", self.message),
            _ => self.message.clone(),
        }
    }

    /// As JSON.
    pub(crate) fn json(&self, shape: Shape) -> Value {
        match shape {
            Shape::OpenAi => self.openai(),
            Shape::Anthropic => self.anthropic(),
            Shape::Ollama => json!({ "error": self.named() }),
        }
    }

    /// As an answer.
    pub(crate) fn response(&self, shape: Shape) -> Response {
        let mut response = answer(self.status, self.json(shape).to_string());
        let headers = response.headers_mut();
        // Whoever has too much to do has less in a moment.
        let moment = (self.status == StatusCode::SERVICE_UNAVAILABLE && !self.is_final).then_some(1_000);
        if let Some(after) = self.retry_after_ms.or(moment) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.div_ceil(1000)));
        }
        if self.is_final {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        let (status, code) = match unanswered.why {
            Why::Invalid => (StatusCode::BAD_REQUEST, None),
            Why::NotFound => (StatusCode::NOT_FOUND, Some("model_not_found")),
            Why::Refused => (StatusCode::FORBIDDEN, None),
            Why::Budget => (StatusCode::TOO_MANY_REQUESTS, Some("insufficient_quota")),
            Why::RateLimit => (StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded")),
            Why::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, None),
            Why::ContextTooLong => (StatusCode::BAD_REQUEST, Some("context_length_exceeded")),
            Why::Declined => (StatusCode::BAD_REQUEST, Some("content_policy_violation")),
            Why::Unavailable => (StatusCode::BAD_GATEWAY, None),
            Why::Cancelled => (StatusCode::REQUEST_TIMEOUT, None),
            Why::Internal => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let is_final = unanswered.is_final || unanswered.why == Why::Budget;
        let Unanswered { message, retry_after_ms, .. } = unanswered;
        let param = (unanswered.why == Why::NotFound).then(|| "model".to_owned());
        Self { status, param, code, message, retry_after_ms, is_final }
    }
}

/// A refusal of whatever stands before the use cases: who asks, from where, how often.
pub(crate) fn refused(shape: Option<Shape>, status: StatusCode, error: &Error) -> Response {
    match shape {
        None => failed(status, error),
        Some(shape) => {
            let code = (status == StatusCode::UNAUTHORIZED).then_some("invalid_api_key");
            Refusal { code, ..Refusal::new(status, error.to_string()) }.response(shape)
        }
    }
}

/// What a request gets that is one too many.
pub(crate) fn overloaded<B>(request: &Request<B>) -> Response {
    let text = "too many requests are under way at this moment\nhint: try again in a second";
    let shape = Shape::of(request.uri().path(), request.headers());
    refused(shape, StatusCode::SERVICE_UNAVAILABLE, &Error::new(ErrorKind::Conflict, text))
}

/// What a request gets that does not say which host it is for, or says it twice.
pub(crate) fn misaddressed<B>(request: &Request<B>) -> Response {
    let text = "the request does not say once which host it is for\nhint: send one `Host`";
    let shape = Shape::of(request.uri().path(), request.headers());
    refused(shape, StatusCode::BAD_REQUEST, &Error::new(ErrorKind::Invalid, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_path_has_the_errors_of_its_clients() {
        let error = Error::new(ErrorKind::Refused, "no credential was sent\nhint: send a token");
        let plain = HeaderMap::new();
        let anthropic = HeaderMap::from_iter([(ANTHROPIC.parse().unwrap(), HeaderValue::from_static("2023-06-01"))]);
        for (path, headers, shape) in [
            ("/v1/chat/completions", &plain, Some(Shape::OpenAi)),
            ("/v1/chat/completions", &anthropic, Some(Shape::OpenAi)),
            ("/v1/messages", &plain, Some(Shape::Anthropic)),
            ("/v1/messages/count_tokens", &plain, Some(Shape::Anthropic)),
            ("/v1/messagesx", &plain, Some(Shape::OpenAi)),
            ("/v1/models", &plain, Some(Shape::OpenAi)),
            ("/v1/models/agent:main", &anthropic, Some(Shape::Anthropic)),
            ("/api/chat", &anthropic, Some(Shape::Ollama)),
            ("/control/v1/status", &anthropic, None),
            ("/apis", &plain, None),
        ] {
            assert_eq!(Shape::of(path, headers), shape, "{path} {headers:?}");
        }
        let late = Request::get("/v1/models").header(ANTHROPIC, "x").body(()).unwrap();
        assert_eq!(overloaded(&late).headers()[header::RETRY_AFTER], "1");
        let refusal =
            Refusal { code: Some("invalid_api_key"), ..Refusal::new(StatusCode::UNAUTHORIZED, error.to_string()) };
        assert_eq!(refusal.json(Shape::OpenAi)["error"]["code"], "invalid_api_key");
        assert_eq!(refusal.json(Shape::Anthropic)["error"]["type"], "authentication_error");
        assert_eq!(refusal.json(Shape::Ollama)["error"], error.to_string());
        let refused = refused(Some(Shape::OpenAi), StatusCode::UNAUTHORIZED, &error);
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_field_is_named_where_the_shape_has_a_place_for_it_and_in_the_text_where_not() {
        let refusal = Refusal::field("url", "is no URL").within("image_url").within("messages[3].content[1]");
        assert_eq!(refusal.json(Shape::OpenAi)["error"]["param"], "messages[3].content[1].image_url.url");
        assert_eq!(refusal.json(Shape::Ollama)["error"], "messages[3].content[1].image_url.url: is no URL");
        let named = Refusal::unsupported("logprobs", "no provider gives them");
        assert_eq!(named.json(Shape::Ollama)["error"], named.json(Shape::OpenAi)["error"]["message"]);
    }

    #[test]
    fn what_only_the_operator_cures_is_not_tried_again() {
        let locked = Error::new(ErrorKind::VaultLocked, "the vault `/home/anna/vault.json` is locked\nhint: type");
        let missing =
            Unanswered { is_final: true, ..Unanswered::new(Why::Unavailable, "no key was sent\nhint: store one") };
        for (unanswered, status) in [(Unanswered::from(locked), 503), (missing, 502)] {
            let refusal = Refusal::from(unanswered);
            let response = refusal.response(Shape::OpenAi);
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["x-should-retry"], "false");
            assert!(!response.headers().contains_key(header::RETRY_AFTER));
            assert!(!refusal.message().contains("anna") && refusal.message().contains("hint: "), "{refusal:?}");
        }
    }

    #[test]
    fn what_a_budget_has_no_room_for_is_not_tried_again() {
        let refusal = Refusal::from(Unanswered::new(Why::Budget, "spent"));
        let response = refusal.response(Shape::OpenAi);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["x-should-retry"], "false");
        let busy = Unanswered { retry_after_ms: Some(1_500), ..Unanswered::new(Why::RateLimit, "slow down") };
        assert_eq!(Refusal::from(busy).response(Shape::Anthropic).headers()[header::RETRY_AFTER], "2");
    }
}
