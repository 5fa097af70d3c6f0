//! Failures as a server tells them.

use cara_sdk::Error;
use cara_sdk::error::excerpt;
use serde::Deserialize;

/// The `error` of a body `{"error": ...}`. None when the body is something else.
#[must_use]
pub fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Body<T> {
        error: T,
    }
    serde_json::from_slice::<Body<T>>(body).ok().map(|body| body.error)
}

/// The error that a server's words mean as far as the status tells. A stream has none: it began with success.
#[must_use]
pub fn said(status: Option<u16>, words: &[u8]) -> Error {
    let words = excerpt(words);
    match status {
        Some(status) => Error::from_status(status, format!("the server answered {status}: {words}")),
        None => Error::other(format!("the server ended the answer: {words}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn words_without_a_status_are_those_of_a_stream() {
        let error = said(None, b"out of\nmemory");
        assert_eq!((error.kind, &*error.message), (ErrorKind::Other, "the server ended the answer: out of memory"));
        let error = said(Some(429), b"<p>later</p>");
        assert_eq!((error.kind, &*error.message), (ErrorKind::RateLimit, "the server answered 429: <p>later</p>"));
        assert_eq!(read::<&str>(b"{\"error\":\"gone\"}"), Some("gone"));
        assert_eq!(read::<&str>(b"{\"error\":{}}"), None);
    }
}
