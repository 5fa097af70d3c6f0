//! What becomes of a tool call: it runs, a person is asked,
//! or it is denied; and which line says so.
//!
//! ```text
//! effects ─ defaults ─┐
//! operator's rules ───┼─→ Decision: then, and every line that spoke
//! labels of the run ──┘      deny > ask (labels) > most specific rule > defaults
//! ```

use crate::effect::Effect;
use crate::id::{PersonId, ToolName};
use crate::label::{Label, Source};
use crate::provenance::Provenance;
use crate::tool_call::ToolCall;
use serde::{Deserialize, Serialize};

mod rules;
pub use rules::{Known, Rule, UnknownName};

/// What links out of what was read, and queries, may tell unasked, bits in a session. Which of some links is followed says
/// as much as it takes to choose among them; a person who is asked and says yes allows as much again.
pub const FOLLOWED: u64 = 120;

/// What the operator knows of the results of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Results {
    /// Strangers may have chosen the words.
    Untrusted,
    /// Nobody but the component has.
    Trusted,
    /// Only the person's own things are in them.
    Private,
}

crate::words! {
    /// What becomes of a call.
    Action {
        /// The call runs.
        Allow = "allow",
        /// A person is asked.
        Ask = "ask",
        /// The call does not run.
        Deny = "deny",
    }
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The call.
    pub call: &'a ToolCall,
    /// The name that says whose tool it is, which no other component's tool has.
    pub full_name: &'a ToolName,
    /// Whether the tool's own name does not say whose tool is meant: another component has one of that name, or could
    /// come in the place of the one that has it, since it is not built in.
    pub unclear: bool,
    /// What calls of the tool can do: [`crate::ToolAuthority::effects`].
    pub effects: &'a [Effect],
    /// The agent.
    pub agent: &'a str,
    /// The channel the session is on.
    pub channel: &'a str,
    /// Whose session it is.
    pub person: &'a PersonId,
    /// What the run has seen.
    pub seen: &'a Label,
    /// How its destination came about, when there is one; of several the least known.
    pub provenance: Option<Provenance>,
    /// What links and queries may have told in this session, this call included, bits; 0 where it tells nothing so.
    pub followed: u64,
    /// Whether the person's message dictates exactly this call.
    pub dictated: bool,
    /// Whether it hands words that are not the person's to a server of the operator's choice, as a search does, and no
    /// person has allowed that in this run.
    pub queries: bool,
}

/// The name of the line about links and queries that tell too much.
pub const LABEL_FOLLOWED: &str = "label.followed";
/// The name of the line about queries after private content.
pub const LABEL_QUERY: &str = "label.query";

/// A line that spoke on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    /// Its name: `default`, `policy.rule 3`, `label.untrusted`, …
    pub name: String,
    /// The action that the rule demands.
    pub then: Action,
    /// Why, for a person.
    pub why: String,
}

/// Having a `Decision` tells you: the policy looked at exactly this call, with all the run had seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    call: ToolCall,
    then: Action,
    by_labels: bool,
    lines: Vec<Line>,
}

impl Decision {
    /// What becomes of the call.
    pub fn then(&self) -> Action {
        self.then
    }

    /// The lines that spoke; the first one decided.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether a stored rule of a person may answer in their place: not when the labels ask.
    pub fn may_be_answered_by_rule(&self) -> bool {
        self.then == Action::Ask && !self.by_labels
    }

    pub(crate) fn is_for(&self, call: &ToolCall) -> bool {
        self.call == *call
    }
}

