//! What members and guests may use: which agent answers them, which models
//! and which tools.

use crate::error::{Error, Result, error};
use crate::names::AGENT;
use cara_assistant::ModelName;
use cara_assistant::toolbox::Offered;
use cara_authority::{ComponentId, PersonRole};
use schemars::JsonSchema;
use serde::Deserialize;

/// What may be used, by role. The owner may use everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct RolesConfig {
    /// What members may use.
    pub(crate) member: Rights,
    /// What guests may use, and whoever is not known.
    pub(crate) guest: Rights,
}

/// What a role may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Rights {
    /// The agent that answers; that of `[chat]` unless set.
    pub(crate) agent: Option<String>,
    /// The models that may answer, as `provider:model`, or `provider` for all of one; every model unless set. The first one
    /// answers where the agent has none of them.
    pub(crate) models: Option<Vec<ModelName>>,
    /// The tools that may be called, as `component__tool`, or `component` for all of one. Unless set, every tool for members
    /// and none for guests.
    pub(crate) tools: Option<Vec<String>>,
}

impl RolesConfig {
    /// What somebody with this role may use; whoever is not known is a guest.
    pub(crate) fn of(&self, role: Option<PersonRole>) -> Rights {
        match role {
            Some(PersonRole::Owner) => Rights::default(),
            Some(PersonRole::Member) => self.member.clone(),
            Some(PersonRole::Guest) | None => {
                let tools = self.guest.tools.clone().unwrap_or_default();
                Rights { tools: Some(tools), ..self.guest.clone() }
            }
        }
    }

    /// The rights with the key of their table, in which names are looked for.
    pub(crate) fn all(&self) -> [(&'static str, &Rights); 2] {
        [("role.member", &self.member), ("role.guest", &self.guest)]
    }
}

impl Rights {
    /// The agent that answers, where the conversation's own would be this one.
    pub(crate) fn agent<'a>(&'a self, of_chat: Option<&'a str>) -> &'a str {
        self.agent.as_deref().or(of_chat).unwrap_or(AGENT)
    }

    /// Whether no tool may be called.
    pub(crate) fn have_no_tools(&self) -> bool {
        self.tools.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether this model may answer.
    pub(crate) fn permit_model(&self, component: &ComponentId, model: Option<&str>) -> bool {
        let is =
            |name: &ModelName| name.component == *component && (name.model.is_none() || name.model.as_deref() == model);
        self.models.as_ref().is_none_or(|models| models.iter().any(is))
    }

    /// The model that answers, of the one that the configuration names; nothing where any may be found.
    pub(crate) fn model(&self, named: Option<&ModelName>) -> Result<Option<ModelName>> {
        match named.filter(|name| self.permit_model(&name.component, name.model.as_deref())) {
            Some(name) => Ok(Some(name.clone())),
            None => match &self.models {
                None => Ok(None),
                Some(models) => Ok(Some(models.first().ok_or_else(no_model)?.clone())),
            },
        }
    }

    /// Whether this tool may be called.
    pub(crate) fn permit_tool(&self, offered: &Offered) -> bool {
        let of = offered.component.id().as_str();
        let full = offered.full_name();
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|name| name == of || name == full.as_str()))
    }
}

fn no_model() -> Error {
    error!(
        Refused,
        "no model may answer this role\nhint: `models` in `[role.member]` and `[role.guest]` names those that may"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(text: &str) -> ModelName {
        text.parse().unwrap()
    }

    #[test]
    fn a_role_has_what_the_configuration_says_and_guests_no_tools_unless_it_does() {
        let roles: RolesConfig =
            toml::from_str("[member]\nmodels = ['local', 'cloud:small']\n[guest]\nagent = 'porter'\ntools = ['time']")
                .unwrap();
        assert_eq!(roles.of(Some(PersonRole::Owner)), Rights::default());
        let (member, guest) = (roles.of(Some(PersonRole::Member)), roles.of(None));
        assert_eq!(guest, roles.of(Some(PersonRole::Guest)));
        assert_eq!(
            (member.agent(Some("clerk")), guest.agent(Some("clerk")), member.agent(None)),
            ("clerk", "porter", AGENT)
        );
        assert!(!member.have_no_tools() && !guest.have_no_tools());
        assert!(RolesConfig::default().of(None).have_no_tools());
        // A model that may answer stays; in place of another one the first that may answers.
        for (named, answers) in
            [("local:x", "local:x"), ("cloud:small", "cloud:small"), ("cloud:large", "local"), ("cloud", "local")]
        {
            assert_eq!(member.model(Some(&name(named))).unwrap(), Some(name(answers)), "{named}");
        }
        assert_eq!(guest.model(None).unwrap(), None);
        assert!(Rights { models: Some(Vec::new()), ..Rights::default() }.model(Some(&name("local"))).is_err());
        for bad in ["[owner]\ntools = []", "[guest]\ntool = ['time']", "[member]\nmodels = ['A b']"] {
            assert!(toml::from_str::<RolesConfig>(bad).is_err(), "{bad}");
        }
    }
}
