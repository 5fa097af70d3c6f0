//! URLs as people write them: which ways of writing count as one address.
//!
//! A destination counts as an address in a text when it is that, but for: case and Unicode form of the host, a default port,
//! `https` where the text says `http`, a last slash, a fragment or a whole query that is left out. Nothing may be added, and
//! the Unicode form of the rest is the destination's own: a choice among forms would tell something.

use unicode_normalization::UnicodeNormalization;
use url::Url;

/// An address, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: String,
    https: bool,
    /// Host and port.
    origin: String,
    /// Host, port and path without a last slash.
    base: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Address {
    /// Reads a whole URL.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let https = url.scheme() == "https";
        if !(https || url.scheme() == "http") || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = url.host_str()?.trim_end_matches('.');
        let origin = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Some(Self {
            https,
            base: format!("{origin}{}", url.path().strip_suffix('/').unwrap_or(url.path())),
            origin,
            query: url.query().filter(|query| !query.is_empty()).map(str::to_owned),
            fragment: url.fragment().filter(|fragment| !fragment.is_empty()).map(str::to_owned),
            url: text.to_owned(),
        })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    /// Host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// What all ways of writing it have in common.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Whether it may be meant by an address that stands in a text.
    pub(crate) fn is_written_as(&self, found: &Self) -> bool {
        let same = |own: &Option<String>, found: &Option<String>| own.is_none() || own == found;
        self.base == found.base
            && (self.https || !found.https)
            && same(&self.query, &found.query)
            && same(&self.fragment, &found.fragment)
    }
}

/// What may stand before an address.
const BEFORE: &str = "\"'`<([{,;|=→";

/// The addresses in a text, with and without a scheme.
pub(crate) fn addresses(text: &str) -> impl Iterator<Item = Address> {
    text.split(|c: char| c.is_whitespace() || "\"`<>".contains(c))
        .filter(|word| word.contains(['.', ':', '．', '：']))
        .flat_map(in_word)
}

fn in_word(word: &str) -> Vec<Address> {
    let starts = word.char_indices().filter(|(at, _)| {
        let before = word[..*at].chars().next_back();
        before.is_none_or(|c| BEFORE.contains(c))
    });
    let mut found = Vec::new();
    for (at, _) in starts {
        let mut rest = &word[at..];
        loop {
            // As it stands, and in the form that a keyboard gives.
            let folded: String = rest.nfkc().collect();
            for form in [rest, &folded] {
                found.extend(read(form).filter(|address| !found.contains(address)));
            }
            // A mark at its end may belong to it or to the sentence.
            match rest.char_indices().next_back() {
                Some((end, c)) if ".,;:!?)]}'|*_".contains(c) && end > 0 => rest = &rest[..end],
                _ => break,
            }
        }
    }
    found
}

/// One candidate: a URL, or a host with a dot and what follows it.
fn read(text: &str) -> Option<Address> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Address::parse(text);
    }
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let is_host = host.split('.').count() > 1
        && host.split('.').all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'))
        && host.rsplit('.').next().is_some_and(|last| last.chars().any(char::is_alphabetic));
    if is_host && !text.contains("://") { Address::parse(&format!("https://{text}")) } else { None }
}

/// Whether a destination stands in a text alone, letter by letter: nothing before or after it could belong to a longer
/// one.
pub(crate) fn stands_in(destination: &str, text: &str) -> bool {
    if destination.is_empty() {
        return false;
    }
    text.match_indices(destination).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let before = before.is_none_or(|c| c.is_whitespace() || BEFORE.contains(c) || c == '“' || c == '«');
        let rest = text[at + destination.len()..].strip_prefix('/').unwrap_or(&text[at + destination.len()..]);
        before && ends(rest)
    })
}

/// Whether a destination ends before this: at white space, a closing mark, or punctuation that ends a sentence.
fn ends(rest: &str) -> bool {
    let closing = |c: char| c.is_whitespace() || "\"'`>)]}|”»".contains(c);
    let mut rest = rest.chars();
    match rest.next() {
        None => true,
        Some(c) if closing(c) => true,
        Some(c) if ".,;:!?".contains(c) => rest.next().is_none_or(closing),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn means(destination: &str, text: &str) -> bool {
        let address = Address::parse(destination).unwrap();
        addresses(text).any(|found| address.is_written_as(&found))
    }

    #[test]
    fn ways_of_writing_one_address_are_one() {
        for (destination, text) in [
            ("https://a.example/x", "read http://a.example/x please"),
            ("https://a.example/x", "read HTTPS://A.Example:443/x."),
            ("https://a.example/x", "(see a.example/x/#part)"),
            ("https://a.example/x/", "https://a.example/x"),
            ("https://a.example/", "what is on a.example?"),
            ("https://a.example/x", "https://a.example/x?page=2"),
            ("https://a.example/x?y=1", "url=https://a.example/x?y=1#z"),
            ("https://xn--bcher-kva.example/", "bücher.example"),
            ("https://bücher.example/", "https://BÜCHER.example/"),
            ("https://a.example/x", "ｈｔｔｐｓ：／／ａ．ｅｘａｍｐｌｅ／ｘ"),
            ("https://a.example/Rust_(lang)", "https://a.example/Rust_(lang)."),
            ("https://a.example/x", "[this](https://a.example/x)"),
        ] {
            assert!(means(destination, text), "{destination} | {text}");
        }
    }

    #[test]
    fn nothing_may_be_added_or_changed() {
        for (destination, text) in [
            ("http://a.example/x", "https://a.example/x"),
            ("https://a.example/x?y=1", "https://a.example/x"),
            ("https://a.example/x?y=1", "https://a.example/x?y=1&z=2"),
            ("https://a.example/x#words", "https://a.example/x"),
            ("https://a.example/X", "https://a.example/x"),
            ("https://a.example:8443/x", "https://a.example/x"),
            ("https://b.a.example/x", "https://a.example/x"),
            ("https://a.example/x", "nota.example/x"),
            ("https://a.example/x", "https://evil-a.example/x"),
            ("https://a.example/x", "https://a.example/x/y"),
            ("https://a.example/ａ", "https://a.example/a"),
            ("https://а.example/", "https://a.example/"),
        ] {
            assert!(!means(destination, text), "{destination} | {text}");
        }
        assert!(Address::parse("https://me:you@a.example/").is_none() && Address::parse("ftp://a.example/").is_none());
    }
}
