//! What would become of a call, and why.

use crate::application::Application;
use crate::approvals::terms;
use crate::assistant_factory;
use crate::error::{Error, ErrorKind, Result, error, fail};
use crate::event::Events;
use crate::messages;
use crate::names::{AGENT, CONSOLE};
use crate::operation::{Operation, Route};
use crate::tools;
use cara_assistant::Toolbox;
use cara_assistant::approvals::covers;
use cara_assistant::provenance::Sources;
use cara_assistant::toolbox::full_name;
use cara_authority::manifest::{Effect, Tool};
use cara_authority::policy::{FOLLOWED, LABEL_FOLLOWED, LABEL_QUERY, Line, Rule};
use cara_authority::{
    Action, Decision, Grants, Label, PersonId, Principal, Provenance, SessionId, Situation, ToolAuthority, ToolCall,
    ToolName, display_safe,
};
use cara_kernel::Checked;
use cara_records::StoredRule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Explains the policy's decision for a call.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExplainPolicy {
    /// The tool.
    pub tool: ToolName,
    /// The arguments, JSON; checked like those of a model.
    #[serde(default)]
    pub arguments: Option<String>,
    /// What the run has seen.
    pub seen: Label,
    /// The agent; `main` when left out.
    #[serde(default)]
    pub agent: Option<String>,
    /// The channel; `console` when left out.
    #[serde(default)]
    pub channel: Option<String>,
    /// Whose conversation it is; the owner's when left out.
    #[serde(default)]
    pub sender: Option<PersonId>,
    /// How the destination came about; as the configuration says when left out.
    #[serde(default)]
    pub provenance: Option<Provenance>,
}

/// A decision, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ExplainedPolicy {
    /// The tool.
    pub tool: ToolName,
    /// The component whose it is.
    pub component: String,
    /// The arguments, canonical.
    pub arguments: Option<String>,
    /// Where data would go.
    pub destinations: Vec<String>,
    /// How the destination came about.
    pub provenance: Option<Provenance>,
    /// What the run has seen.
    pub seen: Label,
    /// What would become of the call.
    pub then: Action,
    /// The lines that spoke; the first one decided.
    pub lines: Vec<Line>,
    /// The stored rule that would answer.
    pub stored_rule: Option<String>,
    /// Stored rules that would answer in their session.
    pub stored_rules_of_sessions: Vec<String>,
    /// Whether a model is offered the tool.
    pub offered: bool,
}

impl Operation for ExplainPolicy {
    type View = ExplainedPolicy;
    const ROUTE: Route =
        Route::post("policy.explain", "/control/v1/policy/explain", "Explain the policy's decision for a call.")
            .reading();

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        let asked = &self;
        ready(application, events)?;
        let (checked, own) = offering(application, &asked.tool)?;
        let (agent, channel) = named(application, asked)?;
        let (tool, call) = call(application, &checked, asked, &own).await?;
        let authority = checked.authority().tool(&tool.name);
        let effects = authority.map(ToolAuthority::effects).unwrap_or_default();
        let has_destination = !tool.destination.is_empty();
        let config = application.config()?;
        let of = |to: &String| Sources::default().find(to, &config.policy).provenance;
        let provenance = match asked.provenance {
            Some(named) => Some(named),
            None if asked.arguments.is_some() => call.destinations.iter().map(of).max(),
            None => has_destination.then_some(Provenance::Model),
        };
        if asked.provenance.is_some() && !has_destination {
            fail!(Invalid, "tool `{}` has no destination\nhint: leave `--provenance` out", asked.tool);
        }
        let person = asked.sender.clone().unwrap_or_else(PersonId::owner);
        let signer = application.plugins.signer(&checked);
        let decision = config.policy.decide(&Situation {
            call: &call,
            full_name: &full_name(&call.component, &call.tool),
            unclear: application.plugins.is_unclear(&*application.installed()?, &checked, &call.tool),
            effects: &effects,
            agent,
            channel,
            person: &person,
            seen: &asked.seen,
            provenance,
            followed: 0,
            dictated: false,
            queries: false,
        });
        let (stored, in_sessions) =
            stored_rules(application, &decision, &call, (&signer, &person), asked.arguments.is_some()).await?;
        let told = |rule: &StoredRule| format!("{}: {}", rule.id, terms(rule));
        Ok(ExplainedPolicy {
            tool: asked.tool.clone(),
            component: checked.manifest().id().to_string(),
            arguments: asked.arguments.is_some().then(|| call.arguments.clone()),
            destinations: call.destinations.clone(),
            provenance,
            seen: asked.seen.clone(),
            then: if stored.is_some() { Action::Allow } else { decision.then() },
            lines: decision.lines().to_vec(),
            stored_rule: stored.as_ref().map(told),
            stored_rules_of_sessions: in_sessions.iter().map(told).collect(),
            offered: tools::is_on(application, &checked).await?,
        })
    }
}

