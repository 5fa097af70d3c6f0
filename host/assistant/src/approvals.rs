//! Approvals: asks a person,
//! and takes the first answer from wherever it comes.
//!
//! A request is in the ledger before anybody is asked. It can be answered at the prompt, by whoever else the control of
//! this process hears, or not at all: then its deadline denies it. Who waits asks the ledger when it tells that something
//! was decided, and at the deadline; nothing is looked at in between.

use crate::event::{Asked, DEADLINE, Failure, NOBODY, TurnEvent};
use crate::explain::asked as shown;
use crate::session::lost;
use crate::toolbox::BUILT_IN;
use cara_authority::{
    ApprovalId, Binding, ComponentId, Decider, Deciders, Label, PersonId, RunId, SessionId, Source, ToolCall, ToolName,
};
use cara_records::{
    Approval, ApprovalState, DecideError, Decided, Decision, NewApproval, NewRule, QUEUED, Records, StoredRule,
};
use cara_services::clock::Clock;
use std::time::Duration;

mod settings;

pub use settings::ApprovalSettings;

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, this once.
    Once,
    /// Yes, and store the rule that was shown.
    Always,
    /// No; the reason is for the model.
    No(Option<String>),
}

/// Where a person can be asked at once. Its future may be dropped at any time: somebody else answered. Several runs may
/// ask at once; a place that shows one question at a time sees to that itself.
#[async_trait::async_trait]
pub trait Approver: Send + Sync {
    /// Whether answers are waited for. Where not, what nobody has answered before is denied at once, and the request stays for
    /// an answer that counts the next time.
    fn waits(&self) -> bool {
        true
    }

    /// Has requests told to those who decide elsewhere; they are in the ledger. Told twice is as good as once.
    async fn tell(&self, _: &[Asked]) {}

    /// Shows the requests, which stand together, and waits for an answer to each, in their order, and for who gave them;
    /// for ever, when nobody is there. What it shows is what it is given here and nothing else, so that no answer meets another request.
    async fn ask(&self, asked: &[Asked]) -> (Decider, Vec<Answer>);
}

/// Nobody is at hand: answers come through the ledger or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[async_trait::async_trait]
impl Approver for Nobody {
    async fn ask(&self, _: &[Asked]) -> (Decider, Vec<Answer>) {
        std::future::pending().await
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The approval may be spent once.
    Allowed {
        /// The door or rule that allowed it.
        by: String,
    },
    /// The request is denied.
    Denied {
        /// The door or deadline that denied it.
        by: String,
        /// The person who did, and whose words the reason is.
        author: Option<PersonId>,
        /// For the model.
        reason: Option<String>,
    },
}

impl Settled {
    /// A denial in words of the host.
    pub(crate) fn of_host(by: &str, reason: &str) -> Self {
        Self::Denied { by: by.to_owned(), author: None, reason: Some(reason.to_owned()) }
    }

    /// Where the words of a reason come from, to a run for this person: whoever decides about others does not speak for them.
    pub(crate) fn label(&self, person: &PersonId) -> Label {
        match self {
            Self::Denied { author: Some(author), reason: Some(_), .. }
                if author != person && *author != PersonId::owner() =>
            {
                Label::of(Source::OtherPerson)
            }
            _ => Label::NONE,
        }
    }
}

/// What is asked, and for what the answer holds.
pub struct Question<'a> {
    /// What the answer is bound to.
    pub binding: Binding,
    /// The session.
    pub session: &'a SessionId,
    /// The run.
    pub run: &'a RunId,
    /// The call in it.
    pub call: &'a str,
    /// Whose session it is.
    pub person: &'a PersonId,
    /// Who may decide.
    pub deciders: &'a Deciders,
    /// The request that was made for it before a restart.
    pub earlier: Option<ApprovalId>,
    /// What is shown; its id is filled in.
    pub asked: Asked,
}

/// A question that was written down.
#[derive(Clone)]
struct Request {
    id: ApprovalId,
    person: PersonId,
    asked: Asked,
    settled: Option<Settled>,
}

