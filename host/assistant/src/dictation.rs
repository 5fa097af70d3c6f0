//! Whether the person dictated a call: said in this very message to do it.
//!
//! A message is taken apart into clauses; in a clause, what stands in quotes, or after a colon to the end of the line, is
//! marked. A call is dictated by a clause that names each destination, marks each other text of the arguments, marks
//! nothing else, and whose first word for something to be done fits the tool's name. Rejected: to count any words of the
//! message. "My PIN is 1234. Mail `a summary` to …" would then dictate a mail that says 1234.
//!
//! It is meant to say no too often. A negation, a condition or a question anywhere in the message withholds it: "do not
//! send `x` to `y`" names all that the call needs. Words for that are known in a few languages; what holds without them is
//! that nothing leaves or changes but what the person marked, and only to where they named, once.

use crate::part::{Body, Message};
use crate::standing::names;
use cara_authority::{Label, Source, ToolCall};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// Words for one kind of doing each. A tool belongs to the kinds that its name has a word of.
const VERBS: [&[&str]; 5] = [
    &[
        "send", "tell", "mail", "email", "message", "text", "post", "reply", "answer", "forward", "sende", "schick",
        "schicke", "schreib", "antworte", "envoie", "envoyez", "réponds", "envía", "manda", "responde", "invia",
        "rispondi", "stuur", "skicka", "svar",
    ],
    &[
        "write",
        "remember",
        "save",
        "store",
        "note",
        "keep",
        "put",
        "set",
        "merke",
        "speichere",
        "notiere",
        "retiens",
        "enregistre",
        "note",
        "recuerda",
        "guarda",
        "ricorda",
        "salva",
        "onthoud",
        "bewaar",
        "husk",
        "lagre",
        "spara",
    ],
    &[
        "delete",
        "forget",
        "remove",
        "erase",
        "clear",
        "drop",
        "cancel",
        "lösche",
        "vergiss",
        "entferne",
        "supprime",
        "oublie",
        "efface",
        "borra",
        "elimina",
        "olvida",
        "cancella",
        "dimentica",
        "verwijder",
        "vergeet",
        "slett",
        "glem",
        "radera",
    ],
    &[
        "create", "add", "book", "schedule", "make", "open", "erstelle", "füge", "buche", "crée", "ajoute", "crea",
        "añade",
    ],
    &["update", "change", "edit", "move", "rename", "ändere", "verschiebe", "modifie", "change", "cambia", "mueve"],
];

/// Words that take back, set a condition, or ask.
const DOUBTS: &[&str] = &[
    "not",
    "don't",
    "dont",
    "never",
    "no",
    "without",
    "unless",
    "if",
    "when",
    "until",
    "before",
    "after",
    "instead",
    "wait",
    "stop",
    "neither",
    "nor",
    "cannot",
    "can't",
    "won't",
    "shouldn't",
    "mustn't",
    "should",
    "would",
    "could",
    "may",
    "might",
    "nicht",
    "kein",
    "keine",
    "nie",
    "niemals",
    "ohne",
    "falls",
    "wenn",
    "bevor",
    "pas",
    "jamais",
    "sans",
    "si",
    "avant",
    "nunca",
    "sin",
    "antes",
    "non",
    "mai",
    "senza",
    "se",
    "prima",
    "niet",
    "geen",
    "nooit",
    "als",
    "ikke",
    "aldri",
    "inte",
    "hvis",
    "om",
    "não",
];

/// A piece of a message that is one wish.
#[derive(Debug, Default)]
struct Clause {
    /// What stands outside marks.
    head: String,
    /// What is marked.
    marks: Vec<String>,
}

/// Whether the message dictates the call. `input` is the schema of the arguments.
pub(crate) fn is_dictated(call: &ToolCall, destinations: &[String], input: &Value, message: &Message) -> bool {
    let owner = Label::of(Source::Owner);
    let own = message.parts.iter().filter(|part| part.label == owner && matches!(part.body, Body::Text { .. }));
    let text: String = own.map(|part| part.readable().nfkc().collect::<String>() + "\n").collect();
    let clauses = clauses(&text);
    let doubtful = |clause: &Clause| {
        clause.head.contains(['?', '¿', '？']) || words(&clause.head).any(|word| DOUBTS.contains(&word.as_str()))
    };
    if clauses.iter().any(doubtful) {
        return false;
    }
    let Ok(Value::Object(arguments)) = serde_json::from_str(&call.arguments) else { return false };
    let Some(leaves) = leaves(&arguments, destinations, input) else { return false };
    if leaves.is_empty() && destinations.is_empty() {
        return false;
    }
    clauses.iter().any(|clause| clause.dictates(call.tool.as_str(), destinations, &leaves))
}

