//! `cara approvals`: answers what a run somewhere else waits for.

use super::sessions;
use crate::boot::Cara;
use crate::cli::Approvals;
use crate::{layout, show, when};
use anyhow::{Result, anyhow, bail};
use cara_assistant::approvals::answer_request;
use cara_assistant::explain::asked;
use cara_assistant::text::exact;
use cara_assistant::{Answer, Asked};
use cara_authority::tool_call::canonical;
use cara_authority::{ApprovalId, RuleId};
use cara_records::{Approval, ApprovalState, Decision, Records, RunState, StoredRule};
use serde::Serialize;
use serde_json::Value;
use std::process::ExitCode;

/// Who answers here, as the audit log and the model are told.
const BY: &str = "cara approvals";

/// Runs the command.
pub(crate) async fn run(cara: &Cara, approvals: Approvals) -> Result<ExitCode> {
    let records = cara.records().await?;
    match approvals {
        Approvals::List { json } => list(cara, records, json).await?,
        Approvals::Show { id, json } => show_one(cara, records, &id, json).await?,
        Approvals::Allow { id, always } => allow(cara, records, &id, always).await?,
        Approvals::Deny { id, reason } => {
            records.decide_approval(&id, Decision::Denied(reason), BY).await?;
            show::note(&format!("denied `{id}`"));
        }
        Approvals::Rules { json } => rules(records, json).await?,
        Approvals::Forget { rule } => forget(records, &rule).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The request, or an error that says how to find one.
async fn find(records: &Records, id: &ApprovalId) -> Result<Approval> {
    let found = records.approval(id).await?;
    found.ok_or_else(|| anyhow!("there is no approval `{id}`\nhint: `cara approvals list` shows what waits"))
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    id: String,
    state: &'static str,
    session: String,
    run: String,
    call: String,
    person: String,
    /// Whether the run goes on. What is answered for one that does not counts when it is taken up again.
    run_is_alive: bool,
    asked_ms: u64,
    deadline_ms: u64,
    /// Milliseconds until silence is a denial; nothing when it does not wait.
    left_ms: Option<u64>,
    decided_by: Option<String>,
    reason: Option<String>,
    decided_ms: Option<u64>,
    /// What the person is asked; nothing when another version of cara wrote it.
    asked: Option<Asked>,
}

async fn row(cara: &Cara, records: &Records, approval: Approval) -> Result<Row> {
    let run = records.run(&approval.run).await?;
    let run_is_alive = match run {
        Some(run) => sessions::state(cara, run.state, &run.process)? == RunState::Running,
        None => false,
    };
    let left = approval.deadline_ms.saturating_sub(cara.services.clock.now_ms());
    let verdict = approval.verdict;
    let mut asked = asked(approval.shown);
    if let Some(asked) = &mut asked {
        asked.id = approval.id.to_string();
    }
    Ok(Row {
        id: approval.id.to_string(),
        state: approval.state.name(),
        session: approval.session.to_string(),
        run: approval.run.to_string(),
        call: approval.call_id,
        person: approval.person.to_string(),
        run_is_alive,
        asked_ms: approval.asked_ms,
        deadline_ms: approval.deadline_ms,
        left_ms: (approval.state == ApprovalState::Waiting).then_some(left),
        decided_by: verdict.as_ref().map(|verdict| verdict.by.clone()),
        decided_ms: verdict.as_ref().map(|verdict| verdict.at_ms),
        reason: verdict.and_then(|verdict| verdict.reason),
        asked,
    })
}

async fn list(cara: &Cara, records: &Records, json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for approval in records.waiting_approvals().await? {
        rows.push(row(cara, records, approval).await?);
    }
    if json {
        return layout::json(&rows);
    }
    if rows.is_empty() {
        show::note("nothing waits for an answer");
        return Ok(());
    }
    let cells = rows.iter().map(|row| {
        let asked = row.asked.as_ref();
        let of =
            |get: fn(&Asked) -> String, most| asked.map_or_else(|| "?".into(), |asked| layout::cut(&get(asked), most));
        let left = row.left_ms.map(when::length).unwrap_or_default();
        vec![
            row.id.clone(),
            of(|asked| asked.tool.clone(), 40),
            of(|asked| listed(&asked.destinations, "-"), 48),
            of(|asked| asked.seen.to_string(), 60),
            if row.run_is_alive { left } else { format!("{left}, its process ended") },
            of(|asked| asked.why.join("; "), 100),
        ]
    });
    show::table(&["ID", "TOOL", "DESTINATION", "SEEN", "LEFT", "WHY"], &cells.collect::<Vec<_>>());
    show::note("`cara approvals show ID` shows all of one; `allow` or `deny` answers it");
    Ok(())
}

async fn show_one(cara: &Cara, records: &Records, id: &ApprovalId, json: bool) -> Result<()> {
    let row = row(cara, records, find(records, id).await?).await?;
    if json {
        return layout::json(&row);
    }
    let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
    put("approval", &row.id);
    match (&row.decided_by, row.left_ms) {
        (_, Some(left)) => put("state", &format!("waiting; denied by itself in {}", when::length(left))),
        (Some(by), None) => put("state", &format!("{}, answered by {by}", row.state)),
        (None, None) => put("state", row.state),
    }
    row.decided_ms.iter().for_each(|at| put("answered", &when::second(*at)));
    row.reason.iter().for_each(|reason| put("reason", reason));
    put("asked", &when::second(row.asked_ms));
    put("person", &row.person);
    put("session", &row.session);
    put("run", &format!("{}, call {}", row.run, row.call));
    if !row.run_is_alive && row.left_ms.is_some() {
        put("note", "its process ended: an answer counts when the conversation is taken up again");
    }
    let Some(asked) = &row.asked else {
        bail!("what was asked in `{id}` cannot be read\nhint: `cara approvals deny {id}` denies it");
    };
    print_asked(asked);
    Ok(())
}

/// Destinations in one line; `none` when there are none.
fn listed(destinations: &[String], none: &str) -> String {
    if destinations.is_empty() { none.to_owned() } else { destinations.join(", ") }
}

/// Every byte of what is asked.
fn print_asked(asked: &Asked) {
    let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
    put("tool", &format!("{} of {}", asked.tool, asked.component));
    put("digest", &format!("sha256:{}", asked.digest));
    put("destination", &listed(&asked.destinations, "none"));
    put("seen", &asked.seen.to_string());
    asked.why.iter().for_each(|why| put("because", why));
    match &asked.always {
        Some(rule) => put("always", &format!("would store: {rule}")),
        None => put("always", "cannot be given: it is asked because of what the run has seen"),
    }
    put("arguments", &asked.arguments);
}

async fn allow(cara: &Cara, records: &Records, id: &ApprovalId, always: bool) -> Result<()> {
    let approval = find(records, id).await?;
    let person = approval.person.clone();
    let waits = approval.state == ApprovalState::Waiting;
    let row = row(cara, records, approval).await?;
    let Some(asked) = &row.asked else {
        bail!("what was asked in `{id}` cannot be read, so it cannot be allowed\nhint: `cara approvals deny {id}`");
    };
    if always && waits && asked.always.is_none() {
        bail!(
            "`{id}` is asked because of what the run has seen, and no rule may answer that\n\
             hint: `cara approvals allow {id}` allows it once"
        );
    }
    let answer = if always { Answer::Always } else { Answer::Once };
    answer_request(records, id, asked, &person, &answer, BY).await?;
    show::note(&format!("allowed `{id}`: {} of `{}`, once", asked.tool, asked.component));
    if let Some(rule) = asked.always.as_ref().filter(|_| always) {
        show::note(&format!("stored: {rule}; `cara approvals rules` shows it, `forget` removes it"));
    }
    if !row.run_is_alive {
        show::note("its process ended: the answer counts when the conversation is taken up again");
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RuleRow {
    id: String,
    component: String,
    tool: String,
    destinations: Vec<String>,
    arguments: Option<Value>,
    session: Option<String>,
    person: String,
    by: String,
    added_ms: u64,
    last_used_ms: Option<u64>,
}

impl From<StoredRule> for RuleRow {
    fn from(StoredRule { id, rule, added_ms, last_used_ms }: StoredRule) -> Self {
        Self {
            id: id.to_string(),
            component: rule.component.to_string(),
            tool: rule.tool.to_string(),
            destinations: rule.destinations,
            arguments: rule.arguments,
            session: rule.session.map(|session| session.to_string()),
            person: rule.person.to_string(),
            by: rule.by,
            added_ms,
            last_used_ms,
        }
    }
}

/// What narrows a stored rule, in words.
pub(super) fn terms(rule: &StoredRule) -> String {
    let rule = &rule.rule;
    let mut terms = Vec::new();
    terms.extend((!rule.destinations.is_empty()).then(|| format!("to {}", rule.destinations.join(", "))));
    terms.extend(rule.arguments.as_ref().map(|arguments| format!("with exactly {}", canonical(arguments))));
    terms.extend(rule.session.as_ref().map(|session| format!("in session {session}")));
    if terms.is_empty() { "nothing: it has no term".to_owned() } else { terms.join(", ") }
}

async fn rules(records: &Records, json: bool) -> Result<()> {
    let stored = records.rules().await?;
    if json {
        return layout::json(&stored.into_iter().map(RuleRow::from).collect::<Vec<_>>());
    }
    if stored.is_empty() {
        show::note("no rule is stored; `cara approvals allow --always` stores one");
        return Ok(());
    }
    let cells = stored.iter().map(|stored| {
        let used = stored.last_used_ms.map_or_else(|| "never".to_owned(), when::minute);
        vec![
            stored.id.to_string(),
            stored.rule.tool.to_string(),
            stored.rule.component.to_string(),
            stored.rule.person.to_string(),
            when::minute(stored.added_ms),
            used,
            exact(&terms(stored)),
        ]
    });
    let head = ["RULE", "TOOL", "COMPONENT", "PERSON", "ADDED", "LAST USED", "HOLDS"];
    show::table(&head, &cells.collect::<Vec<_>>());
    Ok(())
}

async fn forget(records: &Records, rule: &RuleId) -> Result<()> {
    if !records.remove_rule(rule, BY).await? {
        bail!("there is no rule `{rule}`\nhint: `cara approvals rules` shows them");
    }
    show::note(&format!("removed rule `{rule}`; the like is asked again"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_hides_nothing() {
        assert_eq!(exact(r#"{"text":"a\nb é \"q\""}"#), r#"{"text":"a\nb é \"q\""}"#);
        assert_eq!(
            exact("a\u{202e}b\u{200b}\u{ad}\u{3164}\u{a0}\u{1b}\n"),
            "a\\u{202e}b\\u{200b}\\u{ad}\\u{3164}\\u{a0}\\u{1b}\\n"
        );
        assert_eq!(exact("e\u{301}"), "e\\u{301}");
    }

    #[test]
    fn a_rule_without_terms_says_that_it_allows_nothing() {
        let rule = serde_json::json!({ "component": "a", "tool": "b", "destination": null, "arguments": null, "session": null, "person": "p", "by": "x" });
        let rule = serde_json::from_value(rule).expect("a rule");
        let stored = StoredRule { id: RuleId::parse("p-1").expect("an id"), rule, added_ms: 0, last_used_ms: None };
        assert!(terms(&stored).starts_with("nothing"));
    }
}
