//! Where a requested call would go, as a person reads it.

use crate::event::Asked;
use cara_authority::{Label, ToolCall};

impl Asked {
    /// A question about a call, which no rule may answer.
    pub(crate) fn about(call: &ToolCall, seen: Label, why: Vec<String>, deadline_ms: u64) -> Self {
        Self {
            id: String::new(),
            component: call.component.to_string(),
            digest: hex::encode(call.digest),
            signer: None,
            tool: call.tool.to_string(),
            arguments: call.arguments.clone(),
            destinations: call.destinations.clone(),
            servers: call.servers.clone(),
            session: call.session.to_string(),
            seen,
            why,
            always: None,
            within_session: false,
            deadline_ms,
        }
    }

    /// The destinations of the call, each with its host in ASCII where the host is written in other letters.
    pub fn destinations_shown(&self) -> Vec<String> {
        self.destinations.iter().map(|to| with_punycode(to)).collect()
    }
}

/// A URL as written, and its host in ASCII where that reads differently: other letters may look like those of another
/// host.
fn with_punycode(to: &str) -> String {
    let of_url = url::Url::parse(to).ok().and_then(|url| url.host_str().map(str::to_owned));
    // An address of mail, or a name by itself.
    let of_name = || url::Host::parse(to.rsplit(['@', ':']).next()?).ok().map(|host| host.to_string());
    let host = of_url.or_else(|| of_name().filter(|_| !to.is_ascii()));
    // The host is looked for where a host stands: whoever made the URL chose the rest of it too.
    let written = to.split_once("://").map_or(to, |(_, rest)| rest);
    let written = written.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let written = written.rsplit('@').next().unwrap_or_default().to_lowercase();
    let is_written =
        |host: &str| written.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    match host.filter(|host| !is_written(&host.to_lowercase())) {
        Some(host) => format!("{to} (host {host})"),
        None => to.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_other_letters_is_shown_in_ascii_as_well() {
        assert_eq!(with_punycode("https://аррӏе.example/x"), "https://аррӏе.example/x (host xn--80ak6aa92e.example)");
        assert_eq!(with_punycode("https://Apple.example/x"), "https://Apple.example/x");
        assert_eq!(with_punycode("mail:me:boss"), "mail:me:boss");
    }

    #[test]
    fn nothing_else_in_a_url_hides_what_its_host_is() {
        let ascii = "xn--80ak6aa92e.example";
        for to in [
            format!("https://аррӏе.example/?{ascii}"),
            format!("https://аррӏе.example/{ascii}"),
            format!("https://аррӏе.example\\{ascii}"),
            format!("https://аррӏе.example#{ascii}"),
            format!("https://{ascii}@аррӏе.example/"),
            format!("https://{ascii}:{ascii}@аррӏе.example:444/"),
        ] {
            assert_eq!(with_punycode(&to), format!("{to} (host {ascii})"));
        }
        for to in ["boss@аррӏе.example", "mail:me:boss@аррӏе.example", "аррӏе.example"] {
            assert_eq!(with_punycode(to), format!("{to} (host {ascii})"));
        }
        for to in ["https://apple.example:444/x", "https://me@apple.example/", "http://[::1]:80/", "http://10.0.0.1/"] {
            assert_eq!(with_punycode(to), to);
        }
    }
}