/// Refuses what is wrong in the configuration, and says what does not work as written.
fn ready(application: &Application, events: &Events) -> Result<()> {
    application.check_components()?;
    application.check_policy()?;
    assistant_factory::say_unclear(application, &*application.config()?, &*application.installed()?, events);
    Ok(())
}

/// The component whose tool it is, and the tool's own name. A full name says which of several is meant.
fn offering(application: &Application, tool: &ToolName) -> Result<(Arc<Checked>, ToolName)> {
    let installed = application.installed()?;
    let mut all: Vec<(&Arc<Checked>, &ToolName)> = Vec::new();
    for checked in installed.usable.values() {
        all.extend(checked.manifest().tools().iter().map(|tool| (checked, &tool.name)));
    }
    let full = all.iter().find(|(checked, name)| full_name(checked.manifest().id(), name) == *tool);
    let own: Vec<_> = all.iter().filter(|(_, name)| *name == tool).collect();
    match (full, &own[..]) {
        (Some((checked, name)), _) | (None, [(checked, name)]) => Ok(((*checked).clone(), (*name).clone())),
        (None, []) => {
            let component = installed.usable.values().find(|checked| checked.manifest().id().as_str() == tool.as_str());
            let tools = component.map(|checked| checked.manifest().tools()).unwrap_or_default();
            let names: Vec<String> = tools.iter().map(|tool| format!("`{}`", tool.name)).collect();
            match &names[..] {
                [] => {
                    fail!(NotFound, "no installed component offers a tool `{tool}`\nhint: `cara tools list` shows them")
                }
                [only] => fail!(NotFound, "`{tool}` is a component\nhint: its tool is {only}"),
                _ => fail!(NotFound, "`{tool}` is a component\nhint: its tools are {}", names.join(", ")),
            }
        }
        (None, [(one, _), ..]) => fail!(
            Invalid,
            "{} components offer a tool `{tool}`\nhint: say which, as in `{}`",
            own.len(),
            full_name(one.manifest().id(), tool)
        ),
    }
}

/// Agent and channel; those that do not exist are errors, as they are in rules.
fn named<'a>(application: &Application, asked: &'a ExplainPolicy) -> Result<(&'a str, &'a str)> {
    let config = application.config()?;
    let agent = asked.agent.as_deref().unwrap_or(AGENT);
    if agent != AGENT && !config.agent.contains_key(agent) {
        let known: Vec<&str> = std::iter::once(AGENT).chain(config.agent.keys().map(String::as_str)).collect();
        fail!(NotFound, "there is no agent `{}`\nhint: there are {}", display_safe(agent), known.join(", "));
    }
    let (channel, channels) = (asked.channel.as_deref().unwrap_or(CONSOLE), messages::channels(&config));
    if channel != CONSOLE && !channels.iter().any(|known| known == channel) {
        fail!(NotFound, "there is no channel `{}`\nhint: there are {}", display_safe(channel), channels.join(", "));
    }
    Ok((agent, channel))
}

/// The tool, and the call as it would be made: read by the same code that reads a model's.
async fn call(
    application: &Application,
    checked: &Arc<Checked>,
    asked: &ExplainPolicy,
    own: &ToolName,
) -> Result<(Tool, ToolCall)> {
    let (manifest, id) = (checked.manifest(), checked.manifest().id());
    let session = SessionId::parse("s-explained")?;
    let none = || error!(NotFound, "component `{id}` has no tool `{own}`");
    let Some(text) = &asked.arguments else {
        let tool = manifest.tools().iter().find(|tool| tool.name == *own).ok_or_else(none)?.clone();
        let call = ToolCall {
            component: id.clone(),
            digest: *checked.package().digest().as_bytes(),
            tool: tool.name.clone(),
            arguments: "{}".into(),
            destinations: Vec::new(),
            servers: Vec::new(),
            session,
        };
        return Ok((tool, call));
    };
    let settings = application.setting_sources()?.asking(checked, &BTreeMap::new())?;
    let grants = Grants::intersect(manifest, checked.interfaces(), &[], settings, &Default::default());
    let mut toolbox = Toolbox::default();
    toolbox.add(&application.component(id).await?, &Arc::new(grants), &Default::default())?;
    let (_, offered) = toolbox.of(id, own).ok_or_else(none)?;
    let call = offered.read(text, &session).map_err(|error| {
        let error = Error::from(error).kind(ErrorKind::Invalid);
        let cure = || format!("write them as JSON, in quotes for the shell; `cara plugin inspect {id}` shows the tool");
        Error { hint: error.hint.clone().or_else(|| Some(cure())), ..error }
    });
    Ok((offered.tool.clone(), call?))
}

