//! For which host somebody asks: a name that is not ours leads to somebody
//! else, or somebody made it lead here.

use super::refusal::{Refusal, Why};
use cara_control::AccessSettings;
use http::{HeaderMap, Uri, header};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is said of any other.
const NOT_OURS: &str = "this is not the host that was asked for";

/// The host that was asked for, which is one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As it was written, in lower case, with its port.
    pub(crate) text: String,
    /// Whether it names this machine itself.
    pub(crate) is_local: bool,
}

/// Reads the host of a request. It says it once, or twice the same. `own` is the address of this machine that the connection
/// reached: whoever asks for it by its numbers asks for this gateway, since no name of somebody else is between.
pub(crate) fn asked(
    uri: &Uri,
    headers: &HeaderMap,
    settings: &AccessSettings,
    own: Option<IpAddr>,
) -> Result<Asked, Refusal> {
    let wrong = || Refusal::new(Why::Host, format!("{NOT_OURS}\nhint: send one `Host`, such as `localhost`"));
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
    let is_own = own.is_some_and(|own| own.to_string() == name);
    if is_local || is_own || settings.hosts.iter().any(|host| host.as_str() == name) {
        return Ok(Asked { text, is_local });
    }
    Err(Refusal::new(Why::Host, unknown(&name)))
}

/// Why a host is not ours, with the command that makes it so where it is one that can be.
fn unknown(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if name.is_empty() || name.len() > 253 || !name.bytes().all(fits) {
        return format!("{NOT_OURS}\nhint: ask for `localhost`");
    }
    format!(
        "{NOT_OURS}: `{name}`\nhint: ask for `localhost`, or have it be a name of the gateway: `cara config set \
         gateway.access.hosts '[\"{name}\"]'`"
    )
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
