//! What becomes of a tool call: it runs, a person is asked,
//! or it is denied; and which line says so.
//!
//! ```text
//! effects ─ defaults ─┐
//! operator's rules ───┼─→ Decision: then, and every line that spoke
//! labels of the run ──┘      deny > ask (labels) > most specific rule > defaults
//! ```

use crate::approval::ToolCall;
use crate::id::{ComponentId, PersonId, ToolName};
use crate::label::{Label, Source};
use crate::manifest::Effect;
use serde::{Deserialize, Serialize};
use std::fmt;

mod rules;
pub use rules::{Known, Rule, UnknownName};

/// How many links out of what it read a run may follow unasked. Which link is followed says a little about the
/// conversation; this bounds how much.
pub const FOLLOWED: u32 = 8;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It runs.
    Run,
    /// A person is asked.
    Ask,
    /// It does not run.
    Deny,
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::Ask => "ask",
            Self::Deny => "deny",
        })
    }
}

/// How the text of a destination came into the call, the best known first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The operator's configuration names it for private data.
    Named,
    /// The owner wrote it, letter by letter, in this session.
    Written,
    /// It stands, letter by letter, in what the run has read.
    Read,
    /// The model put it together.
    Made,
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The call.
    pub call: &'a ToolCall,
    /// What calls of the tool can do: [`crate::ToolAuthority::effects`].
    pub effects: &'a [Effect],
    /// The agent.
    pub agent: &'a str,
    /// The channel the session is on.
    pub channel: &'a str,
    /// Whose session it is.
    pub person: &'a PersonId,
    /// What the run has seen.
    pub seen: Label,
    /// How its destination came about, when there is one; of several the least known.
    pub standing: Option<Standing>,
    /// How many links the run has followed already.
    pub followed: u32,
}

/// A line that spoke on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its name: `default`, `policy.rule 3`, `label.untrusted`, …
    pub name: String,
    /// What it says.
    pub then: Then,
    /// Why, for a person.
    pub why: String,
}

/// Having a `Decision` tells you: the policy looked at exactly this call, with all the run had seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    call: ToolCall,
    then: Then,
    by_labels: bool,
    lines: Vec<Line>,
}

impl Decision {
    /// What becomes of the call.
    pub fn then(&self) -> Then {
        self.then
    }

    /// The lines that spoke; the first one decided.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether a stored rule of a person may answer in their place: not when the labels ask.
    pub fn may_be_answered_by_rule(&self) -> bool {
        self.then == Then::Ask && !self.by_labels
    }

    pub(crate) fn is_for(&self, call: &ToolCall) -> bool {
        self.call == *call
    }
}

/// The operator's policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Origins (`https://wiki.example.org`) and addresses that may be told private things unasked.
    pub private_destinations: Vec<String>,
    /// The rules; where several fit, the most specific one counts, and any that denies.
    pub rule: Vec<Rule>,
}

impl Policy {
    /// Decides on a call.
    pub fn decide(&self, situation: &Situation<'_>) -> Decision {
        let base = self.base(situation);
        let mut labels = label_lines(situation);
        let then = labels.iter().map(|line| line.then).chain([base.then]).max().unwrap_or(Then::Ask);
        let by_labels = !labels.is_empty();
        let lines = if base.then == Then::Deny || labels.is_empty() {
            std::iter::once(base).chain(labels).collect()
        } else {
            labels.push(base);
            labels
        };
        Decision { call: situation.call.clone(), then, by_labels, lines }
    }

    /// What rules and defaults say.
    fn base(&self, situation: &Situation<'_>) -> Line {
        let fitting = || self.rule.iter().enumerate().filter(|(_, rule)| rule.fits(situation));
        let line = |(index, rule): (usize, &Rule)| Line {
            name: format!("policy.rule {}", index + 1),
            then: rule.then,
            why: rule.to_string(),
        };
        if let Some(denying) = fitting().find(|(_, rule)| rule.then == Then::Deny) {
            return line(denying);
        }
        let best = fitting().max_by_key(|(index, rule)| (rule.specificity(), rule.then, usize::MAX - index));
        best.map_or_else(|| default_line(situation.effects), line)
    }

