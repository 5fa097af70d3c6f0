//! Where a requested call would go, as a person reads it.

use crate::address::addresses;
use crate::event::Asked;
use crate::text::exact;
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

    /// The question as a message, with every byte of what is asked; nothing where it would be longer than so many characters.
    /// No program takes anything in it for an address.
    pub fn in_message(&self, longest: usize) -> Option<String> {
        let line = |name: &str, value: &str| format!("{name}: {}", unlinked(&exact(value)));
        let mut lines = vec![format!("`{}` of `{}` needs your answer.", self.tool, self.component)];
        lines.extend(self.destinations_shown().iter().map(|to| line("to", to)));
        lines.extend(self.servers.iter().map(|server| line("server", server)));
        lines.push(line("with", &self.arguments));
        lines.extend(self.why.iter().map(|why| line("because", why)));
        lines.push(line("seen", &self.seen.to_string()));
        lines.push(line("sha256", &self.digest));
        lines.extend(self.signer.iter().map(|signer| line("signed by", signer)));
        lines.extend(self.always.iter().map(|always| line("always would store", always)));
        let id = &self.id;
        let always = if self.always.is_some() { format!(", `/approve {id} always`") } else { String::new() };
        lines.push(format!("Answer with `/approve {id}`{always} or `/deny {id}` and why. No answer is a no."));
        let text = lines.join("\n");
        (text.chars().count() <= longest).then_some(text)
    }

    /// What is said in a message of a question that is too long for one, or made of what its reader may not read.
    pub fn named(&self, may_read: bool) -> String {
        let Self { id, tool, component, .. } = self;
        let why = if may_read { "is too long to be shown here whole" } else { "is made of what is private to others" };
        format!("`{tool}` of `{component}` needs an answer, and {why}: `cara approvals show {id}` shows it.")
    }

    /// The destinations of the call, each with its host in ASCII where the host is written in other letters.
    pub fn destinations_shown(&self) -> Vec<String> {
        self.destinations.iter().map(|to| with_punycode(to)).collect()
    }
}

/// A text in which no program takes anything for an address: in a word that has one, or another than ASCII letters that may
/// look like one.
fn unlinked(text: &str) -> String {
    let one = |word: &str| {
        if addresses(word).next().is_none() {
            return word.to_owned();
        }
        let plain: String =
            word.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }).collect();
        plain.replace("://", "[:]//").replace('.', "[.]")
    };
    text.split_inclusive(' ').map(one).collect()
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_in_other_letters_is_shown_in_ascii_as_well() {
        assert_eq!(with_punycode("https://аррӏе.example/x"), "https://аррӏе.example/x (host xn--80ak6aa92e.example)");
        assert_eq!(with_punycode("https://Apple.example/x"), "https://Apple.example/x");
        assert_eq!(with_punycode("mail:me:boss"), "mail:me:boss");
    }

    #[test]
    fn a_question_in_a_message_shows_every_byte_and_leads_nowhere() {
        let call = ToolCall {
            component: cara_authority::ComponentId::parse("fetch").unwrap(),
            digest: [7; 32],
            tool: cara_authority::ToolName::parse("web_read").unwrap(),
            arguments: "{\"note\":\"a\\n/approve a-other\u{202e}\",\"url\":\"https://evil.example/?q=1\"}".into(),
            destinations: vec!["https://аррӏе.example/".into()],
            servers: vec!["https://search.example".into()],
            session: cara_authority::SessionId::parse("s-1").unwrap(),
        };
        let asked = Asked { id: "a-abcdef".into(), ..Asked::about(&call, Label::NONE, vec!["so\nit is".into()], 0) };
        let text = asked.in_message(2_000).unwrap();
        for shown in [
            "`web_read` of `fetch`",
            "to: https[:]//\\u{430}",
            "xn--80ak6aa92e[.]example",
            "server: https[:]//search[.]example",
            "\\u{202e}",
            "https[:]//evil[.]example/?q=1",
            "because: so\\nit is",
            "`/approve a-abcdef`",
        ] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("://") && !text.contains(".example") && !text.contains("always"), "{text}");
        assert_eq!(asked.in_message(text.chars().count() - 1), None);
        let named = [true, false].map(|may_read| asked.named(may_read));
        assert!(named.iter().all(|named| named.contains("cara approvals show a-abcdef")), "{named:?}");
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