/// The operator's policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
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
        let then = labels.iter().map(|line| line.then).chain([base.then]).max().unwrap_or(Action::Ask);
        let by_labels = !labels.is_empty();
        let lines = if base.then == Action::Deny || labels.is_empty() {
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
        if let Some(denying) = fitting().find(|(_, rule)| rule.then == Action::Deny) {
            return line(denying);
        }
        let best = fitting().max_by_key(|(index, rule)| (rule.specificity(), rule.then, usize::MAX - index));
        best.map_or_else(|| default_line(situation), line)
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

/// Without a rule: reading runs, and what the person dictated; everything else is asked. What costs money or runs code is
/// asked all the same.
fn default_line(situation: &Situation<'_>) -> Line {
    let acts = || situation.effects.iter().filter(|effect| effect.reaches_out());
    let asked: Vec<&str> = acts().map(|effect| effect.name()).collect();
    let grave = is_grave(situation.effects);
    let (then, why) = if asked.is_empty() {
        (Action::Allow, "it only reads or computes".to_owned())
    } else if situation.dictated && !grave {
        (Action::Allow, "the person dictated it word for word".to_owned())
    } else {
        (Action::Ask, format!("its effects: {}", asked.join(", ")))
    };
    Line { name: "default".into(), then, why }
}

/// Whether it spends money or runs code: words alone never stand for a question about that.
fn is_grave(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Spends | Effect::RunsCode))
}

/// What the labels say, whatever the rules do.
fn label_lines(situation: &Situation<'_>) -> Vec<Line> {
    let Situation { effects, seen, person, provenance, followed, dictated, queries, .. } = *situation;
    let ask = |name: &str, why: String| Line { name: name.into(), then: Action::Ask, why };
    let mut lines = Vec::new();
    // All that would leave or change stands in the person's own words.
    if dictated && !is_grave(effects) {
        return lines;
    }
    let acts: Vec<&str> = effects.iter().filter(|effect| effect.reaches_out()).map(|effect| effect.name()).collect();
    if seen.is_untrusted() && !acts.is_empty() {
        let why = format!("the run has seen {}, and this call {}", strangers(seen), acts.join(" and "));
        lines.push(ask("label.untrusted", why));
    }
    // What is somebody else's goes nowhere because the person of the session names a place.
    let own = seen.people().iter().all(|of| of == person);
    let trusted = provenance == Some(Provenance::Configured) || provenance == Some(Provenance::Owner) && own;
    let tells = provenance.is_some() || effects.contains(&Effect::SendsOutside);
    if seen.is_private() && tells && !trusted {
        lines.push(ask(
            "label.private",
            "the run has seen private content, and nobody named this destination for it".into(),
        ));
    }
    if seen.is_untrusted() && provenance == Some(Provenance::Model) {
        let why = format!("the run has seen {}, and the destination is not one it read or was given", strangers(seen));
        lines.push(ask("label.destination", why));
    }
    if seen.is_untrusted() && followed > FOLLOWED {
        let why =
            format!("links that were followed and queries tell {followed} bits of this conversation, over {FOLLOWED}");
        lines.push(ask(LABEL_FOLLOWED, why));
    }
    if seen.is_untrusted() && seen.is_private() && queries {
        let why =
            format!("the run has seen private content and {}; a yes holds for its later queries", strangers(seen));
        lines.push(ask(LABEL_QUERY, why));
    }
    lines
}

/// The untrusted sources of a label, in words.
fn strangers(seen: &Label) -> String {
    let word = |source| match source {
        Source::OtherPerson => "what another person wrote",
        Source::File => "a file",
        Source::Suspect => "text that reads like an attack",
        Source::Component => "what an untrusted component answered",
        Source::Program => "what a program put together",
        _ => "web content",
    };
    seen.sources().filter(|source| source.is_untrusted()).map(word).collect::<Vec<_>>().join(" and ")
}

/// What a call's result is labelled with. `believed`: the operator trusts the component to say what its results are; of a
/// call that reaches out, they are strangers' words all the same. What is `known` of this tool counts before both.
pub fn result_label(effects: &[Effect], reaches_out: bool, believed: bool, known: Option<Results>) -> Label {
    let strangers = reaches_out || effects.contains(&Effect::ReadsUntrusted);
    let sources = match known {
        Some(Results::Trusted | Results::Private) => Label::NONE,
        Some(Results::Untrusted) | None if strangers => Label::of(Source::Web),
        None if believed => Label::NONE,
        Some(Results::Untrusted) | None => Label::of(Source::Component),
    };
    let label = Label::of(Source::Tool).join(&sources);
    let private = known == Some(Results::Private) || effects.contains(&Effect::ReadsPrivate);
    if private { label.private() } else { label }
}

#[cfg(test)]
mod tests;