impl Clause {
    fn dictates(&self, tool: &str, destinations: &[String], leaves: &[String]) -> bool {
        let is = |mark: &String, leaf: &String| folded(mark) == folded(leaf);
        let goes = |mark: &String| destinations.iter().any(|to| names(to, mark));
        fits(tool, &self.head)
            && destinations.iter().all(|to| names(to, &self.head) || self.marks.iter().any(|mark| names(to, mark)))
            && leaves.iter().all(|leaf| self.marks.iter().any(|mark| is(mark, leaf)))
            && self.marks.iter().all(|mark| goes(mark) || leaves.iter().any(|leaf| is(mark, leaf)))
    }
}

/// The texts and numbers of the arguments that the person must have said; none when something in them cannot be said.
/// What the schema gives by itself need not be: a default, a switch that is off.
fn leaves(arguments: &serde_json::Map<String, Value>, destinations: &[String], input: &Value) -> Option<Vec<String>> {
    let mut leaves = Vec::new();
    for (name, value) in arguments {
        let property = input.get("properties")?.get(name)?;
        if property.get("default") != Some(value) {
            collect(value, &mut leaves)?;
        }
    }
    leaves.retain(|leaf| !destinations.contains(leaf));
    Some(leaves)
}

fn collect(value: &Value, leaves: &mut Vec<String>) -> Option<()> {
    match value {
        Value::String(text) if text.is_empty() => Some(()),
        Value::String(text) => {
            leaves.push(text.clone());
            Some(())
        }
        Value::Number(number) => {
            leaves.push(number.to_string());
            Some(())
        }
        Value::Bool(false) | Value::Null => Some(()),
        // A switch that is on is a choice of its own, and nobody says it in words that could be compared.
        Value::Bool(true) => None,
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, leaves)),
        // Keys of objects within arguments are words too, and nobody says them.
        Value::Object(_) => None,
    }
}

/// Whether the first word of the clause for something to be done is one for what the tool is called.
fn fits(tool: &str, head: &str) -> bool {
    let kinds = |word: &str| VERBS.iter().map(|kind| kind.contains(&word)).collect::<Vec<bool>>();
    let mut named = vec![false; VERBS.len()];
    for word in tool.split(['_', '-']) {
        let word = word.to_lowercase();
        // The first part often names the thing: `message_send` sends, `note_delete` deletes.
        let of = kinds(&word);
        if of.contains(&true) {
            named = of;
        }
    }
    let first = words(head).map(|word| kinds(&word)).find(|kinds| kinds.contains(&true));
    first.is_some_and(|first| first.iter().zip(&named).any(|(said, named)| *said && *named))
}

/// The words of a text; what has marks within it, as addresses have, is none.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split_whitespace().map(|part| part.trim_matches(|c: char| !c.is_alphanumeric()));
    let is_word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "'’-".contains(c));
    parts.filter(is_word).flat_map(|part| part.split('-')).map(|word| word.to_lowercase().replace('’', "'"))
}

/// A text as it is compared: one Unicode form, one kind of white space.
fn folded(text: &str) -> String {
    let text: String = text.nfkc().collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
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
            clause.marks.push(after[..end].to_owned());
            clause.head.push(' ');
            rest = &after[end + close.len_utf8()..];
            continue;
        }
        let space = after.chars().next().is_none_or(char::is_whitespace);
        let line = after.lines().next().unwrap_or_default();
        if letter == ':' && space && !line.trim().is_empty() && !line.contains(|c| closing(c).is_some() && c != '\'') {
            clause.marks.push(line.trim().to_owned());
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
        is_dictated(&call, &destinations, &json!({ "properties": properties }), message)
    }

    const TO: &str = "mail:me:boss";

    fn late() -> Value {
        json!({ "to": TO, "text": "I am late" })
    }

    #[test]
    fn what_is_marked_and_named_is_dictated() {
        for text in [
            "Send \"I am late\" to mail:me:boss",
            "Please send “I am  late” to mail:me:boss.",
            "Send to mail:me:boss: I am late",
            "My project is called x. Tell mail:me:boss 'I am late'. Thanks!",
            "Read https://page.example/ first.\nThen send `I am late` to `mail:me:boss`",
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
            "Shall I send “I am late” to mail:me:boss?",
            "I would never send “I am late” to mail:me:boss",
            "Sende „I am late” nicht an mail:me:boss",
        ] {
            assert!(!dictates(text, "message_send", late(), &[TO]), "{text}");
        }
    }

    #[test]
    fn another_thing_to_be_done_with_the_same_words_is_not_dictated() {
        let pin = json!({ "key": "pin" });
        for text in ["Tell me what is under `pin`", "Save `pin`", "Remember this: delete `pin`", "Show `pin`", "`pin`"]
        {
            assert!(!dictates(text, "memory_delete", pin.clone(), &[]), "{text}");
        }
        let both = json!({ "key": "pin" });
        assert!(!dictates("Save `0000` under `pin`", "memory_delete", both, &[]));
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
