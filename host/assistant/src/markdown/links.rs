//! Images, links and tags: what is shown in their place.
//!
//! Each function is given the text from where the thing begins, and says how much of it is replaced by what; `None`
//! when it cannot be told before more of the text is there.

use super::{Part, Step, balanced, bracketed, spaced};
use url::Url;

/// An image in any of its forms, or a `!` before a bracket.
pub(super) fn image(rest: &str, more: bool) -> Option<Step> {
    let label = match bracketed(&rest[1..], more) {
        Part::More => return None,
        Part::Nothing => return Step::new(1, "\\!"),
        Part::Whole(end) => 1 + end,
    };
    let alt = words(&rest[2..label - 1]);
    let (end, target) = match rest.as_bytes().get(label) {
        None if more => return None,
        Some(b'(') => match balanced(&rest[label..], '(', ')', more) {
            Part::More => return None,
            Part::Nothing => (label, None),
            Part::Whole(end) => (label + end, Some(&rest[label + 1..label + end - 1])),
        },
        Some(b'[') => match balanced(&rest[label..], '[', ']', more) {
            Part::More => return None,
            Part::Nothing => (label, None),
            Part::Whole(end) => (label + end, None),
        },
        _ => (label, None),
    };
    let host = target.and_then(|target| host_of(target.split_whitespace().next()?));
    Step::new(end, picture(&alt, host.as_deref()))
}

fn picture(alt: &str, host: Option<&str>) -> String {
    match (alt.is_empty(), host) {
        (true, None) => "[image]".to_owned(),
        (false, None) => format!("[image: {alt}]"),
        (true, Some(host)) => format!("[image: ({host})]"),
        (false, Some(host)) => format!("[image: {alt} ({host})]"),
    }
}

