//! Host patterns of a manifest: one host, all below one, or any.

use crate::origin::{Origin, Scheme, parse_url};
use std::fmt;
use url::Host;

/// A pattern is not one of the three forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host pattern\nhint: write `api.example.com`, `*.example.com` or `*`")]
pub struct BadPattern(String);

/// A set of hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// Exactly this one.
    Exact(Host<String>),
    /// Every name with at least one more label before this one.
    Below(String),
    /// Every host there is.
    Any,
}

impl HostPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let url = parse_url(&format!("https://{name}")).map_err(|_| BadPattern(text.to_owned()))?;
        let host = url.host().map(|host| host.to_owned()).ok_or_else(|| BadPattern(text.to_owned()))?;
        let plain = url.path() == "/" && url.port().is_none() && !name.contains(['/', '?', '#', '*', '%']);
        match host {
            _ if !plain => Err(BadPattern(text.to_owned())),
            Host::Domain(name) if below && name.contains('.') => Ok(Self::Below(name)),
            _ if below => Err(BadPattern(text.to_owned())),
            host => Ok(Self::Exact(host)),
        }
    }

    /// Whether a host is meant.
    pub fn matches(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(parent), Host::Domain(name)) => {
                name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Self::Below(_), _) => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// Scheme, hosts and port that belong together; how a grant names where a component may connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginPattern {
    scheme: Scheme,
    host: HostPattern,
    port: u16,
}

impl OriginPattern {
    /// `https` hosts on a port (443 when `None`).
    pub fn https(host: HostPattern, port: Option<u16>) -> Self {
        Self { scheme: Scheme::Https, host, port: port.unwrap_or(443) }
    }

    /// Just one origin.
    pub fn exactly(origin: &Origin) -> Self {
        Self { scheme: origin.scheme(), host: HostPattern::Exact(origin.host().clone()), port: origin.port() }
    }

    /// Reads `https://api.example.com`, `https://*.example.com:8443`, `https://*` or `http://127.0.0.1:11434`.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.to_owned());
        if let Some(rest) = text.strip_prefix("https://*") {
            let (host, port) = match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port.parse().map_err(|_| bad())?)),
                None => (rest, None),
            };
            return Ok(Self::https(HostPattern::parse(&format!("*{host}")).map_err(|_| bad())?, port));
        }
        let url = parse_url(text).map_err(|_| bad())?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad());
        }
        Origin::parse(text).map(|origin| Self::exactly(&origin)).map_err(|_| bad())
    }

    /// Whether an origin is meant: scheme and port must be equal.
    pub fn matches(&self, origin: &Origin) -> bool {
        self.scheme == origin.scheme() && self.port == origin.port() && self.host.matches(origin.host())
    }

    /// The one origin that is meant, when it is one.
    pub fn origin(&self) -> Option<Origin> {
        match &self.host {
            HostPattern::Exact(host) => Some(Origin::new(self.scheme, host.clone(), self.port)),
            _ => None,
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scheme.write(f, &self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn meant(pattern: &str, url: &str) -> bool {
        OriginPattern::parse(pattern).unwrap().matches(&Origin::parse(url).unwrap())
    }

    #[test]
    fn exact_means_exact() {
        assert!(meant("https://api.example.com", "https://api.example.com/x"));
        for other in [
            "https://example.com",
            "https://xapi.example.com",
            "https://api.example.com.evil.org",
            "https://api.example.com:8443",
            "http://api.example.com",
            "https://api.example.co",
        ] {
            assert!(!meant("https://api.example.com", other), "{other}");
        }
    }

    #[test]
    fn below_means_at_least_one_label_more() {
        assert!(meant("https://*.example.com", "https://a.example.com"));
        assert!(meant("https://*.example.com", "https://a.b.example.com"));
        for other in ["https://example.com", "https://evilexample.com", "https://.example.com.evil.org"] {
            assert!(Origin::parse(other).is_err() || !meant("https://*.example.com", other), "{other}");
        }
    }

    #[test]
    fn loose_patterns_are_refused() {
        for bad in
            ["https://*.com", "https://a*.example.com", "https://*.*", "http://*", "https://a/b", "*", "https://u@a"]
        {
            assert!(OriginPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
