//! How the destination of a call came about: named, written by the owner,
//! read somewhere, or put together.
//!
//! Only whole destinations count: `https://a.example/x` in a text does not stand for `https://a.example/x?all=my+words`.

use crate::part::{Body, Message, Part};
use cara_authority::{Label, Policy, Source, Standing};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Finds out, over all messages of the session.
pub fn standing(destination: &str, messages: &[Message], policy: &Policy) -> Standing {
    if policy.names(destination) {
        return Standing::Named;
    }
    let forms = forms(destination);
    let holds = |text: &str| forms.iter().any(|form| stands_in(form, text));
    let owner = Label::of(Source::Owner);
    let parts = || messages.iter().flat_map(|message| &message.parts);
    if parts().any(|part| part.label == owner && matches!(part.body, Body::Text { .. }) && holds(part.readable())) {
        return Standing::Written;
    }
    // What the model said before it read it may be an echo: a tool repeats its arguments, a search its query.
    let letters = letters(destination.strip_prefix("https://").unwrap_or(destination));
    let mentions = |part: &Part| self::letters(&wrote(part)).contains(&letters);
    for part in parts() {
        match &part.body {
            Body::Text { text } | Body::ToolResult { text, .. }
                if part.label.is_strangers() && !part.label.has(Source::Model) && holds(text) =>
            {
                return Standing::Read;
            }
            _ if part.label.has(Source::Model) && mentions(part) => return Standing::Made,
            _ => {}
        }
    }
    Standing::Made
}

/// The letters and digits of a text, percent-encoding undone: what is left of it whichever way somebody wrote it.
fn letters(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..2 {
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What the model wrote, also as a tool reads it: `\/` in arguments is a slash to whoever repeats them.
fn wrote(part: &Part) -> String {
    let mut text = part.readable().to_owned();
    if let Body::ToolCall { arguments, .. } = &part.body {
        let value = serde_json::from_str(arguments).unwrap_or(Value::Null);
        texts(&value, &mut text);
    }
    text
}

/// Every text in a value, keys too.
fn texts(value: &Value, all: &mut String) {
    let mut add = |text: &str| {
        all.push('\n');
        all.push_str(text);
    };
    match value {
        Value::String(text) => add(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        Value::Object(fields) => {
            fields.keys().for_each(|key| add(key));
            fields.values().for_each(|value| texts(value, all));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The ways a person writes it: with and without `https://` and a last slash.
fn forms(destination: &str) -> Vec<String> {
    let bare = destination.strip_suffix('/').filter(|bare| bare.len() > "https://".len()).unwrap_or(destination);
    let mut forms = vec![bare.to_owned()];
    forms.extend(bare.strip_prefix("https://").map(str::to_owned));
    forms
}

/// Whether it stands there alone: nothing before or after it could belong to a longer destination.
fn stands_in(form: &str, text: &str) -> bool {
    if form.is_empty() {
        return false;
    }
    text.match_indices(form).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let before =
            before.is_none_or(|c| c.is_whitespace() || "\"'`<([{,;|=→".contains(c)) || text[..at].ends_with("https://");
        let rest = text[at + form.len()..].strip_prefix('/').unwrap_or(&text[at + form.len()..]);
        before && ends(rest)
    })
}

/// Whether a destination ends before this: at white space, a closing mark, or punctuation that ends a sentence.
fn ends(rest: &str) -> bool {
    let mut rest = rest.chars();
    match rest.next() {
        None => true,
        Some(c) if c.is_whitespace() || "\"'`>)]}|".contains(c) => true,
        Some(c) if ".,;:!?".contains(c) => rest.next().is_none_or(|c| c.is_whitespace() || "\"'`>)]}".contains(c)),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::part::Role;

    fn said(parts: Vec<Part>) -> Vec<Message> {
        vec![Message { place: 1, role: Role::User, parts }]
    }

    fn of(destination: &str, source: Source, text: &str) -> Standing {
        standing(destination, &said(vec![Part::text(source, text)]), &Policy::default())
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
            assert_eq!(of("https://a.example/x?y=1", Source::Owner, text), Standing::Written, "{text}");
        }
        assert_eq!(of("https://a.example/", Source::Owner, "what is on https://a.example"), Standing::Written);
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
            assert_eq!(of("https://a.example/x?y=1", Source::Owner, text), Standing::Made, "{text}");
        }
    }

    #[test]
    fn a_page_or_a_flagged_text_does_not_speak_for_the_owner() {
        let url = "https://a.example/x";
        assert_eq!(of(url, Source::Web, "go to https://a.example/x"), Standing::Read);
        let mut pasted = Part::text(Source::Owner, "go to https://a.example/x");
        pasted.label = pasted.label.join(Label::of(Source::Web));
        assert_eq!(standing(url, &said(vec![pasted]), &Policy::default()), Standing::Read);
        assert_eq!(of(url, Source::Model, "I go to https://a.example/x"), Standing::Made);
        assert_eq!(of(url, Source::Tool, "1. https://a.example/x"), Standing::Made);
    }

    #[test]
    fn a_tool_that_repeats_what_the_model_said_launders_nothing() {
        let url = "https://a.example/?words=mine";
        let asked = Part::text(Source::Model, "search for a.example/?words=mine");
        let echoed = Part::text(Source::Web, "results for https://a.example/?words=mine");
        let policy = Policy::default();
        assert_eq!(standing(url, &said(vec![asked.clone(), echoed.clone()]), &policy), Standing::Made);
        assert_eq!(standing(url, &said(vec![echoed.clone(), asked]), &policy), Standing::Read);
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
            assert_eq!(standing(url, &said(vec![call, echoed.clone()]), &policy), Standing::Made, "{arguments}");
        }
    }
}
