//! What runs wait for, and the rules that answer in a person's place.

use crate::application::Application;
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::operation::{Done, Operation, Route};
use crate::sessions;
use cara_assistant::approvals::{answer_request, rule_for};
use cara_assistant::explain::asked;
use cara_assistant::{Answer, Asked};
use cara_authority::tool_call::canonical;
use cara_authority::{ApprovalId, Decider, PersonId, Principal, RuleId};
use cara_records::{Approval, ApprovalState, DecideError, Decided, Decision, Records, RunState, StoredRule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The request, or an error that says how to find one.
async fn find(records: &Records, id: &ApprovalId) -> Result<Approval> {
    let found = records.approval(id).await?;
    found.ok_or_else(|| error!(NotFound, "there is no approval `{id}`\nhint: `cara approvals list` shows what waits"))
}

/// A request for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ApprovalRequest {
    /// The request's id.
    pub id: String,
    /// `waiting`, `allowed`, `denied`, `expired`, `spent` or `withdrawn`.
    pub state: String,
    /// The session of the run that asks.
    pub session: String,
    /// The run that asks.
    pub run: String,
    /// The call in the run.
    pub call: String,
    /// Whose session it is.
    pub person: String,
    /// The people who may decide.
    pub deciders: Vec<String>,
    /// How many of them have to agree.
    pub needed: usize,
    /// Those who said yes so far.
    pub agreed: Vec<String>,
    /// Whether the run goes on. What is answered for one that does not counts when it is taken up again.
    pub run_is_alive: bool,
    /// When it was asked, Unix milliseconds.
    pub asked_ms: u64,
    /// When silence becomes a denial, Unix milliseconds.
    pub deadline_ms: u64,
    /// Milliseconds until then; nothing when it does not wait.
    pub left_ms: Option<u64>,
    /// The door or deadline that answered.
    pub decided_by: Option<String>,
    /// What was said with a denial.
    pub reason: Option<String>,
    /// When it was answered, Unix milliseconds.
    pub decided_ms: Option<u64>,
    /// What the person is asked; nothing when another version of cara wrote it.
    pub asked: Option<Asked>,
}

async fn request(application: &Application, records: &Records, approval: Approval) -> Result<ApprovalRequest> {
    let run = records.run(&approval.run).await?;
    let run_is_alive =
        run.is_some_and(|run| sessions::state(application, run.state, &run.process) == RunState::Running);
    let left = approval.deadline_ms.saturating_sub(application.services.clock.now_ms());
    let verdict = approval.verdict;
    let mut asked = asked(approval.shown);
    if let Some(asked) = &mut asked {
        asked.id = approval.id.to_string();
    }
    Ok(ApprovalRequest {
        id: approval.id.to_string(),
        state: approval.state.name().to_owned(),
        session: approval.session.to_string(),
        run: approval.run.to_string(),
        call: approval.call_id,
        person: approval.person.to_string(),
        needed: approval.deciders.needed(),
        deciders: approval.deciders.persons.iter().map(PersonId::to_string).collect(),
        agreed: approval.agreed.iter().map(PersonId::to_string).collect(),
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

/// Lists the requests that wait for an answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListApprovals {}

impl Operation for ListApprovals {
    type View = Vec<ApprovalRequest>;
    const ROUTE: Route =
        Route::get("approvals.list", "/control/v1/approvals", "List the requests that wait for an answer.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let mut waiting = Vec::new();
        for approval in records.waiting_approvals().await? {
            waiting.push(request(application, records, approval).await?);
        }
        Ok(waiting)
    }
}

/// Shows a request whole.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowApproval {
    /// The request.
    pub id: String,
}

impl Operation for ShowApproval {
    type View = ApprovalRequest;
    const ROUTE: Route = Route::get("approvals.show", "/control/v1/approvals/{id}", "Show a request whole.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let records = application.records().await?;
        let approval = find(records, &ApprovalId::parse(&self.id)?).await?;
        request(application, records, approval).await
    }
}

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Yes, this once.
    Once,
    /// Yes, and store the rule that the request names.
    Always,
    /// No.
    Deny,
}

/// Where a person answers, as the audit log and the model are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At the question that stands while a run goes on.
    Prompt,
    /// In a conversation.
    Chat,
    /// With a command.
    Command,
}

