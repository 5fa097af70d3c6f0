//! The parts of a URL that a request needs.

use std::borrow::Cow;

use crate::Error;

/// A divided `http` or `https` URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) secure: bool,
    pub(crate) authority: &'a str,
    /// Path and query, at least `/`.
    pub(crate) path: Cow<'a, str>,
}

impl<'a> Url<'a> {
    /// Divides a URL. Only what a request needs is looked at: the host judges the rest.
    pub(crate) fn parse(url: &'a str) -> Result<Self, Error> {
        let bad = || Error::bad_request("the address of a request is no `http` or `https` URL");
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return Err(bad());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || authority.contains('@') {
            return Err(bad());
        }
        let path = match path.as_bytes().first() {
            None => Cow::Borrowed("/"),
            Some(b'?') => Cow::Owned(format!("/{path}")),
            Some(_) => Cow::Borrowed(path),
        };
        Ok(Self { secure, authority, path })
    }
}

/// Appends a path to a base URL, whether or not that ends with a slash.
///
/// ```
/// assert_eq!(cara_sdk::http::join("http://h/v1/", "models"), "http://h/v1/models");
/// ```
#[must_use]
pub fn join(base: &str, path: &str) -> String {
    format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_is_divided_into_what_a_request_needs() {
        for (url, secure, authority, path) in [
            ("https://h/v1/x?y=1#z", true, "h", "/v1/x?y=1"),
            ("HTTP://127.0.0.1:11434", false, "127.0.0.1:11434", "/"),
            ("http://[::1]:8080?q", false, "[::1]:8080", "/?q"),
            ("https://h#/a", true, "h", "/"),
        ] {
            let path = Cow::Borrowed(path);
            assert_eq!(Url::parse(url).unwrap(), Url { secure, authority, path }, "{url}");
        }
    }

    #[test]
    fn what_is_no_plain_http_url_is_refused() {
        for url in ["", "h/x", "ftp://h/", "http:///x", "https://user@h/", "https://a:b@h"] {
            assert!(Url::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_path_is_appended_with_one_slash() {
        for (base, path) in [("http://h/v1", "models"), ("http://h/v1/", "/models")] {
            assert_eq!(join(base, path), "http://h/v1/models");
        }
    }
}
