//! Whether the person dictated a call: said in this very message to do it.
//!
//! A message is taken apart into clauses; in a clause, what stands in quotes, or after a colon to the end of the line, is
//! marked. A clause dictates a call when it begins with a word for what the tool is called, names each destination and no
//! other address, marks each other text of the arguments and nothing else, and says nothing more: beside that it has only
//! words that join. Every other clause of the message is such an order too, asks to read something and says no more than
//! what, or is a greeting. Rejected: to count any words of the message. "My PIN is 1234. Mail `a summary` to …" would then
//! dictate a mail that says 1234, and "Proofread this mail to … : …" a mail.
//!
//! The rule is meant to say no too often. Whatever could be a negation, a condition or a question withholds the call, and
//! most of all what comes after the order: "Check with Anna first", "Thanks, ignore that", "Change `late` to `ill`". A
//! clause dictates one call, and nothing that leaves without a destination.

mod words;

use self::words::{
    ASKING, COURTESY, DEFINITE, DOUBTS, FILING, GREETING, JOINING, KEYS, MOVING, READING, TAKING_BACK, VERBS,
};
use crate::part::{Body, Message};
use crate::standing::names;
use cara_authority::{Label, Source, ToolCall};
use serde_json::Value;
use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization;

/// A piece of a message that is one wish.
#[derive(Debug, Default)]
struct Clause {
    /// What stands outside marks.
    head: String,
    /// What stands in quotes.
    quotes: Vec<String>,
    /// Which mark the thing is to be kept under.
    filed: Option<String>,
    /// What stands after a colon, to the end of the line.
    rest: Option<String>,
}

/// The clause of the message that dictates the call, of those that dictated none yet. `input` is the schema of the
/// arguments; `sends`: whether a call takes something out of the conversation.
pub(crate) fn dictating(
    call: &ToolCall,
    input: &Value,
    sends: bool,
    message: &Message,
    used: &HashSet<usize>,
) -> Option<usize> {
    let destinations = &call.destinations;
    if sends && destinations.is_empty() {
        return None;
    }
    let owner = Label::of(Source::Owner);
    let own = message.parts.iter().filter(|part| part.label == owner && matches!(part.body, Body::Text { .. }));
    let text: String = own.map(|part| part.readable().nfc().collect::<String>() + "\n").collect();
    let clauses = clauses(&text);
    let Ok(Value::Object(arguments)) = serde_json::from_str(&call.arguments) else { return None };
    let leaves = leaves(&arguments, destinations, input)?;
    if leaves.is_empty() && destinations.is_empty() {
        return None;
    }
    let tool = call.tool.as_str();
    let dictates = |clause: &Clause| clause.dictates(tool, destinations, &leaves);
    let found = clauses.iter().enumerate().find(|(at, clause)| !used.contains(at) && dictates(clause))?.0;
    let before = clauses.iter().take(found).all(Clause::may_precede);
    let after = clauses.iter().skip(found + 1).all(Clause::may_follow);
    (before && after).then_some(found)
}

impl Clause {
    fn dictates(&self, tool: &str, destinations: &[String], leaves: &[Leaf]) -> bool {
        let goes = |text: &str| destinations.iter().any(|to| names(to, text));
        // An address within other words is what they speak of.
        let is_place = |mark: &str| !mark.trim().contains(char::is_whitespace) && goes(mark);
        let is_leaf = |mark: &String| leaves.iter().any(|leaf| mark.trim() == leaf.text.trim());
        let is_named =
            |to: &String| names(to, &self.head) || self.marks().any(|mark| is_place(mark) && names(to, mark));
        let mut said = self.said();
        said.next().is_some_and(|word| fits(tool, &word))
            && said.all(|word| JOINING.contains(&word.as_str()) || (is_address(&word) && goes(&word)))
            && destinations.iter().all(is_named)
            && leaves.iter().all(|leaf| self.marks().any(|mark| mark.trim() == leaf.text.trim()))
            && self.marks().all(|mark| is_place(mark) || is_leaf(mark))
            && self.is_clear(leaves)
            && !self.head.contains(ASKING)
    }