impl Place {
    /// The words of the audit log.
    const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Chat => "chat",
            Self::Command => "cara approvals",
        }
    }

    /// Where it was, as a door saw it: who came with a credential came with that, whatever is said of the place.
    fn seen(self, by: &Principal) -> String {
        match by.credential() {
            Some(credential) => format!("{} with {credential}", by.door()),
            None => self.name().to_owned(),
        }
    }
}

/// Answers a request. The first answer counts; the same one, said again by the same answerer, is the same as once.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RespondToApproval {
    /// The request.
    pub id: String,
    /// The answer.
    pub verdict: Verdict,
    /// Why not, for the model.
    #[serde(default)]
    pub reason: Option<String>,
    /// Where the person answered, for the audit log and the model. With a credential the door and the credential are told.
    pub by: Place,
}

/// What an answer did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ApprovalResponse {
    /// The tool and its component, of a call that was allowed.
    pub allowed: Option<[String; 2]>,
    /// The rule that was stored, in words.
    pub stored: Option<String>,
    /// Whether the run goes on.
    pub run_is_alive: bool,
    /// Whether others have to agree before the call is allowed.
    pub waits_for_others: bool,
    /// When the same answer was given before, Unix milliseconds: this one changed nothing.
    pub given_before_ms: Option<u64>,
    /// When that answer was spent on its call, Unix milliseconds.
    pub spent_ms: Option<u64>,
}

impl Operation for RespondToApproval {
    type View = ApprovalResponse;
    const ROUTE: Route =
        Route::post("approvals.respond", "/control/v1/approvals/{id}", "Allow or deny a request.").approve();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (ApprovalId::parse(&self.id)?, application.records().await?);
        let by = by.deciding(&self.by.seen(by));
        if self.verdict == Verdict::Deny {
            let answered = records.decide_approval(&id, Decision::Denied(self.reason.clone()), &by).await;
            let Answered { given_before_ms, spent_ms, .. } = or_again(records, &id, &self, &by, None, answered).await?;
            let (allowed, stored, run_is_alive, waits_for_others) = (None, None, true, false);
            return Ok(ApprovalResponse { allowed, stored, run_is_alive, waits_for_others, given_before_ms, spent_ms });
        }
        let approval = find(records, &id).await?;
        let (person, waits) = (approval.person.clone(), approval.state == ApprovalState::Waiting);
        let request = request(application, records, approval).await?;
        let Some(asked) = &request.asked else {
            fail!(
                Refused,
                "what was asked in `{id}` cannot be read, so it cannot be allowed\nhint: `cara approvals deny {id}`"
            );
        };
        let always = self.verdict == Verdict::Always;
        if always && waits && asked.always.is_none() {
            fail!(
                Refused,
                "no rule may answer what `{id}` asks: for what the run has seen, or for who decides\n\
                 hint: `cara approvals allow {id}` allows it once"
            );
        }
        let answer = if always { Answer::Always } else { Answer::Once };
        let answered = answer_request(records, &id, asked, &person, &answer, &by).await;
        let Answered { is_decided, given_before_ms, spent_ms } =
            or_again(records, &id, &self, &by, Some(asked), answered).await?;
        Ok(ApprovalResponse {
            allowed: Some([asked.tool.clone(), asked.component.clone()]),
            stored: asked.always.clone().filter(|_| always),
            run_is_alive: request.run_is_alive,
            waits_for_others: !is_decided,
            given_before_ms,
            spent_ms,
        })
    }
}

/// What an answer came to.
struct Answered {
    is_decided: bool,
    given_before_ms: Option<u64>,
    spent_ms: Option<u64>,
}