    /// Whether the operator named this destination for private data: an origin covers its URLs, an address itself.
    pub fn names(&self, destination: &str) -> bool {
        let origin = crate::Origin::parse(destination).ok();
        self.private_destinations.iter().any(|named| {
            named == destination
                || origin.as_ref().is_some_and(|origin| crate::Origin::parse(named).is_ok_and(|named| named == *origin))
        })
    }

    /// Finds a name that nothing has.
    pub fn check(&self, known: &Known<'_>) -> Result<(), UnknownName> {
        self.rule.iter().enumerate().try_for_each(|(index, rule)| rule.check(index + 1, known))
    }
}

/// Without a rule: reading runs, everything else is asked.
fn default_line(effects: &[Effect]) -> Line {
    let asked: Vec<&str> = effects.iter().filter(|effect| effect.reaches_out()).map(|effect| effect.name()).collect();
    let (then, why) = if asked.is_empty() {
        (Then::Run, "it only reads or computes".to_owned())
    } else {
        (Then::Ask, format!("its effects: {}", asked.join(", ")))
    };
    Line { name: "default".into(), then, why }
}

/// What the labels say, whatever the rules do.
fn label_lines(situation: &Situation<'_>) -> Vec<Line> {
    let Situation { effects, seen, standing, followed, .. } = *situation;
    let ask = |name: &str, why: String| Line { name: name.into(), then: Then::Ask, why };
    let mut lines = Vec::new();
    let acts: Vec<&str> = effects.iter().filter(|effect| effect.reaches_out()).map(|effect| effect.name()).collect();
    if seen.is_untrusted() && !acts.is_empty() {
        let why = format!("the run has seen {}, and this call {}", strangers(seen), acts.join(" and "));
        lines.push(ask("label.untrusted", why));
    }
    let trusted = matches!(standing, Some(Standing::Named | Standing::Written));
    let tells = standing.is_some() || effects.contains(&Effect::SendsOutside);
    if seen.is_private() && tells && !trusted {
        lines.push(ask(
            "label.private",
            "the run has seen private content, and nobody named this destination for it".into(),
        ));
    }
    if seen.is_untrusted() && standing == Some(Standing::Made) {
        let why = format!("the run has seen {}, and the destination is not one it read or was given", strangers(seen));
        lines.push(ask("label.destination", why));
    }
    if seen.is_untrusted() && standing == Some(Standing::Read) && followed >= FOLLOWED {
        lines.push(ask("label.followed", format!("the run has already followed {followed} links out of what it read")));
    }
    lines
}

/// The untrusted sources of a label, in words.
fn strangers(seen: Label) -> String {
    let word = |source| match source {
        Source::OtherPerson => "what another person wrote",
        Source::File => "a file",
        Source::Suspect => "text that reads like an attack",
        _ => "web content",
    };
    seen.sources().filter(|source| source.is_untrusted()).map(word).collect::<Vec<_>>().join(" and ")
}

/// What a call's result is labelled with, by what the call can do.
pub fn result_label(effects: &[Effect]) -> Label {
    let mut label = Label::of(Source::Tool);
    if effects.contains(&Effect::ReadsUntrusted) {
        label = label.join(Label::of(Source::Web));
    }
    if effects.contains(&Effect::ReadsPrivate) { label.private() } else { label }
}

/// The names a rule may use for a tool and its component.
pub(crate) fn is(wanted: Option<&str>, name: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == name)
}

impl Situation<'_> {
    pub(crate) fn names(&self) -> (&ComponentId, &ToolName) {
        (&self.call.component, &self.call.tool)
    }
}

#[cfg(test)]
mod tests;
