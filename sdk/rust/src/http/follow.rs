//! Following redirects, for components that read pages.
//!
//! The host follows none. Here each hop is a request of its own, which the host's gate checks like the first.

use url::Url;

use super::{Request, Response};
use crate::Error;

/// An answer, and the way to it.
///
/// ```
/// use cara_sdk::http::{Followed, Method, Request, follow};
/// use cara_sdk::testing::{Reply, MockHost};
///
/// let mock = MockHost::new()
///     .reply(Method::Get, "https://h.example/a", Reply::new(301).header("location", "/b"))
///     .reply(Method::Get, "https://h.example/b", Reply::new(200).body("here"));
/// let Followed { response, chain } = mock.run(|| follow("https://h.example/a", 5, |url| Request::get(url))).unwrap();
/// assert_eq!((response.status(), chain.len()), (200, 2));
/// ```
#[derive(Debug)]
pub struct Followed {
    /// The answer of the last address.
    pub response: Response,
    /// Every address that was asked, the one that answered last. Never empty.
    pub chain: Vec<String>,
}

/// Asks `url`, and where its answer points to, at most `most` addresses further. `request` makes each request, which
/// must be a GET or HEAD.
///
/// # Errors
/// As [`Request::send`]; `bad-request` when there are more redirects, or one leads to no `http` or `https` URL.
///
/// ```
/// use cara_sdk::http::{Method, Request, follow};
/// use cara_sdk::testing::{Reply, MockHost};
///
/// let mock = MockHost::new().reply(Method::Get, "https://h.example/", Reply::new(200));
/// assert!(mock.run(|| follow("https://h.example/#top", 5, |url| Request::get(url))).is_ok());
/// assert!(mock.run(|| follow("file:///etc/passwd", 5, |url| Request::get(url))).is_err());
/// ```
pub fn follow(url: &str, most: usize, request: impl Fn(&str) -> Request) -> Result<Followed, Error> {
    let mut chain = vec![absolute(url)?.into()];
    loop {
        let now: &String = chain.last().expect("the chain begins with the first address");
        let response = request(now).send()?;
        let Some(next) = redirection(response.status(), response.header("location"), now)? else {
            return Ok(Followed { response, chain });
        };
        if chain.len() > most {
            return Err(Error::bad_request(format!("more than {most} redirects: {} and on", chain.join(" to "))));
        }
        chain.push(next);
    }
}

/// Where an answer sends on, if it does: status 301, 302, 303, 307 or 308 with a `Location` (RFC 9110 section 15.4).
///
/// # Errors
/// `bad-request` when that is no `http` or `https` URL.
///
/// ```
/// use cara_sdk::http::redirection;
///
/// assert_eq!(redirection(302, Some("/b"), "https://h/a").unwrap().as_deref(), Some("https://h/b"));
/// assert_eq!(redirection(200, None, "https://h/a").unwrap(), None);
/// ```
pub fn redirection(status: u16, location: Option<&str>, from: &str) -> Result<Option<String>, Error> {
    let Some(location) = location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
        return Ok(None);
    };
    let bad = |_| Error::bad_request(format!("`{from}` redirects to what is no URL"));
    let next = absolute(from)?.join(location).map_err(bad)?;
    checked(next).map(|next| Some(next.into()))
}

/// A whole URL, as a request takes it: host in ASCII, no fragment.
fn absolute(url: &str) -> Result<Url, Error> {
    let url = Url::parse(url.trim())
        .map_err(|error| Error::bad_request(format!("the address is no whole URL ({error}); begin with `https://`")))?;
    checked(url)
}

fn checked(mut url: Url) -> Result<Url, Error> {
    url.set_fragment(None);
    match url.scheme() {
        "https" | "http" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "https" | "http" => Err(Error::bad_request("an address with a user name in it is not asked")),
        scheme => Err(Error::bad_request(format!("`{scheme}:` cannot be asked, only `https:`"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn next(status: u16, location: &str, from: &str) -> Option<String> {
        redirection(status, Some(location), from).unwrap()
    }

    #[test]
    fn a_redirect_is_resolved_against_the_address_it_came_from() {
        for (location, expected) in [
            ("/b", "https://h.example/b"),
            ("b?x=1#top", "https://h.example/a/b?x=1"),
            ("//other.example", "https://other.example/"),
            ("http://h.example/", "http://h.example/"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ] {
            for status in [301, 302, 303, 307, 308] {
                assert_eq!(next(status, location, "https://h.example/a/c").as_deref(), Some(expected), "{location}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_no_redirect_is_the_end() {
        for status in [200, 201, 300, 304, 404, 500] {
            assert_eq!(next(status, "/b", "https://h.example/"), None, "{status}");
        }
        assert_eq!(redirection(302, None, "https://h.example/").unwrap(), None);
    }

    #[test]
    fn a_redirect_to_another_scheme_or_with_a_user_is_an_error() {
        for location in ["file:///etc/passwd", "javascript:alert(1)", "data:,x", "https://a:b@h.example/", "https://"] {
            assert!(redirection(302, Some(location), "https://h.example/").is_err(), "{location}");
        }
        for url in ["h.example", "ftp://h.example/", "https://me@h.example/", ""] {
            assert!(absolute(url).is_err(), "{url}");
        }
    }
}
