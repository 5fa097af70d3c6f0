//! Making the contract's errors: by kind, from a refusal, from an HTTP answer.

use crate::types::Refusal;
pub use crate::types::{Error, ErrorKind};

/// The constructors; each sets `retry` as that kind usually needs it.
///
/// ```
/// use cara_sdk::{Error, ErrorKind};
///
/// let error = Error::from_status(429, "slow down").after(Some(2_000));
/// assert_eq!((error.kind, error.retry, error.retry_after_ms), (ErrorKind::RateLimit, true, Some(2_000)));
/// ```
impl Error {
    /// An error of a kind; `retry` is true where the same call may succeed later.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = matches!(kind, ErrorKind::RateLimit | ErrorKind::Overloaded | ErrorKind::Network);
        Self { kind, message: message.into(), retry, retry_after_ms: None }
    }

    /// The credential is missing, wrong, expired or not allowed to do this.
    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Auth, message)
    }

    /// The request is wrong and stays wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }

    /// No or a broken answer.
    pub fn network(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Network, message)
    }

    /// The component does not offer this.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Other, message)
    }

    /// What an HTTP status that is no success means for a request to a model.
    ///
    /// 413 counts as `context-too-long`: a shorter request helps. 529 is Anthropic's "overloaded".
    pub fn from_status(status: u16, message: impl Into<String>) -> Self {
        let kind = match status {
            401..=403 => ErrorKind::Auth,
            408 | 504 => ErrorKind::Network,
            413 => ErrorKind::ContextTooLong,
            429 => ErrorKind::RateLimit,
            502 | 503 | 529 => ErrorKind::Overloaded,
            400..=499 => ErrorKind::BadRequest,
            _ => ErrorKind::Other,
        };
        let mut error = Self::new(kind, message);
        error.retry |= status >= 500;
        error
    }

    /// The same error with the time the other side asked to wait, in milliseconds.
    #[must_use]
    pub const fn after(mut self, retry_after_ms: Option<u64>) -> Self {
        self.retry_after_ms = retry_after_ms;
        self
    }
}

impl From<Refusal> for Error {
    /// Keeps the host's text, which names the cure. A secret that is not stored is `auth`, the rest is `other`:
    /// no other provider and no repetition changes what the operator allowed.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unavailable(text) => Self::auth(text),
            Refusal::Invalid(text) => Self::bad_request(text),
            Refusal::Undeclared(text)
            | Refusal::Ungranted(text)
            | Refusal::Destination(text)
            | Refusal::Limit(text)
            | Refusal::Denied(text) => Self::other(text),
            Refusal::Conflict => Self::other("the stored value was changed by another call"),
            Refusal::Cancelled => Self::other("the answer is no longer wanted"),
        }
    }
}

/// Reads a `Retry-After` value (RFC 9110 section 10.2.3): seconds, or a date in any of the three HTTP forms.
///
/// `now_ms` is the time the answer came; a date in the past is 0. `None` when it is neither.
///
/// ```
/// use cara_sdk::error::parse_retry_after;
///
/// assert_eq!(parse_retry_after("120", 0), Some(120_000));
/// assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:00:09 GMT", 2_000), Some(7_000));
/// assert_eq!(parse_retry_after("soon", 0), None);
/// ```
#[must_use]
pub fn parse_retry_after(value: &str, now_ms: u64) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse::<u64>().ok()?.checked_mul(1_000);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(u64::try_from(since.as_millis()).ok()?.saturating_sub(now_ms))
}

/// What a server said, fit for a message: text on one line, at most 300 characters.
///
/// ```
/// assert_eq!(cara_sdk::error::excerpt(b"<p>\n no\t</p>"), "<p> no </p>");
/// ```
#[must_use]
pub fn excerpt(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if let Some((end, _)) = line.char_indices().nth(300) {
            line.truncate(end);
            line.push('\u{2026}');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_status_has_its_kind_and_only_what_may_pass_is_retried() {
        for (status, kind, retry) in [
            (400, ErrorKind::BadRequest, false),
            (401, ErrorKind::Auth, false),
            (403, ErrorKind::Auth, false),
            (404, ErrorKind::BadRequest, false),
            (413, ErrorKind::ContextTooLong, false),
            (429, ErrorKind::RateLimit, true),
            (500, ErrorKind::Other, true),
            (503, ErrorKind::Overloaded, true),
            (504, ErrorKind::Network, true),
            (529, ErrorKind::Overloaded, true),
            (302, ErrorKind::Other, false),
        ] {
            let error = Error::from_status(status, "text");
            assert_eq!((error.kind, error.retry), (kind, retry), "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_each_form_of_a_date() {
        let now = 784_111_770_000; // Sun, 06 Nov 1994 08:49:30 GMT
        assert_eq!(parse_retry_after(" 120 ", now), Some(120_000));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_retry_after(date, now), Some(7_000), "{date}");
        }
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(0));
    }

    #[test]
    fn a_retry_after_that_is_neither_is_none() {
        for value in ["", "-1", "1.5", "soon", "99999999999999999999", "18446744073709551615"] {
            assert_eq!(parse_retry_after(value, 0), None, "{value}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_text_that_names_the_cure() {
        let error = Error::from(Refusal::Unavailable("hint: store it".to_owned()));
        assert_eq!((error.kind, &*error.message), (ErrorKind::Auth, "hint: store it"));
        assert!(!Error::from(Refusal::Cancelled).retry);
    }

    #[test]
    fn what_a_server_said_is_one_short_line() {
        assert_eq!(excerpt(b" <p>\n no\t</p> "), "<p> no </p>");
        let long = excerpt("\u{e4}".repeat(400).as_bytes());
        assert_eq!(long.chars().count(), 301);
    }
}
