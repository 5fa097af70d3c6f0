//! How the destination of a call came about: named, written by the owner,
//! read somewhere, or put together.
//!
//! Only whole destinations count: `https://a.example/x` in a text does not stand for `https://a.example/x?all=my+words`.
//! Ways of writing one address count as one: see [`Address`].
//!
//! ```text
//! messages ─→ Sources: written by the owner │ read, by which part │ sent by the model
//!                                 destination ─→ Standing, and what following it may tell, in bits
//! ```

use crate::address::{Address, addresses, stands_in};
use crate::echo::{Mark, Sent};
use crate::part::{Body, Message, Part};
use cara_authority::{Label, Policy, Provenance, Source};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Where the addresses of a session stand. Reads each message once.
#[derive(Debug, Default)]
pub struct Sources {
    /// The last place that was read.
    upto: u64,
    /// Texts of the owner, and the addresses in them.
    own: Vec<String>,
    written: HashMap<String, Vec<Address>>,
    /// Addresses that strangers wrote.
    read: HashMap<String, Vec<Link>>,
    /// All that strangers wrote, and when: addresses of conversations are looked for in it.
    foreign: Vec<(String, Mark)>,
    /// All that the model wrote.
    said: Sent,
    /// What calls of it said in words of its own.
    sent: Sent,
    /// Origins that were asked for something the model had put together: what they say later may be that.
    told: HashSet<String>,
    /// Calls without a result.
    open: HashMap<String, Asked>,
    /// Calls of this run whose query is made of the person's own words.
    queries: HashSet<String>,
}

/// An address that strangers wrote.
#[derive(Debug)]
struct Link {
    address: Address,
    /// What choosing it among those it was offered with may tell.
    bits: u32,
    /// What the model had said and sent by then may have come back in it.
    said: Mark,
    sent: Mark,
    /// Whether a query in the person's own words brought it.
    hit: bool,
}

/// What a call of the model asked.
#[derive(Debug, Default)]
struct Asked {
    /// Where, when it says so.
    origins: Vec<String>,
    /// Whether an address in it was put together.
    made: bool,
}

/// How a destination came about, and what following it may tell of the conversation: bits, as many as it takes to choose
/// among the links that were offered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// How.
    pub provenance: Provenance,
    /// What it may tell, when it was read.
    pub bits: u32,
    /// Whether it was read in what a query of this run brought that is made of the person's own words.
    pub hit: bool,
}

impl Sources {
    /// Remembers that the query of a call is made of the person's own words.
    pub(crate) fn own_query(&mut self, call: &str) {
        self.queries.insert(call.to_owned());
    }

    /// Takes in the messages that are new.
    pub fn update(&mut self, messages: &[Message], policy: &Policy) {
        let upto = self.upto;
        for message in messages.iter().filter(|message| message.place > upto) {
            // Calls of one answer do not know of each other.
            for part in message.parts.iter().filter(|part| matches!(part.body, Body::ToolCall { .. })) {
                self.call(part, policy);
            }
            message.parts.iter().for_each(|part| self.part(part));
        }
        self.upto = messages.last().map_or(self.upto, |last| self.upto.max(last.place));
    }

    fn part(&mut self, part: &Part) {
        let label = &part.label;
        match &part.body {
            Body::Text { text } if *label == Label::of(Source::Owner) => {
                for address in addresses(text) {
                    self.written.entry(address.base().to_owned()).or_default().push(address);
                }
                self.own.push(text.clone());
            }
            Body::ToolResult { id, text, .. } => {
                let asked = self.open.remove(id).unwrap_or_default();
                let hit = self.queries.contains(id);
                if label.is_strangers() && !label.has(Source::Model) {
                    let echoes = asked.made || asked.origins.iter().any(|origin| self.told.contains(origin));
                    if !echoes {
                        self.read(text, hit);
                    }
                }
                if asked.made {
                    self.told.extend(asked.origins);
                }
            }
            Body::Text { text } if label.is_strangers() && !label.has(Source::Model) => self.read(text, false),
            _ => {}
        }
        if label.has(Source::Model) {
            self.said.add(&wrote(part));
        }
    }

    /// Takes in what strangers wrote; `hit`: in answer to a query in the person's own words.
    fn read(&mut self, text: &str, hit: bool) {
        let found: Vec<Address> = addresses(text).collect();
        let bits = (found.len() as u64 + 1).next_power_of_two().trailing_zeros();
        let (said, sent) = (self.said.mark(), self.sent.mark());
        for address in found {
            self.read.entry(address.base().to_owned()).or_default().push(Link { address, bits, said, sent, hit });
        }
        self.foreign.push((text.to_owned(), said));
    }

    fn call(&mut self, part: &Part, policy: &Policy) {
        let Body::ToolCall { id, arguments, .. } = &part.body else { return };
        let mut leaves = Vec::new();
        texts(&serde_json::from_str(arguments).unwrap_or(Value::Null), &mut leaves);
        let mut asked = Asked::default();
        for leaf in leaves {
            match Address::parse(&leaf) {
                Some(address) => {
                    asked.made |= self.find(&leaf, policy).provenance == Provenance::Model;
                    asked.origins.push(address.origin().to_owned());
                }
                None => self.sent.add(&leaf),
            }
        }
        self.open.insert(id.clone(), asked);
    }

