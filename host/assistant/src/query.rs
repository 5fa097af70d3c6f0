//! What a call says to a server beside where it goes,
//! and what a query tells that has only words of the person's message.
//!
//! Such a query cannot carry what the run has seen, but for the choice among the stretches of words that the message has.
//! A text counts as the person's when it stands in the message letter by letter, or in small letters. Rejected: to count
//! single words in any order. A message of a hundred words would then spell anything.

use crate::part::{Body, Message};
use cara_authority::manifest::Tool;
use cara_authority::{Label, Source, ToolCall};
use serde_json::Value;

/// Whether the arguments of a call say anything beside where it goes. Whatever is there does: numbers are the bytes of a
/// text as well, so are switches, names, and empty lists in each other; a list of destinations says something by its
/// order. Where a call goes somewhere, numbers and switches of a component that the operator believes say how an answer
/// is to be shown, as by `offset`, and the server is told the address alone.
pub(crate) fn says(call: &ToolCall, tool: &Tool, believed: bool) -> bool {
    let Ok(Value::Object(arguments)) = serde_json::from_str(&call.arguments) else { return true };
    let shows = |name: &str, value: &Value| {
        let property = tool.input.get("properties").and_then(|all| all.get(name));
        believed && !call.destinations.is_empty() && property.is_some_and(|property| choices(property, value).is_some())
    };
    let goes = |name: &str, value: &Value| {
        let one = value.as_array().map_or(Some(value), |list| list.first().filter(|_| list.len() == 1));
        one.is_some_and(Value::is_string) && tool.destination.iter().any(|to| to.argument() == name)
    };
    arguments.iter().any(|(name, value)| !goes(name, value) && !shows(name, value))
}

/// What the arguments of a call may tell, bits: as many as it takes to choose them. None when one of them has a text that
/// the person did not type in this message, or that cannot be counted.
pub(crate) fn own_words(call: &ToolCall, input: &Value, message: &Message) -> Option<u32> {
    let owner = Label::of(Source::Owner);
    let own = message.parts.iter().filter(|part| part.label == owner && matches!(part.body, Body::Text { .. }));
    let text: String = own.map(|part| format!("{}\n", part.readable())).collect();
    let forms = [text.to_lowercase(), text];
    let words = forms[1].split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count() as u64;
    let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
    let required =
        |name: &str| input.get("required").and_then(Value::as_array).is_some_and(|all| all.contains(&name.into()));
    let properties = input.get("properties")?.as_object()?;
    let known = |name: &String| properties.contains_key(name);
    if !call.destinations.is_empty() || !arguments.as_object()?.keys().all(known) {
        return None;
    }
    properties.iter().try_fold(0, |all, (name, property)| {
        let chosen = match arguments.get(name) {
            None => 0,
            Some(Value::String(said)) => {
                forms.iter().any(|text| has(text, said)).then(|| bits(words.saturating_mul(words + 1)))?
            }
            Some(value) => bits(choices(property, value)?),
        };
        // Whether it is there at all is a choice, too.
        Some(all + chosen + u32::from(!required(name)))
    })
}

/// Among how many a number or a switch was chosen, where the schema says so. Other values of the same argument are not
/// counted, and asked about.
fn choices(property: &Value, value: &Value) -> Option<u64> {
    match value {
        Value::Bool(_) => property.get("type").filter(|kind| *kind == "boolean").map(|_| 2),
        Value::Number(number) => {
            let (least, most) = (property.get("minimum")?.as_i64()?, property.get("maximum")?.as_i64()?);
            (least..=most).contains(&number.as_i64()?).then(|| most.abs_diff(least).saturating_add(1))
        }
        _ => None,
    }
}

/// Whether a text stands in another from the beginning of a word to the end of one.
fn has(text: &str, said: &str) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    in_word(said.chars().next())
        && in_word(said.chars().next_back())
        && text
            .match_indices(said)
            .any(|(at, _)| !in_word(text[..at].chars().next_back()) && !in_word(text[at + said.len()..].chars().next()))
}