impl Request {
    /// What listeners are told once it is settled.
    fn decided(&self) -> Option<TurnEvent> {
        let (allowed, by) = match self.settled.as_ref()? {
            Settled::Allowed { by } => (true, by.clone()),
            Settled::Denied { by, .. } => (false, by.clone()),
        };
        Some(TurnEvent::ApprovalDecided { id: self.id.to_string(), allowed, by })
    }
}

/// The approvals of one process.
#[derive(Clone)]
pub struct Approvals {
    records: Records,
    clock: Clock,
    /// How long a request stands.
    pub(crate) patience: Duration,
    /// How long one of an unattended run stands.
    queued: Duration,
}

impl Approvals {
    /// Approvals over the ledger.
    pub fn new(records: Records, clock: Clock, settings: &ApprovalSettings) -> Self {
        Self { records, clock, patience: settings.deadline.0, queued: settings.queued_deadline.0 }
    }

    /// When a request made now is denied by itself.
    pub(crate) fn deadline_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add(ms(self.patience))
    }

    /// Asks all of them at once, waits, and says of each how it ended and under which id. A request that was made before a
    /// restart is taken up.
    pub async fn ask(
        &self,
        questions: Vec<Question<'_>>,
        approver: &dyn Approver,
        listen: &(dyn Fn(TurnEvent) + Send + Sync),
    ) -> Result<Vec<(ApprovalId, Settled)>, Failure> {
        let mut requests = Vec::with_capacity(questions.len());
        for question in questions {
            let request = self.request(question, approver.waits()).await?;
            listen(TurnEvent::Approval(Box::new(request.asked.clone())));
            requests.push(request);
        }
        let mut open = Vec::new();
        for request in &requests {
            if self.look(&request.id).await?.is_none() {
                open.push(request.asked.clone());
            }
        }
        approver.tell(&open).await;
        if !approver.waits() {
            return self.at_once(requests, listen).await;
        }
        while requests.iter().any(|request| request.settled.is_none()) {
            self.settle(&mut requests, approver, listen).await?;
        }
        let settled = requests.into_iter().map(|request| (request.id, request.settled));
        Ok(settled.filter_map(|(id, settled)| Some((id, settled?))).collect())
    }

    /// What was answered before counts, and all else is denied: nobody is there.
    async fn at_once(
        &self,
        mut requests: Vec<Request>,
        listen: &(dyn Fn(TurnEvent) + Send + Sync),
    ) -> Result<Vec<(ApprovalId, Settled)>, Failure> {
        let mut settled = Vec::with_capacity(requests.len());
        for request in &mut requests {
            let id = &request.id;
            let text = format!("the question waits as `{id}`; a yes counts when this is tried the next time");
            let waits = || Settled::of_host(NOBODY, &text);
            let found = self.look(&request.id).await?.unwrap_or_else(waits);
            request.settled = Some(found.clone());
            request.decided().into_iter().for_each(listen);
            settled.push((request.id.clone(), found));
        }
        Ok(settled)
    }

    /// The request for the same thing that an earlier run of the session left, as long as it is worth an answer.
    async fn left(&self, question: &Question<'_>) -> Result<Option<ApprovalId>, Failure> {
        let left = self.records.queued_approvals(question.session).await.map_err(lost)?;
        // Apart from what the host or the model said meanwhile, who answered knew of all that the run has seen.
        let bare = |asked: &Asked| Asked { id: String::new(), deadline_ms: 0, seen: Label::NONE, ..asked.clone() };
        let is_same = |found: &Approval| {
            let shown = shown(found.shown.clone()).filter(|shown| bare(shown) == bare(&question.asked));
            let own = Label::of(Source::Tool).join(&Label::of(Source::Model));
            shown.is_some_and(|shown| shown.seen.join(&own).includes(&question.asked.seen))
        };
        let counts = |found: &Approval| {
            let open = matches!(found.state, ApprovalState::Waiting | ApprovalState::Allowed | ApprovalState::Denied);
            open && self.clock.now_ms() < found.deadline_ms && found.deciders == *question.deciders
        };
        Ok(left.into_iter().find(|found| counts(found) && is_same(found)).map(|found| found.id))
    }

    /// Writes a request down before anybody is asked.
    async fn request(&self, mut question: Question<'_>, waits: bool) -> Result<Request, Failure> {
        if !waits {
            question.earlier = self.left(&question).await?;
            question.call = QUEUED;
            question.asked.deadline_ms = self.clock.now_ms().saturating_add(ms(self.queued));
        }
        let mut asked = question.asked;
        let new = NewApproval {
            binding: question.binding.0,
            session: question.session.clone(),
            run: question.run.clone(),
            call_id: question.call.to_owned(),
            person: question.person.clone(),
            deciders: question.deciders.clone(),
            shown: serde_json::to_value(&asked).expect("what is asked is plain data"),
            deadline_ms: asked.deadline_ms,
        };
        let id = match question.earlier {
            Some(earlier) => {
                if let Some(found) = self.records.approval(&earlier).await.map_err(lost)? {
                    asked.deadline_ms = found.deadline_ms;
                }
                earlier
            }
            None => self.records.request_approval(&new).await.map_err(lost)?,
        };
        asked.id = id.to_string();
        Ok(Request { id, person: new.person, asked, settled: None })
    }

    /// Asks about all that is not settled, until one or more of them are.
    async fn settle(
        &self,
        requests: &mut [Request],
        approver: &dyn Approver,
        listen: &(dyn Fn(TurnEvent) + Send + Sync),
    ) -> Result<(), Failure> {
        let open: Vec<Request> = requests.iter().filter(|request| request.settled.is_none()).cloned().collect();
        let asked: Vec<Asked> = open.iter().map(|request| request.asked.clone()).collect();
        let deadline_ms = asked.iter().map(|asked| asked.deadline_ms).min().unwrap_or_default();
        // Before the first look, so that no answer comes unseen between the two.
        let mut decisions = self.records.ledger().approvals().subscribe();
        let mut prompted = approver.ask(&asked);
        let mut answered = false;
        loop {
            let mut some = false;
            for request in requests.iter_mut().filter(|request| request.settled.is_none()) {
                request.settled = self.look(&request.id).await?;
                if let Some(event) = request.decided() {
                    some = true;
                    listen(event);
                }
            }
            if some {
                return Ok(());
            }
            // A wall clock may be behind the time that was slept.
            let left = Duration::from_millis(deadline_ms.saturating_sub(self.clock.now_ms()).max(1));
            tokio::select! {
                (by, answers) = &mut prompted, if !answered => {
                    answered = true;
                    for (request, answer) in open.iter().zip(answers) {
                        self.take(&request.id, &request.asked, &request.person, answer, &by).await?;
                    }
                }
                // The ledger, which tells, is held here.
                _ = decisions.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    async fn take(
        &self,
        id: &ApprovalId,
        asked: &Asked,
        person: &PersonId,
        answer: Answer,
        by: &Decider,
    ) -> Result<(), Failure> {
        match answer_request(&self.records, id, asked, person, &answer, by).await {
            // Somebody was faster; the next look says who.
            Ok(_) | Err(DecideError::AlreadyDecided { .. }) => Ok(()),
            Err(error) => Err(Failure::own("ledger", error.to_string())),
        }
    }

    /// How the request ended, if it did.
    async fn look(&self, id: &ApprovalId) -> Result<Option<Settled>, Failure> {
        let Some(found) = self.records.approval(id).await.map_err(lost)? else {
            return Ok(Some(Settled::of_host(NOBODY, "the request is gone")));
        };
        let (by, author, reason) =
            found.verdict.map(|verdict| (verdict.by, verdict.person, verdict.reason)).unwrap_or_default();
        Ok(match found.state {
            ApprovalState::Allowed => Some(Settled::Allowed { by }),
            ApprovalState::Waiting if self.clock.now_ms() < found.deadline_ms => None,
            ApprovalState::Waiting | ApprovalState::Expired => {
                Some(Settled::of_host(DEADLINE, "nobody answered in time"))
            }
            ApprovalState::Spent => Some(Settled::of_host(&by, "the approval was used already")),
            ApprovalState::Denied | ApprovalState::Withdrawn => Some(Settled::Denied { by, author, reason }),
        })
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Records somebody's answer, and in the same step the rule that goes with "always". The first answer counts; a later one is told
/// so, and stores no rule.
pub async fn answer_request(
    records: &Records,
    id: &ApprovalId,
    asked: &Asked,
    person: &PersonId,
    answer: &Answer,
    by: &Decider,
) -> Result<Decided, DecideError> {
    let decision = match answer {
        Answer::Once => Decision::Allowed(None),
        Answer::Always => Decision::Allowed(rule_for(asked, person, by.place()).map(Box::new)),
        Answer::No(reason) => Decision::Denied(reason.clone()),
    };
    records.decide_approval(id, decision, by).await
}

/// The narrow rule that "always" stores for a request: to its destinations; else, where it only changes the
/// component's own store, in its session; else exactly its arguments. None where the labels asked: what a run has seen
/// is different each time.
pub fn rule_for(asked: &Asked, person: &PersonId, by: &str) -> Option<NewRule> {
    asked.always.as_ref()?;
    let exact = || serde_json::from_str(&asked.arguments).ok();
    let within = asked.destinations.is_empty() && asked.within_session;
    Some(NewRule {
        component: ComponentId::parse(&asked.component).ok()?,
        tool: ToolName::parse(&asked.tool).ok()?,
        destinations: asked.destinations.clone(),
        servers: asked.servers.clone(),
        arguments: if asked.destinations.is_empty() && !within { Some(exact()?) } else { None },
        session: if within { SessionId::parse(&asked.session).ok() } else { None },
        signer: asked.signer.clone(),
        person: person.clone(),
        by: by.to_owned(),
    })
}

/// Whether a stored rule covers a call of a component that this signer signed: every term it has must fit, and it has one
/// that narrows it. A rule of before signers were kept holds for what comes with the program alone: who had signed the
/// others is not known.
pub fn covers(stored: &StoredRule, call: &ToolCall, signer: &str, person: &PersonId) -> bool {
    let rule = &stored.rule;
    let arguments = rule.arguments.as_ref().map(cara_authority::tool_call::canonical);
    let narrow = !rule.destinations.is_empty() || arguments.is_some() || rule.session.is_some();
    narrow
        && rule.component == call.component
        && rule.tool == call.tool
        && rule.person == *person
        && rule.servers == call.servers
        && rule.signer.as_deref().unwrap_or(BUILT_IN) == signer
        && (rule.destinations.is_empty()
            || !call.destinations.is_empty() && call.destinations.iter().all(|to| rule.destinations.contains(to)))
        && arguments.is_none_or(|arguments| arguments == call.arguments)
        && rule.session.as_ref().is_none_or(|session| *session == call.session)
}

/// What "always" would store, in words.
pub(crate) fn always_text(asked: &Asked) -> String {
    let tool = &asked.tool;
    match &asked.destinations[..] {
        [] if asked.within_session => format!("`{tool}` in this session, whatever its arguments"),
        [] => format!("`{tool}` with exactly these arguments"),
        all => format!("`{tool}` to `{}`, whatever it says, in every session of this person", all.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rule_does_not_survive_another_signer() {
        let call = ToolCall {
            component: ComponentId::parse("post").unwrap(),
            digest: [7; 32],
            tool: ToolName::parse("post_send").unwrap(),
            arguments: "{}".into(),
            destinations: vec!["mail:me:boss".into()],
            servers: Vec::new(),
            session: SessionId::parse("s-1").unwrap(),
        };
        let person = PersonId::parse("local").unwrap();
        let rule = NewRule {
            component: call.component.clone(),
            tool: call.tool.clone(),
            destinations: call.destinations.clone(),
            servers: Vec::new(),
            arguments: None,
            session: None,
            signer: Some("3f".repeat(32)),
            person: person.clone(),
            by: "prompt".into(),
        };
        let id = cara_authority::RuleId::parse("p-aaaaaa").unwrap();
        let mut stored = StoredRule { id, rule, added_ms: 0, last_used_ms: None };
        assert!(covers(&stored, &call, &"3f".repeat(32), &person));
        assert!(!covers(&stored, &call, &"4f".repeat(32), &person) && !covers(&stored, &call, BUILT_IN, &person));
        let other = ToolCall { destinations: vec!["mail:me:evil".into()], ..call.clone() };
        assert!(!covers(&stored, &other, &"3f".repeat(32), &person));
        // A rule of before signers were kept.
        stored.rule.signer = None;
        assert!(covers(&stored, &call, BUILT_IN, &person) && !covers(&stored, &call, &"3f".repeat(32), &person));
    }
}