/// An answer that came too late is an error, unless it is the one that counts: its first saying was lost on the way back.
/// Then it is told when that was, and when it was spent.
async fn or_again(
    records: &Records,
    id: &ApprovalId,
    said: &RespondToApproval,
    by: &Decider,
    asked: Option<&Asked>,
    answered: std::result::Result<Decided, DecideError>,
) -> Result<Answered> {
    let error = match answered {
        Ok(Decided { verdict, .. }) => {
            return Ok(Answered { is_decided: verdict.is_some(), given_before_ms: None, spent_ms: None });
        }
        Err(error @ DecideError::AlreadyDecided { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    let approval = find(records, id).await?;
    let verdict = approval.verdict.as_ref();
    let verdict = verdict.filter(|verdict| verdict.by == by.place() && verdict.person.as_ref() == Some(by.person()));
    let same = match (verdict, &said.verdict) {
        (Some(verdict), Verdict::Deny) => verdict.what == ApprovalState::Denied && verdict.reason == said.reason,
        (Some(verdict), Verdict::Once) => verdict.what == ApprovalState::Allowed,
        // It stored a rule; an answer for once did not, and stores none now.
        (Some(verdict), Verdict::Always) if verdict.what == ApprovalState::Allowed => {
            let stored = records.rules().await?;
            let rule = asked.and_then(|asked| rule_for(asked, &approval.person, by.place()));
            rule.is_some_and(|rule| stored.iter().any(|stored| stored.rule == rule && stored.added_ms >= verdict.at_ms))
        }
        _ => false,
    };
    match verdict.filter(|_| same) {
        Some(verdict) => {
            Ok(Answered { is_decided: true, given_before_ms: Some(verdict.at_ms), spent_ms: approval.spent_ms })
        }
        None => Err(error.into()),
    }
}

/// A rule that answers in a person's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleRow {
    /// The rule's id.
    pub id: String,
    /// The component whose tool it is about.
    pub component: String,
    /// The tool.
    pub tool: String,
    /// The destinations it is bound to.
    pub destinations: Vec<String>,
    /// The arguments it is bound to.
    pub arguments: Option<Value>,
    /// The session it is bound to.
    pub session: Option<String>,
    /// In whose sessions it answers.
    pub person: String,
    /// The door through which the rule was stored.
    pub by: String,
    /// When, Unix milliseconds.
    pub added_ms: u64,
    /// When it last answered.
    pub last_used_ms: Option<u64>,
    /// What narrows it, in words.
    pub terms: String,
}

impl From<StoredRule> for RuleRow {
    fn from(stored: StoredRule) -> Self {
        let terms = terms(&stored);
        let StoredRule { id, rule, added_ms, last_used_ms } = stored;
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
            terms,
        }
    }
}

/// What narrows a stored rule, in words.
pub(crate) fn terms(rule: &StoredRule) -> String {
    let rule = &rule.rule;
    let mut terms = Vec::new();
    terms.extend((!rule.destinations.is_empty()).then(|| format!("to {}", rule.destinations.join(", "))));
    terms.extend((!rule.servers.is_empty()).then(|| format!("at {}", rule.servers.join(", "))));
    terms.extend(rule.arguments.as_ref().map(|arguments| format!("with exactly {}", canonical(arguments))));
    terms.extend(rule.session.as_ref().map(|session| format!("in session {session}")));
    if terms.is_empty() { "nothing: it has no term".to_owned() } else { terms.join(", ") }
}

/// Lists the stored rules.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListRules {}

impl Operation for ListRules {
    type View = Vec<RuleRow>;
    const ROUTE: Route =
        Route::get("rules.list", "/control/v1/rules", "List the stored rules that answer in a person's place.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let rules = application.records().await?.rules().await?;
        Ok(rules.into_iter().map(RuleRow::from).collect())
    }
}

/// Removes a stored rule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRule {
    /// The rule.
    pub id: String,
    /// Where the person did it, for the audit log. With a credential the door and the credential are told.
    pub by: Place,
}

impl Operation for ForgetRule {
    type View = Done;
    const ROUTE: Route = Route::delete("rules.forget", "/control/v1/rules/{id}", "Remove a stored rule.");

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let rule = RuleId::parse(&self.id)?;
        if !application.records().await?.remove_rule(&rule, &self.by.seen(by)).await? {
            fail!(NotFound, "there is no rule `{rule}`\nhint: `cara approvals rules` shows them");
        }
        Ok(Done {})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rule_without_terms_says_that_it_allows_nothing() {
        let rule = serde_json::json!({ "component": "a", "tool": "b", "destinations": [], "arguments": null, "session": null, "person": "p", "by": "x" });
        let rule = serde_json::from_value(rule).unwrap();
        let stored = StoredRule { id: RuleId::parse("p-1").unwrap(), rule, added_ms: 0, last_used_ms: None };
        assert!(terms(&stored).starts_with("nothing"));
    }
}