/// How many bits choosing one of so many takes.
fn bits(choices: u64) -> u32 {
    u64::BITS - choices.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::part::{Part, Role};
    use cara_authority::{ComponentId, SessionId, ToolName};
    use serde_json::json;

    fn call(arguments: &Value, to: &[&str]) -> ToolCall {
        ToolCall {
            component: ComponentId::parse("c").unwrap(),
            digest: [0; 32],
            tool: ToolName::parse("web_search").unwrap(),
            arguments: arguments.to_string(),
            destinations: to.iter().map(|to| (*to).to_owned()).collect(),
            servers: Vec::new(),
            session: SessionId::parse("s-1").unwrap(),
        }
    }

    fn told(parts: Vec<Part>, arguments: Value, to: &[&str]) -> Option<u32> {
        let query = json!({ "type": "string" });
        let count = json!({ "type": "integer", "minimum": 1, "maximum": 20 });
        let input = json!({ "required": ["query"], "properties": { "query": query, "count": count, "safe": {} } });
        own_words(&call(&arguments, to), &input, &Message { place: 1, role: Role::User, parts, speaker: None })
    }

    fn query(text: &str, query: &str) -> Option<u32> {
        told(vec![Part::text(Source::Owner, text)], json!({ "query": query }), &[])
    }

    #[test]
    fn words_as_they_stand_in_the_message_tell_which_of_its_stretches_was_chosen() {
        // Two words have three stretches, in two ways of writing; and two arguments that may be there or not.
        for said in ["Sailing boats", "sailing boats", "sailing", "boats"] {
            assert_eq!(query("Sailing boats!", said), Some(3 + 2), "{said}");
        }
        assert_eq!(query("Look up Sailing boats and read the first hit", "sailing boats"), Some(7 + 2));
        let counted = json!({ "query": "boats", "count": 5 });
        assert_eq!(told(vec![Part::text(Source::Owner, "Sailing boats")], counted, &[]), Some(3 + 5 + 2));
    }

    #[test]
    fn any_other_word_letter_or_argument_is_not_the_persons() {
        for said in ["boat", "boats sailing", "sAiling", "sailing  boats", "sailing boats 4711", "", " boats", "boats!"]
        {
            assert_eq!(query("Sailing boats!", said), None, "{said}");
        }
        let typed = || vec![Part::text(Source::Owner, "Sailing boats 5")];
        for arguments in [
            json!({ "query": "boats", "safe": true }),
            json!({ "query": "boats", "safe": 5 }),
            json!({ "query": "boats", "count": 0.5 }),
            json!({ "query": ["boats"] }),
            json!({ "query": "boats", "boats": "boats" }),
        ] {
            assert_eq!(told(typed(), arguments.clone(), &[]), None, "{arguments}");
        }
        assert_eq!(told(typed(), json!({ "query": "boats" }), &["https://a.example/"]), None);
    }

    #[test]
    fn words_that_were_pasted_or_look_like_an_attack_are_nobodys() {
        let mut suspect = Part::text(Source::Owner, "Sailing boats");
        suspect.label = suspect.label.join(&Label::of(Source::Suspect));
        for part in [suspect, Part::text(Source::File, "Sailing boats"), Part::text(Source::Model, "Sailing boats")] {
            assert_eq!(told(vec![part], json!({ "query": "boats" }), &[]), None);
        }
    }

    #[test]
    fn a_choice_takes_the_bits_of_all_there_were_to_choose_from() {
        for (choices, told) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1 << 63, 63), (u64::MAX, 64)] {
            assert_eq!(bits(choices), told, "{choices}");
        }
        let any = json!({ "minimum": i64::MIN, "maximum": i64::MAX });
        assert_eq!(choices(&any, &json!(5)).map(bits), Some(64));
        let some = json!({ "minimum": 1, "maximum": 20 });
        assert_eq!(choices(&some, &json!(20)), Some(20));
        assert_eq!([json!(21), json!(5.0), json!(true), json!("5")].map(|other| choices(&some, &other)), [None; 4]);
    }

    #[test]
    fn whatever_an_argument_is_says_something_but_where_the_call_goes() {
        let tool = |destination: Value| -> Tool {
            let count = json!({ "type": "integer", "minimum": 0, "maximum": 255 });
            let properties = json!({ "url": { "type": "string" }, "to": { "type": "array" }, "count": count, "raw": { "type": "boolean" } });
            let input = json!({ "type": "object", "properties": properties });
            serde_json::from_value(
                json!({ "name": "t", "description": "d", "destination": destination, "input": input }),
            )
            .unwrap()
        };
        let (url, to) = ("https://a.example/", "https://b.example/");
        let going = tool(json!([{ "url": "url" }, { "url": "to" }]));
        let staying = tool(json!([]));
        let says = |tool: &Tool, arguments: Value, believed| {
            let read: Vec<&str> = tool.destination.iter().flat_map(|to| to.read(&arguments)).collect();
            super::says(&call(&arguments, &read), tool, believed)
        };
        for nothing in [json!({}), json!({ "url": url }), json!({ "to": [to] }), json!({ "url": url, "to": [to] })] {
            assert!(!says(&going, nothing.clone(), false), "{nothing}");
        }
        for something in [
            json!({ "count": 80 }),
            json!({ "raw": true }),
            json!({ "raw": false }),
            json!({ "points": [80, 73, 78] }),
            json!({ "points": [[], [[]]] }),
            json!({ "pin-4711": 0 }),
            json!({ "in": { "pin-4711": null } }),
            json!({ "note": "" }),
        ] {
            assert!(says(&staying, something.clone(), true), "{something}");
            assert!(says(&going, something.clone(), false), "{something}");
            let mut beside = something;
            beside["url"] = url.into();
            assert!(says(&going, beside.clone(), false), "{beside}");
            // How an answer is to be shown, the component itself decides that the operator believes.
            let shown = beside.get("count").or(beside.get("raw")).is_some();
            assert_eq!(says(&going, beside.clone(), true), !shown, "{beside}");
        }
        for spelled in [json!({ "to": [url, to, to] }), json!({ "url": url, "text": url })] {
            assert!(says(&going, spelled.clone(), true), "{spelled}");
        }
        assert!(says(&going, json!({ "url": url, "count": 256 }), true));
    }
}
