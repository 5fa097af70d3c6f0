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

#[cfg(test)]
mod tests;
mod words;

use self::words::{
    ASKING, COURTESY, DEFINITE, DOUBTS, FILING, GREETING, JOINING, KEYS, MOVING, READING, TAKING_BACK, VERBS,
};
use crate::part::{Body, Message};
use crate::provenance::names;
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
