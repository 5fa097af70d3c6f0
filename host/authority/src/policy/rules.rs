//! The operator's rules: to whom and what each applies, and which one counts.

use super::{Action, Situation};
use crate::effect::Effect;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A rule; what it leaves out does not matter to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// The tool, by its own name or its full one. Where several components have tools of one name, that name lets none
    /// run unless `component` says whose is meant; it still asks about all of them, or denies them.
    pub tool: Option<String>,
    /// The component whose tools are meant.
    pub component: Option<String>,
    /// An effect that calls of the tool can have.
    pub effect: Option<Effect>,
    /// The agent.
    pub agent: Option<String>,
    /// The channel the session is on.
    pub channel: Option<String>,
    /// The immutable id of the person the session belongs to.
    pub sender: Option<String>,
    /// What becomes of the call.
    #[serde(deserialize_with = "action")]
    pub then: Action,
}

/// The word of an action. `run`, which old homes have in what they stored, is none in the configuration.
fn action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
    let word = String::deserialize(deserializer)?;
    if word == "run" {
        return Err(serde::de::Error::custom("`run` is no action\nhint: write `then = \"allow\"`"));
    }
    Action::try_from(word).map_err(serde::de::Error::custom)
}

/// The names that exist.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Tools of installed components.
    pub tools: &'a [String],
    /// Installed components.
    pub components: &'a [String],
    /// Configured agents.
    pub agents: &'a [String],
    /// Channels there are.
    pub channels: &'a [String],
}

/// A rule names what does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} of the policy names the {what} `{name}`, which does not exist\nhint: there are {known}")]
pub struct UnknownName {
    rule: usize,
    what: &'static str,
    name: String,
    known: String,
}

impl Rule {
    pub(super) fn fits(&self, situation: &Situation<'_>) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        let call = situation.call;
        let by_own_name = !situation.unclear || self.component.is_some() || self.then != Action::Allow;
        (is(&self.tool, situation.full_name.as_str()) || by_own_name && is(&self.tool, call.tool.as_str()))
            && is(&self.component, call.component.as_str())
            && self.effect.is_none_or(|effect| situation.effects.contains(&effect))
            && is(&self.agent, situation.agent)
            && is(&self.channel, situation.channel)
            && is(&self.sender, situation.person.as_str())
    }

    /// More specific first: sender, channel, agent, tool, component, effect.
    pub(super) fn specificity(&self) -> [bool; 6] {
        [
            self.sender.is_some(),
            self.channel.is_some(),
            self.agent.is_some(),
            self.tool.is_some(),
            self.component.is_some(),
            self.effect.is_some(),
        ]
    }

    pub(super) fn check(&self, rule: usize, known: &Known<'_>) -> Result<(), UnknownName> {
        for (what, name, known) in [
            ("tool", &self.tool, known.tools),
            ("component", &self.component, known.components),
            ("agent", &self.agent, known.agents),
            ("channel", &self.channel, known.channels),
        ] {
            if let Some(name) = name.as_ref().filter(|name| !known.contains(name)) {
                let name = crate::display_safe(name);
                let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none".into() } else { known };
                return Err(UnknownName { rule, what, name, known });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = self.effect.map(|effect| effect.name().to_owned());
        let conditions = [
            ("tool", &self.tool),
            ("component", &self.component),
            ("effect", &effect),
            ("agent", &self.agent),
            ("channel", &self.channel),
            ("sender", &self.sender),
        ];
        let said = conditions.iter().filter_map(|(key, value)| Some(format!("{key} = `{}`", value.as_ref()?)));
        let said: Vec<String> = said.collect();
        write!(f, "{}: {}", if said.is_empty() { "everything".into() } else { said.join(", ") }, self.then)
    }
}