/// Text without any sign that Markdown or HTML knows.
fn words(text: &str) -> String {
    let plain: String = text.chars().map(|c| if "[]()<>\\`~|\"".contains(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

fn host_of(target: &str) -> Option<String> {
    let target = if target.starts_with("//") { format!("https:{target}") } else { target.to_owned() };
    Url::parse(target.trim_matches(['<', '>'])).ok()?.host_str().map(str::to_owned)
}

/// A link, a label, or brackets that are neither.
pub(super) fn link(rest: &str, more: bool) -> Option<Step> {
    let label = match bracketed(rest, more) {
        Part::More => return None,
        Part::Nothing => return Step::new(1, "\\["),
        Part::Whole(end) => end,
    };
    let inner = &rest[1..label - 1];
    match rest.as_bytes().get(label) {
        None if more => None,
        Some(b'(') => match balanced(&rest[label..], '(', ')', more) {
            Part::More => None,
            Part::Nothing => Step::new(label, spaced(&label_text(inner))),
            Part::Whole(end) => Step::new(label + end, linked(inner, &rest[label + 1..label + end - 1])),
        },
        _ => Step::new(label, label_text(inner)),
    }
}

/// Brackets with text in them that is harmless itself.
fn label_text(inner: &str) -> String {
    if inner.contains(['[', ']', '<', '\\']) { format!("[{}]", words(inner)) } else { format!("[{inner}]") }
}

/// A link with its text, or what is left of one that leads nowhere good.
fn linked(text: &str, target: &str) -> String {
    let text =
        if text.contains(['[', ']', '<', '\\']) { words(&text.replace("![", "[")) } else { text.trim().to_owned() };
    let mut parts = target.trim().splitn(2, char::is_whitespace);
    let address = parts.next().unwrap_or_default().trim_start_matches('<').trim_end_matches('>');
    let title = parts.next().map_or("", str::trim_start);
    if !title.is_empty() && !title.starts_with(['"', '\'', '(']) {
        // No link for any renderer: code, or words in brackets.
        return format!("[{text}] ({})", words(target));
    }
    match followed(address) {
        Some((url, host)) => match host.filter(|host| misleads(&text, host)) {
            Some(host) => format!("[{text} (goes to {host})]({url})"),
            None => format!("[{text}]({url})"),
        },
        None => match address.split_once(':') {
            Some((scheme, _)) => format!("{} (link removed: {}:)", words(&text), words(scheme)),
            None => format!("[{text}] ({})", words(target)),
        },
    }
}

/// The address as a renderer may have it, and its host; only what opens a page or a mail.
fn followed(address: &str) -> Option<(String, Option<String>)> {
    let head = address.get(..8).unwrap_or(address).to_ascii_lowercase();
    let web = head.starts_with("http://") || head.starts_with("https://");
    if !(web || head.starts_with("mailto:")) || address.contains(['\\', '"', '<', '>']) {
        return None;
    }
    let url = Url::parse(address).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let host = url.host_str().map(str::to_owned);
    let written: String = url
        .as_str()
        .chars()
        .map(|c| match c {
            '(' => "%28".to_owned(),
            ')' => "%29".to_owned(),
            '`' => "%60".to_owned(),
            c => c.to_string(),
        })
        .collect();
    (!has_entity(&written)).then_some((written, host))
}

/// Whether a renderer would read an entity somewhere, and show something else than what is written.
fn has_entity(text: &str) -> bool {
    text.split('&').skip(1).any(|part| {
        let name = part.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#').count();
        name > 0 && part.as_bytes().get(name) == Some(&b';')
    })
}

/// Whether a link's text names a host that is not where it goes.
fn misleads(text: &str, host: &str) -> bool {
    let same = |named: &str| {
        let named = named.trim_start_matches("www.").trim_end_matches('.');
        host.trim_start_matches("www.") == named || host.ends_with(&format!(".{named}"))
    };
    let named = |word: &str| -> Option<String> {
        let address = word.find("://").map_or(word, |at| &word[at + 3..]);
        let authority = address.split(['/', '?', '#', ' ']).next()?.rsplit('@').next()?;
        let name = authority.split(':').next()?.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let end = name.rsplit('.').next()?;
        let host = name.contains('.') && end.chars().count() >= 2 && end.chars().all(char::is_alphabetic);
        host.then_some(name)
    };
    let plain = text.replace(['*', '_', '`'], "").replace(['。', '．', '｡'], ".");
    has_entity(text) || plain.split_whitespace().filter_map(named).any(|name| !same(&name))
}

/// Something in angle brackets.
pub(super) fn tag(rest: &str, more: bool) -> Option<Step> {
    let next = rest[1..].chars().next();
    match next {
        None if more => return None,
        Some(c) if c.is_ascii_alphabetic() => {}
        // Before a letter or sign, `show` puts a space.
        _ => return Step::same(1),
    }
    let name = rest[1..].bytes().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if 1 + name == rest.len() && more {
        return None;
    }
    let sign = rest.as_bytes().get(1 + name).copied();
    let lower = rest[1..1 + name].to_ascii_lowercase();
    match (lower.as_str(), sign) {
        ("http" | "https" | "mailto", Some(b':')) => match rest[1..].find(['>', '\n', '<', '`', ' ']) {
            None if more => None,
            Some(end) if rest.as_bytes()[1 + end] == b'>' => Step::new(end + 2, plain_address(&rest[1..=end])),
            _ => Step::new(1, "< "),
        },
        ("img" | "image" | "a", Some(b' ' | b'\t' | b'\n' | b'/')) => match rest[1..].find(['>', '<']) {
            None if more => None,
            Some(end) if rest.as_bytes()[1 + end] == b'>' => {
                Step::new(end + 2, described(&lower, &rest[1 + name..=end]))
            }
            _ => Step::new(1, "< "),
        },
        _ => Step::new(1, "< "),
    }
}

/// The address of an autolink, as text.
fn plain_address(address: &str) -> String {
    address.chars().map(|c| if "[]()!\\".contains(c) { format!("%{:02X}", c as u32) } else { c.to_string() }).collect()
}

/// What a tag was about.
fn described(name: &str, attributes: &str) -> String {
    let alt = attribute(attributes, "alt").unwrap_or_default();
    if name == "a" {
        let target = attribute(attributes, "href").unwrap_or_default();
        let known = host_of(&target).or_else(|| target.split_once(':').map(|(scheme, _)| words(scheme)));
        return known.map_or("[link]".to_owned(), |known| format!("[link: {}]", words(&known)));
    }
    picture(&words(&alt), attribute(attributes, "src").and_then(|source| host_of(&source)).as_deref())
}

/// The value of an attribute.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let lower = attributes.to_ascii_lowercase();
    let found = lower.match_indices(name).find(|(at, _)| {
        let before = lower[..*at].chars().next_back();
        before.is_some_and(|c| c.is_whitespace() || "\"'/".contains(c))
            && lower[at + name.len()..].trim_start().starts_with('=')
    });
    let value = attributes[found?.0 + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let inner = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split([' ', '\t', '\n', '>']).next()?,
    };
    Some(inner.trim().to_owned())
}
