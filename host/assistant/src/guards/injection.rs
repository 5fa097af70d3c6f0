//! Examines text from strangers for attempts to steer the model.
//!
//! The rules are the table in `rules.toml`. A verdict is a hint for labels and the audit log: who depends on it has
//! already lost, since anybody can find words that are on no list.

use super::normal::{Disguise, View, is_invisible, views, windows};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

/// From this weight a text is suspicious.
const SUSPICIOUS: u32 = 5;
/// From this weight a text is hostile.
const HOSTILE: u32 = 10;
/// What it adds that a phrase was disguised.
const DISGUISED: u32 = 3;

/// What a text seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing worth a word was found.
    Clean,
    /// Something an attack would have, which other texts have as well.
    Suspicious,
    /// Several such things, or one that hardly anything else has.
    Hostile,
}

/// One rule that a text met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// What the text tries, for a person.
    pub what: &'static str,
    /// Where in the text, bytes.
    pub at: Range<usize>,
    /// Whether it was only seen after a disguise was undone.
    pub disguised: bool,
}

/// What came of an examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The first finding of each rule, in the order of the text.
    pub findings: Vec<Finding>,
    /// What they amount to.
    pub level: Level,
}

impl Level {
    /// Its name in labels and the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Suspicious => "suspicious",
            Self::Hostile => "hostile",
        }
    }
}

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

/// The patterns of one kind of view, each with its rule.
struct Patterns {
    set: RegexSet,
    each: Vec<Pattern>,
}

/// One pattern. By itself it only says where it was met, so it is compiled when it first is.
struct Pattern {
    rule: usize,
    source: String,
    regex: OnceLock<Regex>,
}

struct Rules {
    rules: Vec<Rule>,
    plain: Patterns,
    squashed: Patterns,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let table: Table =
        toml::from_str(include_str!("rules.toml")).expect("the table is read by every test of this file");
    let plain = Patterns::new(&table, false);
    let squashed = Patterns::new(&table, true);
    Rules { rules: table.rule, plain, squashed }
});

/// Compiles the rules.
pub(super) fn prepare() {
    LazyLock::force(&RULES);
}

impl Patterns {
    fn new(table: &Table, squashed: bool) -> Self {
        let rules = table.rule.iter().enumerate().filter(|(_, rule)| rule.squashed || !squashed);
        let sources: Vec<(usize, String)> = rules
            .flat_map(|(index, rule)| rule.patterns.iter().map(move |pattern| (index, pattern)))
            .map(|(index, pattern)| (index, expanded(pattern, &table.words, squashed)))
            .collect();
        let set = RegexSetBuilder::new(sources.iter().map(|(_, source)| source))
            .size_limit(64 << 20)
            .dfa_size_limit(16 << 20)
            .build()
            .expect("the table is compiled by every test of this file");
        let each = sources.into_iter().map(|(rule, source)| Pattern { rule, source, regex: OnceLock::new() }).collect();
        Self { set, each }
    }

    /// The rules that this view meets, with where.
    fn found<'a>(&'a self, view: &'a View) -> impl Iterator<Item = (usize, Range<usize>)> + 'a {
        self.set.matches(&view.text).into_iter().filter_map(|pattern| {
            let Pattern { rule, source, regex } = &self.each[pattern];
            let regex = regex.get_or_init(|| RegexBuilder::new(source).build().expect("it is part of the set"));
            Some((*rule, view.origin(regex.find(&view.text)?.range())))
        })
    }
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
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
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

/// What a text seems to try. Linear in its length.
pub fn examine(text: &str) -> Verdict {
    let rules = &*RULES;
    let mut met: BTreeMap<usize, Finding> = BTreeMap::new();
    for (start, window) in windows(text) {
        for view in views(window) {
            let patterns = if view.squashed { &rules.squashed } else { &rules.plain };
            for (rule, at) in patterns.found(&view) {
                let at = start + at.start..start + at.end;
                let disguised = view.disguise != Disguise::Plain;
                let (id, what) = (rules.rules[rule].id.as_str(), rules.rules[rule].what.as_str());
                met.entry(rule).or_insert(Finding { rule: id, what, at, disguised });
            }
        }
    }
    let mut weight: u32 = met.keys().map(|rule| rules.rules[*rule].weight).sum();
    if met.values().any(|finding| finding.disguised) {
        weight += DISGUISED;
    }
    let mut findings: Vec<Finding> = met.into_values().collect();
    if let Some((hidden, more)) = invisible(text) {
        weight += more;
        findings.push(hidden);
    }
    findings.sort_by_key(|finding| (finding.at.start, finding.rule));
    let level = match weight {
        HOSTILE.. => Level::Hostile,
        SUSPICIOUS.. => Level::Suspicious,
        _ => Level::Clean,
    };
    Verdict { findings, level }
}

/// Characters nobody sees, where no script or emoji needs them.
fn invisible(text: &str) -> Option<(Finding, u32)> {
    if text.is_ascii() {
        return None;
    }
    let (mut before, mut run, mut weight) = (' ', 0_u32, 0);
    let mut seen: Option<Range<usize>> = None;
    for (index, c) in text.char_indices() {
        let telling = match c {
            // A flag of a region is a black flag and tags.
            '\u{e0020}'..='\u{e007f}' => run > 0 || before != '\u{1f3f4}',
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => run > 0,
            '\u{202d}' | '\u{202e}' => true,
            '\u{ad}' => false,
            c => is_invisible(c) && before.is_ascii_alphabetic(),
        };
        if telling && before != '\u{1f3f4}' {
            run += 1;
            weight += if matches!(c, '\u{202d}' | '\u{202e}') { 4 } else { 2 };
            seen.get_or_insert(index..index).end = index + c.len_utf8();
        } else if !is_invisible(c) {
            run = 0;
        } else if matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}') {
            run += 1;
        }
        if !is_invisible(c) || before != '\u{1f3f4}' {
            before = if is_invisible(c) { before } else { c };
        }
    }
    let what = "hides characters in the text that nobody sees";
    seen.filter(|_| weight >= 4)
        .map(|at| (Finding { rule: "invisible-characters", what, at, disguised: true }, weight.min(6)))
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
