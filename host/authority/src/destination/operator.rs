//! What the operator names himself: where to fetch from.
//!
//! A component reaches what its manifest declares and the operator granted. Here is nobody to grant anything to: the
//! operator typed the URL. It is judged by the same rules, and what a server answers to it (a redirect, where to ask for
//! a token, where to upload to) by stricter ones: it never leads from the network to this machine.

use super::{Destination, Reach, Sender, refused};
use crate::origin::{Origin, parse_url};
use crate::refusal::{Refusal, Rule};
use http::Method;
use url::Url;

const CURE: &str = "only public hosts over `https`, or a server on this machine that you name yourself, are reached";

impl Destination {
    /// A URL that the operator typed: `https` to a public host, or an origin on this machine (`localhost`,
    /// 127.0.0.0/8, ::1) over `http` or `https`.
    pub fn named(method: &Method, url: &str) -> Result<Self, Refusal> {
        let url = parse_url(url).map_err(|error| Refusal::new(Rule::Invalid, error.to_string()))?;
        let origin = Origin::parse(url.as_str()).map_err(|error| Refusal::new(Rule::Invalid, error.to_string()))?;
        let reach = if origin.is_loopback() { Reach::Loopback } else { public(&origin)? };
        Self::new(Sender::Operator, method, &url, origin, reach)
    }

    /// Where a server's answer leads: a public host over `https`, or the very same origin on this machine. `location`
    /// may be relative (RFC 9110 section 10.2.2). A server cannot lead a component anywhere: its requests are its own.
    pub fn redirected(&self, method: &Method, location: &str) -> Result<Self, Refusal> {
        let from = &self.origin;
        let refuse = |why: &str| {
            Refusal::new(Rule::Destination, format!("`{from}` leads to {why}")).hint("do not trust that server")
        };
        if self.sender != Sender::Operator {
            return Err(Refusal::new(Rule::Denied, "a component follows redirects itself"));
        }
        if location.len() > 16 * 1024 || location.bytes().any(|b| b <= b' ' || b == b'\\' || b >= 0x7f) {
            return Err(refuse("what is not a URL"));
        }
        let base = Url::parse(&self.uri.to_string()).map_err(|_| refuse("what is not a URL"))?;
        let joined = base.join(location).map_err(|_| refuse("what is not a URL"))?;
        // The parser takes `user@` apart; whether one was written is asked of the text it was written in.
        if !joined.username().is_empty() || joined.password().is_some() || authority_of(location).contains('@') {
            return Err(refuse("a URL with a user name or password"));
        }
        let url = parse_url(joined.as_str()).map_err(|error| refuse(&error.to_string()))?;
        let origin = Origin::parse(url.as_str()).map_err(|error| refuse(&error.to_string()))?;
        let reach = if self.reach == Reach::Loopback && origin == self.origin {
            Reach::Loopback
        } else {
            public(&origin).map_err(|refusal| refuse(&format!("`{origin}`, but {}", refusal.text())))?
        };
        Self::new(Sender::Operator, method, &url, origin, reach)
    }
}

/// What stands between `//` and the next slash, if there is such a thing.
fn authority_of(location: &str) -> &str {
    let rest = location.split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn public(origin: &Origin) -> Result<Reach, Refusal> {
    match refused(Reach::Public, origin) {
        None => Ok(Reach::Public),
        Some(why) => Err(Refusal::new(Rule::Destination, format!("cara may not reach `{origin}`: {why}")).hint(CURE)),
    }
}