    /// Whether it is said which mark is for which argument: of two, one is the key under which the other is kept.
    fn is_clear(&self, leaves: &[Leaf]) -> bool {
        let is_key = |leaf: &Leaf| KEYS.contains(&leaf.argument.as_str());
        let is_filed = |leaf: &Leaf| self.filed.as_ref().is_some_and(|filed| filed.trim() == leaf.text.trim());
        match leaves {
            [] | [_] => true,
            [one, other] => {
                let kept = |key: &Leaf, value: &Leaf| is_key(key) && !is_key(value) && is_filed(key);
                !self.begins_with(&MOVING) && (kept(one, other) || kept(other, one))
            }
            _ => false,
        }
    }

    /// Whether the first word is one of these kinds.
    fn begins_with(&self, kinds: &[usize]) -> bool {
        self.said().next().is_some_and(|word| kinds.iter().any(|kind| VERBS[*kind].contains(&word.as_str())))
    }

    /// Takes note of a mark that follows a word like "under".
    fn file(&mut self, mark: &str) {
        let last = self.head.split_whitespace().next_back().unwrap_or_default().to_lowercase();
        if FILING.contains(&last.as_str()) {
            self.filed = Some(mark.to_owned());
        }
    }

    /// What is marked.
    fn marks(&self) -> impl Iterator<Item = &String> {
        self.quotes.iter().chain(&self.rest)
    }

    /// Whether the clause leaves an order after it as it is.
    fn may_precede(&self) -> bool {
        self.greets() || ((self.is_order() || self.reads()) && !self.marks().any(|mark| is_doubtful(mark)))
    }

    /// Whether the clause leaves an order before it as it is. Whatever could take that back does not.
    fn may_follow(&self) -> bool {
        let is_definite = |word: String| DEFINITE.contains(&word.as_str());
        // It says what and where by itself, as an order of its own does: "Keep the message in `drafts`." does not.
        let said = self.marks().count() + self.said().filter(|word| is_address(word)).count();
        let order = self.is_order() && said > 1 && !self.begins_with(&TAKING_BACK);
        let order = order && !self.marks().any(|mark| is_doubtful(mark));
        let reads = self.reads() && self.marks().next().is_none();
        self.greets() || ((order || reads) && !self.said().any(is_definite))
    }

    /// Whether the clause says nothing, or thanks.
    fn greets(&self) -> bool {
        let pleasant = self.said().all(|word| GREETING.contains(&word.as_str()));
        pleasant && self.marks().next().is_none() && !self.head.contains(ASKING)
    }

    /// Whether the clause asks to read something, and says only what.
    fn reads(&self) -> bool {
        self.said().next().is_some_and(|word| READING.contains(&word.as_str())) && self.only_joins()
    }

    /// Whether the clause is an order about something that it quotes or an address: "Cancel." is one about what stands
    /// before it, and "Note: not yet." is none.
    fn is_order(&self) -> bool {
        let order = self.begins_with(&[0, 1, 2, 3, 4]);
        let about = !self.quotes.is_empty() || self.said().any(|word| is_address(&word));
        order && about && self.only_joins()
    }

    /// Whether all words after the first join, and nothing is asked.
    fn only_joins(&self) -> bool {
        let joins = |word: String| JOINING.contains(&word.as_str()) || is_address(&word);
        self.said().skip(1).all(joins) && !self.head.contains(ASKING)
    }

    /// Its words and addresses outside marks, from the first that is no courtesy. Only what ends sentences and items of
    /// lists is left out: what strikes words out, quotes or answers them (`~~`, `>`, `[ ]`, a thumb down) is a word.
    fn said(&self) -> impl Iterator<Item = String> {
        let trimmed = |part: &str| part.trim_matches(|c: char| ".,!;:…¡。-–—".contains(c)).to_lowercase();
        let parts = self.head.split_whitespace().map(trimmed).filter(|part| !part.is_empty());
        parts.skip_while(|part| COURTESY.contains(&part.as_str()))
    }
}

/// Whether a text takes back, sets a condition, or asks.
fn is_doubtful(text: &str) -> bool {
    text.contains(ASKING) || words(text).any(|word| DOUBTS.contains(&word.as_str()))
}