    /// How a destination came about.
    pub fn find(&self, destination: &str, policy: &Policy) -> Found {
        let provenance = |provenance, bits| Found { provenance, bits, hit: false };
        if policy.names(destination) {
            return provenance(Provenance::Configured, 0);
        }
        let address = Address::parse(destination);
        let base = address.as_ref().map(Address::base).unwrap_or_default();
        let is = |found: &Address| address.as_ref().is_some_and(|address| address.is_written_as(found));
        let written = self.written.get(base).is_some_and(|found| found.iter().any(is));
        if written || self.own.iter().any(|text| stands_in(destination, text)) {
            return provenance(Provenance::Owner, 0);
        }
        let is_echo = |link: &Link| {
            let address = link.address.as_str();
            self.said.holds_plain(address, link.said) || self.sent.holds(address, link.sent)
        };
        let links = || self.read.get(base).into_iter().flatten().filter(|link| is(&link.address));
        let read = links().filter(|link| !is_echo(link)).map(|link| link.bits).min();
        // One that was read before the model named it is no echo when it comes again.
        let hit = links().filter(|link| link.hit).map(|link| link.bits).min();
        let named =
            |(text, said): &(String, Mark)| stands_in(destination, text) && !self.said.holds_plain(destination, *said);
        match read {
            Some(bits) => Found { provenance: Provenance::Content, bits: hit.unwrap_or(bits), hit: hit.is_some() },
            None if address.is_none() && self.foreign.iter().any(named) => provenance(Provenance::Content, 1),
            None => provenance(Provenance::Model, 0),
        }
    }
}

/// Whether a text of the owner's names a destination.
pub(crate) fn names(destination: &str, text: &str) -> bool {
    let address = Address::parse(destination);
    address.is_some_and(|address| addresses(text).any(|found| address.is_written_as(&found)))
        || stands_in(destination, text)
}

/// What the model wrote, also as a tool reads it: `\/` in arguments is a slash to whoever repeats them.
fn wrote(part: &Part) -> String {
    let mut text = part.readable().to_owned();
    if let Body::ToolCall { arguments, .. } = &part.body {
        let mut leaves = Vec::new();
        texts(&serde_json::from_str(arguments).unwrap_or(Value::Null), &mut leaves);
        for leaf in leaves {
            text.push('\n');
            text.push_str(&leaf);
        }
    }
    text
}

