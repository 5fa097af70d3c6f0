//! `Endpoint`: the address of a certificate authority or a log.

use std::fmt;
use std::str::FromStr;

use cara_signing::DisplaySafe;
use thiserror::Error;

/// Longest address, in bytes.
const MAX_BYTES: usize = 512;

/// An `https` URL without query, fragment or user; a path is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(String);

impl Endpoint {
    /// The URL of `path`, which begins with a slash, below this one.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let refused = || EndpointError(DisplaySafe::new(text));
        let plain = text.len() <= MAX_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
        let rest = text.strip_prefix("https://").filter(|_| plain).ok_or_else(refused)?;
        if rest.is_empty() || rest.starts_with(['/', ':']) || rest.contains(['?', '#', '@', '\\']) {
            return Err(refused());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// Text that is not the address of an authority or a log.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not the address of a certificate authority or a transparency log\n\
     hint: write its URL, from `https://` on, without `?`, `#` or `@`"
)]
pub struct EndpointError(DisplaySafe);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_endpoint_is_joined_with_one_slash() {
        for text in ["https://authority.example", "https://authority.example/", "https://authority.example//"] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.join("/api"), "https://authority.example/api");
        }
        let below: Endpoint = "https://a.example:8443/fulcio/".parse().unwrap();
        assert_eq!((below.join("/api"), below.to_string()), {
            ("https://a.example:8443/fulcio/api".to_owned(), "https://a.example:8443/fulcio".to_owned())
        });
    }

    #[test]
    fn a_token_is_sent_by_https_and_to_one_host_only() {
        let texts = [
            "",
            "https://",
            "https:///path",
            "https://:443",
            "http://a.example",
            "a.example",
            "HTTPS://a.example",
            "https://user@a.example",
            "https://a.example?b",
            "https://a.example#b",
            "https://a.example\\b",
            "https://a example",
            "https://a.example\n",
        ];
        for text in texts {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