/// Whether a word has marks within it, as addresses have.
fn is_address(word: &str) -> bool {
    word.chars().any(|c| matches!(c, ':' | '@' | '/' | '.'))
}

/// A text or number that the person must have said.
struct Leaf {
    /// The argument of the call that has it.
    argument: String,
    text: String,
}

/// The texts and numbers of the arguments; none when something in them cannot be said. What the schema gives by itself
/// need not be: a default, or where there is none a switch that is off.
fn leaves(arguments: &serde_json::Map<String, Value>, destinations: &[String], input: &Value) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    for (argument, value) in arguments {
        let default = input.get("properties")?.get(argument)?.get("default");
        if default == Some(value) {
            continue;
        }
        let mut texts = Vec::new();
        collect(value, &mut texts)?;
        // Nobody says "no" or nothing in words that could be compared; with another default that is a choice.
        if default.is_some() && texts.is_empty() {
            return None;
        }
        leaves.extend(texts.into_iter().map(|text| Leaf { argument: argument.clone(), text }));
    }
    leaves.retain(|leaf| !destinations.contains(&leaf.text));
    Some(leaves)
}

fn collect(value: &Value, texts: &mut Vec<String>) -> Option<()> {
    match value {
        Value::String(text) if text.is_empty() => Some(()),
        Value::String(text) => {
            texts.push(text.clone());
            Some(())
        }
        Value::Number(number) => {
            texts.push(number.to_string());
            Some(())
        }
        Value::Bool(false) | Value::Null => Some(()),
        // A switch that is on is a choice of its own.
        Value::Bool(true) => None,
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, texts)),
        // Keys of objects within arguments are words too, and nobody says them.
        Value::Object(_) => None,
    }
}

/// Whether the word is one for what the tool is called.
fn fits(tool: &str, word: &str) -> bool {
    let kinds = |word: &str| VERBS.iter().map(|kind| kind.contains(&word)).collect::<Vec<bool>>();
    let mut named = vec![false; VERBS.len()];
    for part in tool.split(['_', '-']) {
        // The first part often names the thing: `message_send` sends, `note_delete` deletes.
        let of = kinds(&part.to_lowercase());
        if of.contains(&true) {
            named = of;
        }
    }
    kinds(word).iter().zip(&named).any(|(said, named)| *said && *named)
}

/// The words of a text; what has marks within it, as addresses have, is none.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split_whitespace().map(|part| part.trim_matches(|c: char| !c.is_alphanumeric()));
    let is_word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "'’-".contains(c));
    parts.filter(is_word).flat_map(|part| part.split('-')).map(|word| word.to_lowercase().replace('’', "'"))
}

/// The closing mark for an opening one.
fn closing(open: char) -> Option<char> {
    Some(match open {
        '"' => '"',
        '`' => '`',
        '\'' => '\'',
        '“' | '„' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    })
}

