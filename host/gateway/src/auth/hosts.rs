//! For which host somebody asks: a name that is not ours leads to somebody
//! else, or somebody made it lead here.

use super::refusal::{Refusal, Why};
use cara_control::AccessSettings;
use http::{HeaderMap, Uri, header};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The host that was asked for, which is one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As it was written, in lower case, with its port.
    pub(crate) text: String,
    /// Whether it names this machine itself.
    pub(crate) is_local: bool,
}

/// Reads the host of a request. It says it once, or twice the same.
pub(crate) fn asked(uri: &Uri, headers: &HeaderMap, settings: &AccessSettings) -> Result<Asked, Refusal> {
    let wrong = || {
        let text = "this is not the host that was asked for\nhint: ask for `localhost`, or add the name to `gateway.access.hosts`";
        Refusal::new(Why::Host, text)
    };
    let mut said: Vec<&str> = uri.authority().map(|authority| authority.as_str()).into_iter().collect();
    for value in headers.get_all(header::HOST) {
        said.push(value.to_str().map_err(|_| wrong())?);
    }
    let (Some(text), true) = (said.first(), said.iter().all(|one| one.eq_ignore_ascii_case(said[0]))) else {
        return Err(wrong());
    };
    if said.len() > 2 || (uri.authority().is_none() && said.len() > 1) {
        return Err(wrong());
    }
    let text = text.to_ascii_lowercase();
    let name = name(&text).ok_or_else(wrong)?;
    let is_local = ["localhost", "127.0.0.1", "::1"].contains(&name.as_str());
    if is_local || settings.hosts.iter().any(|host| host.as_str() == name) {
        return Ok(Asked { text, is_local });
    }
    Err(wrong())
}

/// The name or address without its port, in the one way that it is written. Names are compared letter by letter: what a
/// resolver would make of `localhost.` or `2130706433` is not asked.
fn name(text: &str) -> Option<String> {
    let port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let sound = rest.is_empty() || rest.strip_prefix(':').is_some_and(port);
        return sound.then(|| address.parse::<Ipv6Addr>().ok().map(|address| address.to_string())).flatten();
    }
    let name = match text.split_once(':') {
        Some((name, number)) if port(number) => name,
        Some(_) => return None,
        None => text,
    };
    if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return name.parse::<Ipv4Addr>().ok().map(|address| address.to_string());
    }
    Some(name.to_owned())
}
