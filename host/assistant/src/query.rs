//! What a query tells that says nothing but words of the message
//! that is being answered.
//!
//! It cannot carry what the run has seen, but for the choice among the stretches of words that the message has. A text
//! counts as the person's when it stands in the message letter by letter, or in small letters. Rejected: to count single
//! words in any order. A message of a hundred words would then spell anything.

use crate::part::{Body, Message};
use cara_authority::{Label, Source, ToolCall};
use serde_json::Value;

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
            Some(Value::String(said)) if forms.iter().any(|text| has(text, said)) => bits(words * (words + 1)),
            Some(Value::Number(number)) => {
                number.as_i64()?;
                let (least, most) = (property.get("minimum")?.as_i64()?, property.get("maximum")?.as_i64()?);
                bits(most.abs_diff(least) + 1)
            }
            Some(_) => return None,
        };
        // Whether it is there at all is a choice, too.
        Some(all + chosen + u32::from(!required(name)))
    })
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
    choices.max(1).next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::part::{Part, Role};
    use cara_authority::{ComponentId, SessionId, ToolName};
    use serde_json::json;

    fn told(parts: Vec<Part>, arguments: Value, to: &[&str]) -> Option<u32> {
        let call = ToolCall {
            component: ComponentId::parse("c").unwrap(),
            digest: [0; 32],
            tool: ToolName::parse("web_search").unwrap(),
            arguments: arguments.to_string(),
            destinations: to.iter().map(|to| (*to).to_owned()).collect(),
            session: SessionId::parse("s-1").unwrap(),
        };
        let query = json!({ "type": "string" });
        let count = json!({ "type": "integer", "minimum": 1, "maximum": 20 });
        let input = json!({ "required": ["query"], "properties": { "query": query, "count": count, "safe": {} } });
        own_words(&call, &input, &Message { place: 1, role: Role::User, parts })
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
        suspect.label = suspect.label.join(Label::of(Source::Suspect));
        for part in [suspect, Part::text(Source::File, "Sailing boats"), Part::text(Source::Model, "Sailing boats")] {
            assert_eq!(told(vec![part], json!({ "query": "boats" }), &[]), None);
        }
    }
}
