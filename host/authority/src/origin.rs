//! An origin: scheme, host and port, parsed one way for all who compare.

use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// Why a URL has no origin that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL at all.
    #[error("`{0}` is not a URL\nhint: write it like `https://api.example.com/v1`")]
    Malformed(String),
    /// Neither `https` nor `http`.
    #[error("`{0}` is not an `https` URL")]
    Scheme(String),
    /// `user:password@` before the host.
    #[error("`{0}` carries a user name or password\nhint: store it with `cara secrets set` instead")]
    UserInfo(String),
    /// A host the rules cannot compare.
    #[error("`{0}` has no host that can be checked")]
    Host(String),
}

/// `https` or `http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP in the clear; only ever used toward loopback.
    Http,
}

/// Scheme, host and port of a URL. The host is lower case, in ASCII (IDNA), without a trailing dot; numeric forms of
/// IPv4 addresses are already turned into the address (WHATWG URL, section 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// The origin of a URL.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        Ok(Self::of(&parse_url(text)?))
    }

    /// The origin of a URL that [`parse_url`] made.
    fn of(url: &Url) -> Self {
        let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let host = url.host().map(|host| host.to_owned()).expect("parse_url refuses URLs without a host");
        Self { scheme, host, port: url.port_or_known_default().expect("http and https have default ports") }
    }

    /// An origin from its parts.
    pub fn new(scheme: Scheme, host: Host<String>, port: u16) -> Self {
        Self { scheme, host, port }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, also when it is the scheme's default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        }
    }

    /// Whether this is `localhost`, 127.0.0.0/8 or ::1: nothing else counts as loopback.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        }
    }
}

impl Scheme {
    /// The text of an origin, or of a pattern of some.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>, host: &dyn fmt::Display, port: u16) -> fmt::Result {
        let (scheme, default) = match self {
            Self::Https => ("https", 443),
            Self::Http => ("http", 80),
        };
        write!(f, "{scheme}://{host}")?;
        if port == default { Ok(()) } else { write!(f, ":{port}") }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scheme.write(f, &self.host, self.port)
    }
}

/// Parses a URL strictly: `http` or `https`, a host, no user information, no backslash or control character that a
/// lenient parser would repair.
pub fn parse_url(text: &str) -> Result<Url, BadUrl> {
    let shown = || crate::display_safe(text);
    if text.len() > 16 * 1024 || text.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f) {
        return Err(BadUrl::Malformed(shown()));
    }
    let mut url = Url::parse(text).map_err(|_| BadUrl::Malformed(shown()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(BadUrl::Scheme(shown()));
    }
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    if authority.is_none_or(|authority| authority.contains('@')) {
        return Err(BadUrl::UserInfo(url.host_str().unwrap_or("").to_owned()));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let dotted = match url.host() {
        Some(Host::Domain(name)) if !name.bytes().all(plain) || name.starts_with('.') || name.contains("..") => {
            return Err(BadUrl::Host(shown()));
        }
        Some(Host::Domain(name)) => name.strip_suffix('.').map(str::to_owned),
        Some(_) => None,
        None => return Err(BadUrl::Host(shown())),
    };
    if let Some(name) = dotted
        && (name.is_empty() || name.ends_with('.') || url.set_host(Some(&name)).is_err())
    {
        return Err(BadUrl::Host(shown()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forms_of_one_origin_are_equal() {
        let plain = Origin::parse("https://api.example.com/v1").unwrap();
        for form in ["https://API.example.com", "https://api.example.com.:443/x?y#z", "HTTPS://api.%65xample.com"] {
            assert_eq!(Origin::parse(form).unwrap(), plain, "{form}");
        }
        assert_eq!(plain.to_string(), "https://api.example.com");
    }

    #[test]
    fn numeric_hosts_become_addresses() {
        for form in ["http://2130706433", "http://0x7f.1", "http://0177.0.0.1", "http://127.1", "http://127.0.0.1."] {
            assert!(Origin::parse(form).unwrap().is_loopback(), "{form}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for form in [
            "",
            "api.example.com",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://@a",
            "https://a\\@b",
            "https://a b",
            "https://[fe80::1%25eth0]",
            "https://a..",
            "https://a..b",
            "https://.a.b",
            "https://.",
            "file:///etc/passwd",
        ] {
            assert!(Origin::parse(form).is_err(), "{form}");
        }
    }
}
