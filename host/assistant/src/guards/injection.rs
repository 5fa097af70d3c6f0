//! Examines text from strangers for attempts to steer the model.
//!
//! The rules are the table in `rules.toml`. A verdict is a hint for labels and the audit log: who depends on it has
//! already lost, since anybody can find words that are on no list.

use super::normal::{Disguise, View, is_invisible, views, windows};
use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
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

/// A rule of the table.
struct Rule {
    id: &'static str,
    what: &'static str,
    weight: u32,
}

/// A pattern of a rule.
struct Pattern {
    rule: usize,
    source: &'static str,
    /// Every text that it matches has at least one of these.
    words: &'static [&'static str],
}

// The build script makes RULES, PLAIN and SQUASHED of rules.toml.
include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// With fewer patterns in question, each is tried by itself; with more, all at once.
const FEW: usize = 8;

/// The patterns of one kind of view. Hardly any text has words of many, so hardly any has to be compiled.
struct Patterns {
    patterns: &'static [Pattern],
    words: AhoCorasick,
    /// The patterns of each word.
    wanted_by: Vec<Vec<usize>>,
    each: Vec<OnceLock<Regex>>,
    all: OnceLock<RegexSet>,
}

static KINDS: LazyLock<[Patterns; 2]> = LazyLock::new(|| [Patterns::new(PLAIN), Patterns::new(SQUASHED)]);

/// Compiles what texts with many suspicious words need.
pub(super) fn prepare() {
    for kind in &*KINDS {
        kind.all();
    }
}

impl Patterns {
    fn new(patterns: &'static [Pattern]) -> Self {
        let mut words: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, pattern) in patterns.iter().enumerate() {
            for word in pattern.words {
                words.entry(word).or_default().push(index);
            }
        }
        let automaton = AhoCorasick::new(words.keys()).expect("the words are compiled by every test of this file");
        let each = patterns.iter().map(|_| OnceLock::new()).collect();
        let wanted_by = words.into_values().collect();
        Self { patterns, words: automaton, wanted_by, each, all: OnceLock::new() }
    }

    /// The patterns that could match a text, by the words in it.
    fn in_question(&self, text: &str) -> Vec<usize> {
        let mut found = vec![false; self.patterns.len()];
        let mut seen = vec![false; self.wanted_by.len()];
        for word in self.words.find_overlapping_iter(text) {
            let word = word.pattern().as_usize();
            if !std::mem::replace(&mut seen[word], true) {
                self.wanted_by[word].iter().for_each(|&pattern| found[pattern] = true);
            }
        }
        (0..found.len()).filter(|&pattern| found[pattern]).collect()
    }

    fn all(&self) -> &RegexSet {
        self.all.get_or_init(|| {
            RegexSetBuilder::new(self.patterns.iter().map(|pattern| pattern.source))
                .size_limit(64 << 20)
                .dfa_size_limit(16 << 20)
                .build()
                .expect("the table is compiled by every test of this file")
        })
    }

    /// The rules that this view meets, with where.
    fn found(&self, view: &View) -> Vec<(usize, Range<usize>)> {
        let mut patterns = self.in_question(&view.text);
        if patterns.len() > FEW {
            patterns = self.all().matches(&view.text).into_iter().collect();
        }
        let met = patterns.into_iter().filter_map(|index| {
            let source = self.patterns[index].source;
            let regex = self.each[index]
                .get_or_init(|| RegexBuilder::new(source).build().expect("it was parsed when this was built"));
            Some((self.patterns[index].rule, view.origin(regex.find(&view.text)?.range())))
        });
        met.collect()
    }
}

/// What a text seems to try. Linear in its length.
pub fn examine(text: &str) -> Verdict {
    let [plain, squashed] = &*KINDS;
    let mut met: BTreeMap<usize, Finding> = BTreeMap::new();
    for (start, window) in windows(text) {
        for view in views(window) {
            let patterns = if view.squashed { squashed } else { plain };
            for (rule, at) in patterns.found(&view) {
                let at = start + at.start..start + at.end;
                let disguised = view.disguise != Disguise::Plain;
                let Rule { id, what, .. } = RULES[rule];
                met.entry(rule).or_insert(Finding { rule: id, what, at, disguised });
            }
        }
    }
    let mut weight: u32 = met.keys().map(|rule| RULES[*rule].weight).sum();
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
