//! `cara policy`: what would become of a call, and why.

use super::approvals;
use super::chat::PERSON;
use super::tools;
use crate::assemble::{self, AGENT, CONSOLE};
use crate::boot::Cara;
use crate::cli::{Policy as PolicyCommand, PolicyExplain};
use crate::outbound::Channels;
use crate::{choose, layout, plugins, show};
use anyhow::{Result, anyhow, bail};
use cara_assistant::Toolbox;
use cara_assistant::approvals::covers;
use cara_assistant::outbound::Outbound;
use cara_assistant::provenance::Sources;
use cara_assistant::toolbox::full_name;
use cara_authority::manifest::{Effect, Tool};
use cara_authority::policy::{FOLLOWED, LABEL_FOLLOWED, LABEL_QUERY, Line, Rule};
use cara_authority::{
    Action, Decision, Grants, Label, PersonId, Policy, Provenance, SessionId, Situation, ToolAuthority, ToolCall,
    ToolName,
};
use cara_kernel::Checked;
use cara_records::StoredRule;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, policy: PolicyCommand) -> Result<ExitCode> {
    assemble::check_policy(cara, &Channels::new())?;
    match policy {
        PolicyCommand::Explain(explain) => explain_call(cara, &explain).await?,
        PolicyCommand::Show { json } => show_policy(&cara.config.policy, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Explained {
    tool: ToolName,
    component: String,
    arguments: Option<String>,
    destinations: Vec<String>,
    provenance: Option<&'static str>,
    seen: Label,
    then: Action,
    lines: Vec<Line>,
    stored_rule: Option<String>,
    /// Rules that would answer in their session.
    stored_rules_of_sessions: Vec<String>,
    offered: bool,
}

async fn explain_call(cara: &Cara, asked: &PolicyExplain) -> Result<()> {
    let (checked, own) = offering(cara, &asked.tool)?;
    check_names(cara, asked)?;
    let (tool, call) = call(cara, &checked, asked, &own).await?;
    let authority = checked.authority().tool(&tool.name);
    let effects = authority.map(ToolAuthority::effects).unwrap_or_default();
    let has_destination = !tool.destination.is_empty();
    let of = |to: &String| Sources::default().find(to, &cara.config.policy).provenance;
    let provenance = match asked.provenance {
        Some(named) => Some(named.into()),
        None if asked.arguments.is_some() => call.destinations.iter().map(of).max(),
        None => has_destination.then_some(Provenance::Model),
    };
    if asked.provenance.is_some() && !has_destination {
        bail!("tool `{}` has no destination\nhint: leave `--provenance` out", asked.tool);
    }
    let person = asked.sender.clone().map_or_else(|| PersonId::parse(PERSON), Ok)?;
    let signer = plugins::signer(&checked)?;
    let decision = cara.config.policy.decide(&Situation {
        call: &call,
        full_name: &full_name(&call.component, &call.tool),
        unclear: cara.plugins.is_unclear(&*cara.installed()?, &checked, &call.tool)?,
        effects: &effects,
        agent: &asked.agent,
        channel: &asked.channel,
        person: &person,
        seen: asked.seen,
        provenance,
        followed: 0,
        dictated: false,
        queries: false,
    });
    let (stored, in_sessions) =
        stored_rules(cara, &decision, &call, (&signer, &person), asked.arguments.is_some()).await?;
    let explained = Explained {
        tool: asked.tool.clone(),
        component: checked.manifest().id().to_string(),
        arguments: asked.arguments.is_some().then(|| call.arguments.clone()),
        destinations: call.destinations.clone(),
        provenance: provenance.map(provenance_name),
        seen: asked.seen,
        then: if stored.is_some() { Action::Allow } else { decision.then() },
        lines: decision.lines().to_vec(),
        stored_rule: stored.map(|rule| format!("{}: {}", rule.id, approvals::terms(&rule))),
        stored_rules_of_sessions: in_sessions
            .iter()
            .map(|rule| format!("{}: {}", rule.id, approvals::terms(rule)))
            .collect(),
        offered: tools::is_on(cara, &checked).await?,
    };
    if asked.json {
        return layout::json(&explained);
    }
    print(&explained);
    Ok(())
}

/// The component whose tool it is, and the tool's own name. A full name says which of several is meant.
fn offering(cara: &Cara, tool: &ToolName) -> Result<(Arc<Checked>, ToolName)> {
    let installed = cara.installed()?;
    let mut all: Vec<(&Arc<Checked>, &ToolName)> = Vec::new();
    for checked in installed.usable.values() {
        all.extend(checked.manifest().tools().iter().map(|tool| (checked, &tool.name)));
    }
    let full = all.iter().find(|(checked, name)| full_name(checked.manifest().id(), name) == *tool);
    let own: Vec<_> = all.iter().filter(|(_, name)| *name == tool).collect();
    match (full, &own[..]) {
        (Some((checked, name)), _) | (None, [(checked, name)]) => Ok(((*checked).clone(), (*name).clone())),
        (None, []) => bail!("no installed component offers a tool `{tool}`\nhint: `cara tools list` shows them"),
        (None, [(one, _), ..]) => bail!(
            "{} components offer a tool `{tool}`\nhint: say which, as in `{}`",
            own.len(),
            full_name(one.manifest().id(), tool)
        ),
    }
}

/// Agents and channels that do not exist are errors, as they are in rules.
fn check_names(cara: &Cara, asked: &PolicyExplain) -> Result<()> {
    if asked.agent != AGENT && !cara.config.agent.contains_key(&asked.agent) {
        let known: Vec<&str> = std::iter::once(AGENT).chain(cara.config.agent.keys().map(String::as_str)).collect();
        bail!("there is no agent `{}`\nhint: there are {}", show::short(&asked.agent), known.join(", "));
    }
    let channels = Channels::new().channels();
    if asked.channel != CONSOLE && !channels.contains(&asked.channel) {
        bail!("there is no channel `{}`\nhint: there are {}", show::short(&asked.channel), channels.join(", "));
    }
    Ok(())
}

/// The tool, and the call as it would be made: read by the same code that reads a model's.
async fn call(cara: &Cara, checked: &Arc<Checked>, asked: &PolicyExplain, own: &ToolName) -> Result<(Tool, ToolCall)> {
    let (manifest, id) = (checked.manifest(), checked.manifest().id());
    let session = SessionId::parse("s-explained")?;
    let Some(text) = &asked.arguments else {
        let tool = manifest.tools().iter().find(|tool| tool.name == *own);
        let tool = tool.ok_or_else(|| anyhow!("component `{id}` has no tool `{own}`"))?.clone();
        let call = ToolCall {
            component: id.clone(),
            digest: *checked.package().digest().as_bytes(),
            tool: tool.name.clone(),
            arguments: "{}".into(),
            destinations: Vec::new(),
            session,
        };
        return Ok((tool, call));
    };
    let settings = choose::asking(cara, checked, &[])?;
    let grants = Grants::intersect(manifest, checked.interfaces(), &[], settings, &Default::default());
    let mut toolbox = Toolbox::default();
    toolbox.add(&cara.component(id).await?, &Arc::new(grants), &Default::default())?;
    let (_, offered) = toolbox.of(id, own).ok_or_else(|| anyhow!("component `{id}` has no tool `{own}`"))?;
    Ok((offered.tool.clone(), offered.read(text, &session)?))
}

/// The stored rule that would answer, and those that would in their session.
async fn stored_rules(
    cara: &Cara,
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
    let fitting = cara.records().await?.rules().await?.into_iter().filter(fits);
    let (in_sessions, anywhere): (Vec<_>, Vec<_>) = fitting.partition(|stored| stored.rule.session.is_some());
    Ok((anywhere.into_iter().next(), in_sessions))
}

fn provenance_name(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Configured => "configured",
        Provenance::Owner => "owner",
        Provenance::Content => "content",
        Provenance::Model => "model",
    }
}

/// What becomes of a call, as a verb.
pub(super) fn outcome(then: Action) -> &'static str {
    match then {
        Action::Allow => "it runs",
        Action::Ask => "a person is asked",
        Action::Deny => "it is denied",
    }
}

fn print(explained: &Explained) {
    let put = |name: &str, value: &str| layout::field(0, name, value);
    put("call", &format!("{} of {}", explained.tool, explained.component));
    put("arguments", explained.arguments.as_deref().unwrap_or("not given, so not checked"));
    if let Some(provenance) = explained.provenance {
        let to = if explained.destinations.is_empty() { "any".to_owned() } else { explained.destinations.join(", ") };
        put("destination", &format!("{to} ({provenance})"));
    }
    put("seen", &explained.seen.to_string());
    put("then", outcome(explained.then));
    for (at, line) in explained.lines.iter().enumerate() {
        let decided = if at == 0 && explained.stored_rule.is_none() { "decided by" } else { "also" };
        let name = if at == 0 && explained.stored_rule.is_some() { "would decide" } else { decided };
        put(name, &format!("{}: {}; {}", line.name, line.then, line.why));
    }
    explained.stored_rule.iter().for_each(|rule| put("answered by", &format!("the stored rule {rule}")));
    for rule in &explained.stored_rules_of_sessions {
        put("unless", &format!("the stored rule {rule}, which would let it run there"));
    }
    if !explained.offered {
        put("but", &format!("the tool is off: `cara tools enable {}` switches it on", explained.component));
    }
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

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    rules: Vec<Numbered>,
    private_destinations: Vec<String>,
    defaults: Vec<Default_>,
    labels: Vec<LabelRule>,
}

#[derive(Serialize)]
struct Numbered {
    number: usize,
    rule: String,
    then: Action,
}

#[derive(Serialize)]
struct Default_ {
    effect: &'static str,
    then: Action,
}

#[derive(Serialize)]
struct LabelRule {
    name: &'static str,
    demands: String,
}

fn show_policy(policy: &Policy, json: bool) -> Result<()> {
    let number =
        |(index, rule): (usize, &Rule)| Numbered { number: index + 1, rule: rule.to_string(), then: rule.then };
    let default = |effect: Effect| Default_ {
        effect: effect.name(),
        then: if effect.reaches_out() { Action::Ask } else { Action::Allow },
    };
    let shown = Shown {
        rules: policy.rule.iter().enumerate().map(number).collect(),
        private_destinations: policy.private_destinations.clone(),
        defaults: EFFECTS.map(default).into(),
        labels: label_rules().into_iter().map(|(name, demands)| LabelRule { name, demands }).collect(),
    };
    if json {
        return layout::json(&shown);
    }
    show::line("rules: one that denies wins, then the most specific one");
    show::line("(sender, channel, agent, tool, component, effect; at a tie the stricter one)");
    if shown.rules.is_empty() {
        show::line("  none");
    }
    for rule in &shown.rules {
        layout::hang(&format!("  {:>3}  ", rule.number), &rule.rule);
    }
    show::line("defaults, where no rule fits: the strictest of a tool's effects");
    show::line(&format!("  {:18} allow", "none"));
    for default in &shown.defaults {
        show::line(&format!("  {:18} {}", default.effect, default.then));
    }
    show::line("labels: asked on top of rules and defaults; no rule takes that away");
    for rule in &shown.labels {
        layout::hang(&format!("  {:18} ", rule.name), &rule.demands);
    }
    show::line("destinations that may be told private things");
    if shown.private_destinations.is_empty() {
        show::line("  none");
    }
    for destination in &shown.private_destinations {
        layout::paragraph(2, destination);
    }
    Ok(())
}
