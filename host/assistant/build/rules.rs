//! The phrases of prompt injection, as regular expressions and as the words
//! that a text must have for one of them to match.

use regex_syntax::hir::{Hir, HirKind};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    words: BTreeMap<String, String>,
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: String,
    what: String,
    weight: u32,
    patterns: Vec<String>,
    /// Whether it is also looked for where everything between the letters was removed.
    #[serde(default)]
    squashed: bool,
}

/// The table as Rust.
pub(crate) fn written(text: &str) -> Result<String, Box<dyn Error>> {
    let table: Table = toml::from_str(text)?;
    let mut code = String::from("static RULES: &[Rule] = &[\n");
    for Rule { id, what, weight, .. } in &table.rule {
        writeln!(code, "Rule {{ id: {id:?}, what: {what:?}, weight: {weight} }},")?;
    }
    code.push_str("];\n");
    for (name, squashed) in [("PLAIN", false), ("SQUASHED", true)] {
        writeln!(code, "static {name}: &[Pattern] = &[")?;
        for (index, rule) in table.rule.iter().enumerate().filter(|(_, rule)| rule.squashed || !squashed) {
            for pattern in &rule.patterns {
                let source = expanded(pattern, &table.words, squashed);
                let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(&source)?;
                let words = required(&parsed).ok_or_else(|| format!("`{pattern}` can match without any word"))?;
                writeln!(code, "Pattern {{ rule: {index}, source: {source:?}, words: &{words:?} }},")?;
            }
        }
        code.push_str("];\n");
    }
    Ok(code)
}

/// What may stand between two words, and what is in one: small classes, so that the automaton stays small.
const GAP: &str = r"(?:[\x00-/:-@\[-`{-\x7f\u{a0}-\u{bf}\u{2000}-\u{206f}\u{3000}-\u{303f}]+)";
/// What may stand between two words where words have no ends.
const FILLER: &str = "(?:all|any|every|the|your|my|our|of|these|those|that|about|this|other|to|them|it|out)";
const WORD: &str = r"[a-z0-9_\u{80}-\u{10ffff}]";

/// A pattern of the table as a regular expression: `%name` stands for the words of that name, a space for what stands
/// between two words, `~` for up to the rest of a sentence.
fn expanded(pattern: &str, words: &BTreeMap<String, String>, squashed: bool) -> String {
    let mut text = pattern.to_owned();
    // Longer names first, so that none is taken for the beginning of another.
    let mut names: Vec<&String> = words.keys().collect();
    names.sort_by_key(|name| Reverse(name.len()));
    for name in names {
        text = text.replace(&format!("%{name}"), &format!("(?:{})", words[name]));
    }
    if squashed {
        let text = text.replace(r"\b", "").replace(r" \w+", FILLER).replace(r"\w+ ", FILLER);
        return text.replace(r"\w", "[a-z]").replace('~', "[a-z0-9]{0,24}?").replace(' ', "(?:)");
    }
    // Word boundaries of ASCII: those of Unicode would take the automaton away.
    text.replace(r"\b", r"(?-u:\b)").replace(r"\w", WORD).replace(' ', GAP).replace('~', r"[^.!?\n]*?")
}

/// Texts of which every match has at least one: of the parts that a match must have, the one that is found least.
fn required(expression: &Hir) -> Option<Vec<String>> {
    match expression.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok().map(|text| vec![text]),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Alternation(branches) => {
            let all: Option<Vec<Vec<String>>> = branches.iter().map(required).collect();
            all.map(|all| all.concat())
        }
        HirKind::Concat(parts) => parts.iter().filter_map(required).max_by_key(|words| {
            let shortest = words.iter().map(String::len).min().unwrap_or(0);
            (shortest.min(4), Reverse(words.len()))
        }),
        _ => None,
    }
}