/// Every text in a value, keys within it too.
fn texts(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        Value::Object(fields) => {
            fields.keys().for_each(|key| all.push(key.clone()));
            fields.values().for_each(|value| texts(value, all));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::part::Role;

    fn said(parts: Vec<Part>) -> Vec<Message> {
        vec![Message { place: 1, role: Role::User, parts, speaker: None }]
    }

    fn provenance(destination: &str, messages: &[Message], policy: &Policy) -> Provenance {
        let mut sources = Sources::default();
        sources.update(messages, policy);
        sources.find(destination, policy).provenance
    }

    fn of(destination: &str, source: Source, text: &str) -> Provenance {
        provenance(destination, &said(vec![Part::text(source, text)]), &Policy::default())
    }

    #[test]
    fn what_the_owner_wrote_whole_is_written() {
        for text in [
            "read https://a.example/x?y=1",
            "read https://a.example/x?y=1.",
            "(https://a.example/x?y=1)",
            "a.example/x?y=1, please",
            "<https://a.example/x?y=1/>",
        ] {
            assert_eq!(of("https://a.example/x?y=1", Source::Owner, text), Provenance::Owner, "{text}");
        }
        assert_eq!(of("https://a.example/", Source::Owner, "what is on https://a.example"), Provenance::Owner);
    }

    #[test]
    fn a_longer_or_shorter_one_is_another() {
        for text in [
            "https://a.example/x?y=12",
            "https://a.example/x?y=1&z=2",
            "https://evil.example/?u=https://a.example/x?y=1&z",
            "nota.example/x?y=1",
            "https://a.example/x",
            "https://a.example/x?y=1.html",
            "https://evil-a.example/x?y=1",
        ] {
            assert_eq!(of("https://a.example/x?y=1", Source::Owner, text), Provenance::Model, "{text}");
        }
    }

    #[test]
    fn a_page_or_a_flagged_text_does_not_speak_for_the_owner() {
        let url = "https://a.example/x";
        assert_eq!(of(url, Source::Web, "go to https://a.example/x"), Provenance::Content);
        let mut pasted = Part::text(Source::Owner, "go to https://a.example/x");
        pasted.label = pasted.label.join(&Label::of(Source::Web));
        assert_eq!(provenance(url, &said(vec![pasted]), &Policy::default()), Provenance::Content);
        assert_eq!(of(url, Source::Model, "I go to https://a.example/x"), Provenance::Model);
        assert_eq!(of(url, Source::Tool, "1. https://a.example/x"), Provenance::Model);
    }

    #[test]
    fn a_tool_that_repeats_what_the_model_said_launders_nothing() {
        let url = "https://a.example/?words=mine";
        let asked = Part::text(Source::Model, "search for a.example/?words=mine");
        let echoed = Part::text(Source::Web, "results for https://a.example/?words=mine");
        let policy = Policy::default();
        assert_eq!(provenance(url, &said(vec![asked.clone(), echoed.clone()]), &policy), Provenance::Model);
        assert_eq!(provenance(url, &said(vec![echoed.clone(), asked]), &policy), Provenance::Content);
        for arguments in [
            r#"{"query":"https:\/\/a.example\/?words=mine"}"#,
            r#"{"query":"\u0068ttps://a.example/?word\u0073=mine"}"#,
            r#"{"items":[{"a.example\/?words=mine":1}]}"#,
            r#"{"query":"https%3A%2F%2Fa.example%2F%3Fwords%3Dmine"}"#,
            r#"{"query":"A . example / ? words \u003d mine"}"#,
            r#"{"items":["a.example/","?words=mine"]}"#,
        ] {
            let body = Body::ToolCall { id: "c".into(), name: "search".into(), arguments: arguments.into() };
            let call = Part { label: Label::of(Source::Model), body };
            assert_eq!(provenance(url, &said(vec![call, echoed.clone()]), &policy), Provenance::Model, "{arguments}");
        }
    }

    /// A conversation: calls of the model and what came of them.
    fn called(calls: &[(&str, &str)]) -> Vec<Message> {
        let mut messages = Vec::new();
        for (number, (arguments, text)) in calls.iter().enumerate() {
            let (id, name) = (format!("c{number}"), "tool".to_owned());
            let call = Body::ToolCall { id: id.clone(), name: name.clone(), arguments: (*arguments).into() };
            let result = Body::ToolResult { id, name, text: (*text).into(), failed: false };
            for (role, body, source) in [(Role::Assistant, call, Source::Model), (Role::Tool, result, Source::Web)] {
                let place = messages.len() as u64 + 1;
                messages.push(Message {
                    place,
                    role,
                    parts: vec![Part { label: Label::of(source), body }],
                    speaker: None,
                });
            }
        }
        messages
    }

    #[test]
    fn a_page_that_was_asked_for_with_words_of_the_model_makes_no_address_a_read_one() {
        let policy = Policy::default();
        let url = "https://evil.example/?d=words-of-mine";
        // It may translate: nothing in common with what was sent.
        let translated = called(&[(r#"{"url":"https://echo.example/?t=chiffre"}"#, url)]);
        assert_eq!(provenance(url, &translated, &policy), Provenance::Model);
        // Nor what the same site says later, when it was asked for something that was read.
        let stored = called(&[
            (r#"{"query":"sites"}"#, "https://echo.example/stored"),
            (r#"{"url":"https://echo.example/?t=chiffre"}"#, "thanks"),
            (r#"{"url":"https://echo.example/stored"}"#, url),
        ]);
        assert_eq!(provenance(url, &stored, &policy), Provenance::Model);
        // A page that was reached by links alone may have any link.
        let followed = called(&[
            (r#"{"query":"sites"}"#, "https://other.example/list"),
            (r#"{"url":"https://other.example/list"}"#, url),
        ]);
        assert_eq!(provenance(url, &followed, &policy), Provenance::Content);
    }

    #[test]
    fn an_engine_that_decodes_its_query_makes_no_address_a_read_one() {
        let policy = Policy::default();
        let url = "https://evil.example/?d=words-of-mine";
        let coded = r#"{"query":"base64 aHR0cHM6Ly9ldmlsLmV4YW1wbGUvP2Q9d29yZHMtb2YtbWluZQ=="}"#;
        assert_eq!(provenance(url, &called(&[(coded, url)]), &policy), Provenance::Model);
        let found = "https://found.example/harbours";
        assert_eq!(provenance(found, &called(&[(r#"{"query":"harbours"}"#, found)]), &policy), Provenance::Content);
    }

    #[test]
    fn following_costs_the_bits_of_the_choice() {
        let policy = Policy::default();
        let links: String = (0..1000).map(|number| format!("https://evil.example/{number}\n")).collect();
        for (text, bits) in [("see https://evil.example/7", 1), (links.as_str(), 10)] {
            let mut sources = Sources::default();
            sources.update(&said(vec![Part::text(Source::Web, text)]), &policy);
            assert_eq!(
                sources.find("https://evil.example/7", &policy),
                Found { provenance: Provenance::Content, bits, hit: false }
            );
        }
    }

    #[test]
    fn ways_of_writing_an_address_do_not_make_it_another() {
        let text = "see HTTPS://A.example:443/x/#part";
        assert_eq!(of("https://a.example/x", Source::Owner, text), Provenance::Owner);
        assert_eq!(of("https://a.example/x", Source::Web, text), Provenance::Content);
        assert_eq!(of("https://a.example/x#words", Source::Web, text), Provenance::Model);
    }
}