/// The stored rule that would answer, and those that would in their session.
async fn stored_rules(
    application: &Application,
    decision: &Decision,
    call: &ToolCall,
    (signer, person): (&str, &PersonId),
    exact: bool,
) -> Result<(Option<StoredRule>, Vec<StoredRule>)> {
    if !decision.may_be_answered_by_rule() || !exact {
        return Ok((None, Vec::new()));
    }
    // A rule of a session answers there.
    let fits = |stored: &StoredRule| {
        let session = stored.rule.session.clone().unwrap_or_else(|| call.session.clone());
        covers(stored, &ToolCall { session, ..call.clone() }, signer, person)
    };
    let fitting = application.records().await?.rules().await?.into_iter().filter(fits);
    let (in_sessions, anywhere): (Vec<_>, Vec<_>) = fitting.partition(|stored| stored.rule.session.is_some());
    Ok((anywhere.into_iter().next(), in_sessions))
}

/// All effects, in the order of the manifest's documentation.
const EFFECTS: [Effect; 6] = [
    Effect::ReadsPrivate,
    Effect::ReadsUntrusted,
    Effect::SendsOutside,
    Effect::ChangesState,
    Effect::RunsCode,
    Effect::Spends,
];

/// What labels demand, whatever the rules say.
fn label_rules() -> [(&'static str, String); 5] {
    [
        (
            "label.untrusted",
            "after content of strangers (web, file, other-person, component), a call that sends outside, changes state, \
             runs code or spends is asked"
                .into(),
        ),
        (
            "label.private",
            "after private content, a call that sends outside or has a destination is asked, unless the configuration \
             names the destination in `private-destinations`, the owner wrote it, or a query in the words of a message \
             without private content found it"
                .into(),
        ),
        (
            "label.destination",
            "after content of strangers, a call to a destination that the model put together is asked".into(),
        ),
        (
            LABEL_FOLLOWED,
            format!(
                "after content of strangers, links out of it are followed, and queries in the owner's words asked, as long \
                 as the choice among them tells at most {FOLLOWED} bits in a session, tenfold for a link after private \
                 content; a yes allows as much again"
            ),
        ),
        (
            LABEL_QUERY,
            "after private content and content of strangers, the queries of a run that have other words than the owner's \
             message are asked about once"
                .into(),
        ),
    ]
}

/// Shows the rules in force, the defaults and what labels demand.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowPolicy {}

/// The policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyShown {
    /// The operator's rules.
    pub rules: Vec<NumberedRule>,
    /// Destinations that may be told private things.
    pub private_destinations: Vec<String>,
    /// What becomes of calls for which no rule fits, by effect.
    pub defaults: Vec<EffectDefault>,
    /// What labels demand on top.
    pub labels: Vec<LabelRule>,
}

/// A rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NumberedRule {
    /// The rule's place, from 1.
    pub number: usize,
    /// The rule, in words.
    pub rule: String,
    /// What becomes of a call that it decides.
    pub then: Action,
}

/// What becomes of a call with this effect where no rule fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EffectDefault {
    /// The effect.
    pub effect: String,
    /// What becomes of the call.
    pub then: Action,
}

/// What a label demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LabelRule {
    /// The line's name.
    pub name: String,
    /// The action that the rule demands.
    pub demands: String,
}

impl Operation for ShowPolicy {
    type View = PolicyShown;
    const ROUTE: Route =
        Route::get("policy.show", "/control/v1/policy", "Show the rules, the defaults and what labels demand.");

    async fn run(self, application: &Arc<Application>, _: &Principal, events: &Events) -> Result<Self::View> {
        ready(application, events)?;
        let config = application.config()?;
        let policy = &config.policy;
        let number = |(number, rule): (usize, &Rule)| NumberedRule { number, rule: rule.to_string(), then: rule.then };
        let default = |effect: Effect| EffectDefault {
            effect: effect.name().to_owned(),
            then: if effect.reaches_out() { Action::Ask } else { Action::Allow },
        };
        let label = |(name, demands): (&str, String)| LabelRule { name: name.to_owned(), demands };
        Ok(PolicyShown {
            rules: (1..).zip(&policy.rule).map(number).collect(),
            private_destinations: policy.private_destinations.clone(),
            defaults: EFFECTS.map(default).into(),
            labels: label_rules().map(label).into(),
        })
    }
}