/// Takes a message apart.
fn clauses(text: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut clause = Clause::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let at_word = clause.head.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let ends_word = |rest: &str| rest.chars().next().is_none_or(|c| !c.is_alphanumeric());
        if let Some(close) = closing(letter).filter(|_| at_word)
            && let Some((end, _)) =
                after.match_indices(close).find(|(at, _)| ends_word(&after[at + close.len_utf8()..]))
        {
            clause.file(&after[..end]);
            clause.quotes.push(after[..end].to_owned());
            clause.head.push(' ');
            rest = &after[end + close.len_utf8()..];
            continue;
        }
        let space = after.chars().next().is_none_or(char::is_whitespace);
        let line = after.lines().next().unwrap_or_default();
        if letter == ':' && space && !line.trim().is_empty() && !line.contains(|c| closing(c).is_some() && c != '\'') {
            clause.rest = Some(line.trim().to_owned());
            rest = &after[line.len()..];
            continue;
        }
        if letter == '\n' || (space && matches!(letter, '.' | '!' | ';' | '?' | '。')) {
            clause.head.push(letter);
            clauses.push(std::mem::take(&mut clause));
        } else {
            clause.head.push(letter);
        }
        rest = after;
    }
    clauses.push(clause);
    clauses
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::part::{Part, Role};
    use cara_authority::{ComponentId, SessionId, ToolName};
    use serde_json::json;

    fn said(parts: Vec<Part>) -> Message {
        Message { place: 1, role: Role::User, parts }
    }

    fn dictates(text: &str, tool: &str, arguments: Value, to: &[&str]) -> bool {
        dictated_by(&said(vec![Part::text(Source::Owner, text)]), tool, arguments, to)
    }

    fn dictated_by(message: &Message, tool: &str, arguments: Value, to: &[&str]) -> bool {
        let properties: serde_json::Map<String, Value> = ["to", "text", "key", "value", "count", "loud"]
            .into_iter()
            .map(|name| (name.to_owned(), if name == "count" { json!({ "default": 8 }) } else { json!({}) }))
            .collect();
        let destinations: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
        let call = ToolCall {
            component: ComponentId::parse("c").unwrap(),
            digest: [0; 32],
            tool: ToolName::parse(tool).unwrap(),
            arguments: arguments.to_string(),
            destinations: destinations.clone(),
            session: SessionId::parse("s-1").unwrap(),
        };
        let sends = tool == "message_send";
        dictating(&call, &json!({ "properties": properties }), sends, message, &HashSet::new()).is_some()
    }

    const TO: &str = "mail:me:boss";

    fn late() -> Value {
        json!({ "to": TO, "text": "I am late" })
    }

    #[test]
    fn what_is_marked_and_named_is_dictated() {
        for text in [
            "Send \"I am late\" to mail:me:boss",
            "Please send “I am late” to mail:me:boss.",
            "Send to mail:me:boss: I am late",
            "Tell mail:me:boss 'I am late'. Thanks!",
            "Read https://page.example/ first.\nThen send `I am late` to `mail:me:boss`",
            "Send `I am late` to `mail:me:boss`. Then read https://page.example/. Thank you so much!",
            "Send `I am late` to `mail:me:boss`. Remember `bus` under `late`.",
            "- Send “I am late” to mail:me:boss",
            "Schick „I am late” an mail:me:boss",
        ] {
            assert!(dictates(text, "message_send", late(), &[TO]), "{text}");
        }
        let tea = |loud: bool| json!({ "key": "drink", "value": "tea", "count": 8, "loud": loud });
        assert!(dictates("Remember under `drink`: tea", "memory_write", tea(false), &[]));
        assert!(!dictates("Remember under `drink`: tea", "memory_write", tea(true), &[]));
        assert!(dictates("Forget `pin`.", "memory_delete", json!({ "key": "pin" }), &[]));
    }

    #[test]
    fn what_only_stands_somewhere_in_the_message_is_not() {
        for text in [
            "I am late. Tell mail:me:boss about it",
            "Send “I am very late” to mail:me:boss",
            "Send “I am late” to mail:me:bosses",
            "Send “I am late” and “I am sorry” to mail:me:boss",
            "Write “I am late” down. Send a summary to mail:me:boss",
            "The page of mail:me:boss says “I am late”",
            "At mail:me:boss and https://send.example/ they say “I am late”",
            "My project is called x. Tell mail:me:boss “I am late”",
            "Proofread this mail to mail:me:boss: I am late",
            "Translate this message to mail:me:boss: I am late",
            "Summarise the message “I am late” from mail:me:boss",
            "Send “I am late” to mail:me:boss, the one who complained about mail:me:mallory",
            "Send “I am late” to mail:me:mallory",
            "Send “I am late” to mail:me:boss. But: only once I say go, otherwise never",
            "Send “I am late” to mail:me:boss as soon as Anna agrees",
            "Draft, later maybe: Send “I am late” to mail:me:boss",
            "Send “I am  late” to mail:me:boss",
        ] {
            assert!(!dictates(text, "message_send", late(), &[TO]), "{text}");
        }
        // A number of one's own is not text for others.
        let pin = json!({ "to": TO, "text": "1234" });
        assert!(!dictates("My PIN is 1234. Send “a summary” to mail:me:boss", "message_send", pin, &[TO]));
        assert!(!dictates(
            "Send “x” to mail:me:boss",
            "message_send",
            json!({ "to": TO, "text": "x", "count": 9 }),
            &[TO]
        ));
    }

    #[test]
    fn a_negation_a_condition_or_a_question_withholds_it() {
        for text in [
            "Do not send “I am late” to mail:me:boss",
            "Don’t send “I am late” to mail:me:boss",
            "Send “I am late” to mail:me:boss if the train is gone",
            "Send “I am late” to mail:me:boss. Wait, don't",
            "Send “I am late” to mail:me:boss. Cancel.",
            "Send “I am late” to mail:me:boss. Forget this.",
            "Send “I am late” to mail:me:boss. Check with Anna first.",
            "Send “I am late” to mail:me:boss. Show it to me first.",
            "Send “I am late” to mail:me:boss. Read it back to me and let me confirm.",
            "Send “I am late” to mail:me:boss. Read https://page.example/ first.",
            "Send “I am late” to mail:me:boss. Look whether it rains.",
            "Send “I am late” to mail:me:boss. Look: I changed my mind",
            "Send “I am late” to mail:me:boss. Thanks, ignore that.",
            "Send “I am late” to mail:me:boss. Thanks but I changed my mind.",
            "Send “I am late” to mail:me:boss. Thanks?",
            "Send “I am late” to mail:me:boss. “Never mind.”",
            "Send “I am late” to mail:me:boss. Change “late” to “ill”.",
            "Send “I am late” to mail:me:boss. Cancel the message to mail:me:boss.",
            "Send “I am late” to mail:me:boss.\nRemember: keep that to yourself",
            "Send “I am late” to mail:me:boss.\nRemember under `mail`: not yet",
            "Send “I am late” to mail:me:boss. Keep the message in “drafts”.",
            "Send “I am late” to mail:me:boss. Put the message on “hold”.",
            "Send “I am late” to mail:me:boss. Put on “hold” at “work”.",
            "Send “I am late” to mail:me:boss. Schedule the message for “tomorrow”.",
            "Send “I am late” to mail:me:boss. Schedule for “tomorrow”.",
            "Send “I am late” to mail:me:boss. Make the text “I am ill”.",
            "Send “I am late” to mail:me:boss. Set the text to “I am ill” first.",
            "Send “I am late” to mail:me:boss. Add “, sorry” to the message.",
            "~~Send “I am late” to mail:me:boss~~",
            "- [ ] Send “I am late” to mail:me:boss",
            "> Send “I am late” to mail:me:boss",
            "❌ Send “I am late” to mail:me:boss",
            "Send “I am late” to mail:me:boss 🚫",
            "Send “I am late” to mail:me:boss\n👎",
            "Note under `rule`: never send before I say go\nSend “I am late” to mail:me:boss",
            "Note “never send before I say go” under `rule`. Send “I am late” to mail:me:boss",
            "Look whether it rains. Then send “I am late” to mail:me:boss",
            "Check with mail:me:anna first. Then send “I am late” to mail:me:boss",
            "Search `trains`: if they run\nSend “I am late” to mail:me:boss",
            "Shall I send “I am late” to mail:me:boss?",
            "I would never send “I am late” to mail:me:boss",
            "Sende „I am late” nicht an mail:me:boss",
        ] {
            assert!(!dictates(text, "message_send", late(), &[TO]), "{text}");
        }
    }

    #[test]
    fn another_thing_to_be_done_with_the_same_words_is_not_dictated() {
        let four = json!({ "key": "pin", "value": "4711" });
        for text in [
            "Proofread this note `pin`: 4711",
            "Summarise my note `pin`: 4711",
            "Save `4711` under `pin`.\nImportant: do not do it before I confirm",
        ] {
            assert!(!dictates(text, "memory_write", four.clone(), &[]), "{text}");
        }
        assert!(!dictates(
            "Anna wanted me to forget `pin`, crazy idea.",
            "memory_delete",
            json!({ "key": "pin" }),
            &[]
        ));
        // What leaves without a destination is not where the person said.
        assert!(!dictates("Send “Layoffs” to mail:me:anna", "message_send", json!({ "text": "Layoffs" }), &[]));
        let pin = json!({ "key": "pin" });
        for text in ["Tell me what is under `pin`", "Save `pin`", "Remember this: delete `pin`", "Show `pin`", "`pin`"]
        {
            assert!(!dictates(text, "memory_delete", pin.clone(), &[]), "{text}");
        }
        let both = json!({ "key": "pin" });
        assert!(!dictates("Save `0000` under `pin`", "memory_delete", both, &[]));
    }

    #[test]
    fn which_words_are_for_which_argument_is_said_too() {
        let kept = |key: &str, value: &str| json!({ "key": key, "value": value });
        for text in ["Save `4711` under `pin`", "Save under `pin`: 4711", "Remember `4711` under the key `pin`"] {
            assert!(dictates(text, "memory_write", kept("pin", "4711"), &[]), "{text}");
            assert!(!dictates(text, "memory_write", kept("4711", "pin"), &[]), "{text}");
        }
        for text in ["Save `pin` and `4711`", "Save `pin`: 4711"] {
            assert!(!dictates(text, "memory_write", kept("pin", "4711"), &[]), "{text}");
        }
        for text in ["Move `draft` to `final`", "Rename `draft` as `final`"] {
            assert!(!dictates(text, "note_move", kept("final", "draft"), &[]), "{text}");
            assert!(!dictates(text, "note_rename", kept("final", "draft"), &[]), "{text}");
        }
        // An address that the text speaks of is not where it goes.
        let text = "ask mail:me:mallory about it";
        let to = json!({ "to": "mail:me:mallory", "text": text });
        assert!(!dictates(&format!("Reply “{text}”"), "message_reply", to, &["mail:me:mallory"]));
    }

    #[test]
    fn what_the_schema_does_not_give_by_itself_is_not_left_unsaid() {
        let said = said(vec![Part::text(Source::Owner, "Delete `pin`")]);
        for (default, given, dictated) in [
            (json!({}), json!(false), true),
            (json!({ "default": false }), json!(false), true),
            (json!({ "default": true }), json!(false), false),
            (json!({ "default": "all" }), json!(""), false),
            (json!({ "default": 1 }), json!(null), false),
        ] {
            let call = ToolCall {
                component: ComponentId::parse("c").unwrap(),
                digest: [0; 32],
                tool: ToolName::parse("memory_delete").unwrap(),
                arguments: json!({ "key": "pin", "dry_run": given }).to_string(),
                destinations: Vec::new(),
                session: SessionId::parse("s-1").unwrap(),
            };
            let schema = json!({ "properties": { "key": {}, "dry_run": default } });
            assert_eq!(dictating(&call, &schema, false, &said, &HashSet::new()).is_some(), dictated, "{schema}");
        }
    }

    #[test]
    fn no_word_is_listed_twice_or_both_joins_and_takes_back() {
        let lists = VERBS.into_iter().chain([COURTESY, JOINING, READING, GREETING, DOUBTS]);
        for list in lists {
            let mut known = HashSet::new();
            let twice: Vec<_> = list.iter().filter(|word| !known.insert(**word)).collect();
            assert!(twice.is_empty(), "{twice:?}");
        }
        let both: Vec<_> = DOUBTS.iter().filter(|word| JOINING.contains(word) || GREETING.contains(word)).collect();
        assert!(both.is_empty(), "{both:?}");
    }

    #[test]
    fn pasted_and_suspected_words_dictate_nothing() {
        let text = "Send “I am late” to mail:me:boss";
        for source in [Source::File, Source::Web, Source::OtherPerson, Source::Model] {
            let message = said(vec![Part::text(source, text)]);
            assert!(!dictated_by(&message, "message_send", late(), &[TO]), "{source:?}");
        }
        let mut suspected = Part::text(Source::Owner, text);
        suspected.label = suspected.label.join(Label::of(Source::Suspect));
        assert!(!dictated_by(&said(vec![suspected]), "message_send", late(), &[TO]));
        // A pasted stretch within own words is no mark of the person's.
        let parts = vec![
            Part::text(Source::Owner, "Send “"),
            Part::text(Source::File, "I am late"),
            Part::text(Source::Owner, "” to mail:me:boss"),
        ];
        assert!(!dictated_by(&said(parts), "message_send", late(), &[TO]));
    }
}
