//! Questions to a person, answered once and spent once.

use super::calls::CallState;
use super::calls::binding;
use super::seal::{Seal, Spot};
use super::{NewRule, QUEUED, RunState, Runs, untaken};
use crate::ledger::sql::{As, Number, Sql, query, query_as};
use crate::ledger::{Change, LedgerError, to_sql};
use cara_authority::{
    ApprovalId, Decider, Deciders, Needed, PersonId, PersonRole, RuleId, RunId, SessionId, display_safe,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

cara_authority::words! {
    /// How far a question is.
    ApprovalState {
        /// Nobody has answered.
        Waiting = "waiting",
        /// It was allowed, and not yet spent.
        Allowed = "allowed",
        /// The request was refused.
        Denied = "denied",
        /// Nobody answered before the deadline: refused.
        Expired = "expired",
        /// Its run ended before it was spent.
        Withdrawn = "withdrawn",
        /// It was allowed, and its call began.
        Spent = "spent",
    }
}

/// After the answer an approval can be spent for this long, or until the deadline of the question if that is later.
const USE_MS: u64 = 15 * 60 * 1000;

/// What a person is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewApproval {
    /// What the answer holds for, and nothing else; kept only as a MAC.
    pub binding: [u8; 32],
    /// In which session.
    pub session: SessionId,
    /// In which run.
    pub run: RunId,
    /// For which call.
    pub call_id: String,
    /// Whose session it is.
    pub person: PersonId,
    /// Who may decide.
    pub deciders: Deciders,
    /// All that is shown to who decides; its form is the caller's.
    pub shown: Value,
    /// When no answer is a refusal, Unix milliseconds.
    pub deadline_ms: u64,
}

/// A question as it stands, whole and opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// The request's id, `a-` and six characters.
    pub id: ApprovalId,
    /// In which session.
    pub session: SessionId,
    /// In which run.
    pub run: RunId,
    /// For which call.
    pub call_id: String,
    /// Whose session it is.
    pub person: PersonId,
    /// Who may decide; in a request of before that was kept, the person.
    pub deciders: Deciders,
    /// Whether the file says who may decide.
    has_deciders: bool,
    /// Those who said yes so far.
    pub agreed: BTreeSet<PersonId>,
    /// What is shown to who decides.
    pub shown: Value,
    /// How far it is, at this moment.
    pub state: ApprovalState,
    /// The answer, when there is one.
    pub verdict: Option<Verdict>,
    /// When it was asked, Unix milliseconds.
    pub asked_ms: u64,
    /// When no answer is a refusal.
    pub deadline_ms: u64,
    /// When it was spent.
    pub spent_ms: Option<u64>,
    /// What it is bound to, as it stands in the file.
    binding: Vec<u8>,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Once, exactly this; and from now on what the rule says, which is stored with the answer or not at all.
    Allowed(Option<Box<NewRule>>),
    /// No, and why, for the model.
    Denied(Option<String>),
}

/// An answer that was kept. It is sealed: nobody gives one without the content key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// `Allowed`, `Denied` or `Expired`.
    pub what: ApprovalState,
    /// The door or deadline that decided.
    pub by: String,
    /// The person who decided; none where the deadline did, or a cara of before that was kept.
    #[serde(default)]
    pub person: Option<PersonId>,
    /// Why.
    pub reason: Option<String>,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Until when an allowed one can be spent.
    pub use_by_ms: u64,
}

/// A decision that counts: the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// In which session.
    pub session: SessionId,
    /// In which run.
    pub run: RunId,
    /// For which call.
    pub call_id: String,
    /// The answer; none while others have to agree.
    pub verdict: Option<Verdict>,
}

/// Why a decision does not count.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Another one came first, or the deadline.
    #[error(
        "the approval is {what} already, by {by}\nhint: only the first answer counts; for another, ask for the call again in the conversation"
    )]
    AlreadyDecided {
        /// How it stands now.
        what: ApprovalState,
        /// The door or deadline that decided.
        by: String,
        /// When, Unix milliseconds.
        at_ms: u64,
    },
    /// Somebody else has to decide.
    #[error("`{person}` may not decide this request\nhint: {} may", .deciders.join(" or "))]
    NotYours {
        /// Who tried.
        person: PersonId,
        /// Who may.
        deciders: Vec<String>,
    },
    /// A rule would answer what several people have to agree on, or in the place of somebody else.
    #[error("no rule may answer this request: {0}\nhint: allow it once")]
    NoRule(&'static str),
    /// Nobody asked that.
    #[error("there is no approval `{0}`\nhint: `cara approvals list` shows what waits")]
    NoSuch(ApprovalId),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a call may not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartRefused {
    /// The stored rule that let it run is gone.
    #[error("the rule `{0}` was revoked meanwhile\nhint: ask for the call again; a person decides then")]
    Rule(RuleId),
    /// It began before, ended, or was never allowed.
    #[error("the call is {0} and cannot begin\nhint: `cara explain` shows what happened in its run")]
    Call(CallState),
    /// The run of the request ended.
    #[error("the run is {0} and begins nothing more\nhint: send the message again")]
    Run(RunState),
    /// A person was asked about it, and no answer is spent on it.
    #[error("the call needs the approval that was asked for\nhint: `cara approvals list` shows what waits")]
    NeedsApproval,
    /// The approval does not allow this now.
    #[error("the approval is {0} and cannot be spent\nhint: ask for a new one")]
    Approval(ApprovalState),
    /// The approval is of another call, session or binding.
    #[error(
        "the approval is for something else\nhint: what is called was changed after it was given; ask for a new one"
    )]
    OtherApproval,
    /// It leaves something behind: it is begun one at a time, and never twice.
    #[error(
        "the call leaves something behind and may have done so already\nhint: look whether it did before asking for it again"
    )]
    Lasting,
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Runs {
    /// Asks; durable when it returns.
    pub async fn request_approval(&self, new: &NewApproval) -> Result<ApprovalId, LedgerError> {
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let id = untaken(sql, "a-", "SELECT CAST(1 AS BIGINT) FROM approvals WHERE id = $1").await?;
        let asked = Approval {
            id: ApprovalId::parse(&id).expect("base32 after a letter is an id"),
            session: new.session.clone(),
            run: new.run.clone(),
            call_id: new.call_id.clone(),
            person: new.person.clone(),
            deciders: new.deciders.clone(),
            has_deciders: true,
            agreed: BTreeSet::new(),
            shown: Value::Null,
            state: ApprovalState::Waiting,
            verdict: None,
            asked_ms: self.ledger.now_ms(),
            deadline_ms: new.deadline_ms,
            spent_ms: None,
            binding: binding(&self.seal, &new.binding).to_vec(),
        };
        let shown = asked.with("shown", |spot| self.seal.seal_json(spot, &new.shown))?;
        let query = query(
            "INSERT INTO approvals (id, session, run, call_id, person, binding, shown, state, asked_ms, deadline_ms, \
             deciders) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9, $10)",
        );
        let query = query.bind(asked.id.as_str()).bind(asked.session.as_str()).bind(asked.run.as_str());
        let query = query.bind(&asked.call_id).bind(asked.person.as_str()).bind(&asked.binding).bind(shown);
        let query = query.bind(to_sql(asked.asked_ms)).bind(to_sql(asked.deadline_ms));
        sql.execute(query.bind(asked.deciders_text())).await?;
        change.commit().await?;
        Ok(asked.id)
    }

    /// Answers for somebody who may decide. The first no and the last yes that is needed count; after the deadline nothing
    /// does, and the question has expired.
    pub async fn decide_approval(
        &self,
        id: &ApprovalId,
        decision: Decision,
        by: &Decider,
    ) -> Result<Decided, DecideError> {
        // Those who come late need not wait for those who write.
        self.undecided(&mut self.ledger.reader().await?.sql(), id).await?;
        let mut change = self.ledger.change().await?;
        let approval = self.undecided(&mut change.sql(), id).await?;
        let roles = self.deciding(&mut change.sql()).await?;
        let now_ms = self.ledger.now_ms();
        let expired = approval.state == ApprovalState::Expired || now_ms >= approval.deadline_ms;
        if !expired {
            approval.check(by, &decision, &roles)?;
        }
        let mut agreed = approval.agreed.clone();
        agreed.insert(by.person().clone());
        let is_enough = approval.deciders.are_satisfied(&agreed, &roles);
        if !expired && !is_enough && matches!(decision, Decision::Allowed(_)) {
            return self.agree(change, approval, &agreed, by).await;
        }
        let rule = if let Decision::Allowed(rule) = &decision { rule.clone() } else { None };
        let verdict = match decision {
            _ if expired => approval.expired(),
            Decision::Allowed(_) => approval.verdict_at(now_ms, ApprovalState::Allowed, by, None),
            Decision::Denied(reason) => approval.verdict_at(now_ms, ApprovalState::Denied, by, reason),
        };
        let sealed = approval.with("verdict", |spot| self.seal.seal_json(spot, &verdict))?;
        let query = query("UPDATE approvals SET state = $2, verdict = $3 WHERE id = $1 AND state = 'waiting'");
        if change.sql().execute(query.bind(id.as_str()).bind(verdict.what.name()).bind(sealed)).await? == 0 {
            // It expired with its run.
            return Err(verdict.already(ApprovalState::Expired));
        }
        let Approval { session, run, call_id, .. } = approval;
        let detail = json!({
            "what": verdict.what, "by": verdict.by, "person": verdict.person, "session": session, "run": run,
            "call": call_id,
        });
        change.event("approval-decided", id.as_str(), detail).await?;
        if let Some(rule) = rule.filter(|_| !expired) {
            self.add_rule(&mut change, &rule).await?;
        }
        change.answers().await?;
        change.commit().await?;
        match expired {
            true => Err(verdict.already(ApprovalState::Expired)),
            false => Ok(Decided { session, run, call_id, verdict: Some(verdict) }),
        }
    }

    /// Keeps a yes that is not enough alone.
    async fn agree(
        &self,
        mut change: Change<'_>,
        approval: Approval,
        agreed: &BTreeSet<PersonId>,
        by: &Decider,
    ) -> Result<Decided, DecideError> {
        let sealed = approval.with("agreed", |spot| self.seal.seal_json(spot, agreed))?;
        let query = query("UPDATE approvals SET agreed = $2 WHERE id = $1 AND state = 'waiting'");
        change.sql().execute(query.bind(approval.id.as_str()).bind(sealed)).await?;
        let detail = json!({ "by": display_safe(by.place()), "person": by.person() });
        change.event("approval-agreed", approval.id.as_str(), detail).await?;
        change.commit().await?;
        let Approval { session, run, call_id, .. } = approval;
        Ok(Decided { session, run, call_id, verdict: None })
    }

    /// A question that nobody has answered; one past its deadline expires with the first who tries.
    async fn undecided(&self, sql: &mut Sql<'_>, id: &ApprovalId) -> Result<Approval, DecideError> {
        let found = self.read_approval(sql, id).await?.ok_or_else(|| DecideError::NoSuch(id.clone()))?;
        match (&found.verdict, found.state) {
            (None, ApprovalState::Waiting | ApprovalState::Expired) => Ok(found),
            (Some(verdict), what) => Err(verdict.already(what)),
            (None, what) => {
                Err(DecideError::AlreadyDecided { what, by: "the end of its run".into(), at_ms: found.asked_ms })
            }
        }
    }

    /// A question.
    pub async fn read_approval(&self, sql: &mut Sql<'_>, id: &ApprovalId) -> Result<Option<Approval>, LedgerError> {
        let query = query_as::<ApprovalRow>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms, \
             deciders, agreed FROM approvals WHERE id = $1",
        );
        let row = sql.one(query.bind(id.as_str())).await?;
        row.map(|row| Approval::open(row, &self.seal, self.ledger.now_ms())).transpose()
    }
}

/// A row of the table, its columns in their order.
pub type ApprovalRow = (
    As<ApprovalId>,
    As<SessionId>,
    As<RunId>,
    String,
    As<PersonId>,
    Vec<u8>,
    Vec<u8>,
    As<ApprovalState>,
    Option<Vec<u8>>,
    Number,
    Number,
    Option<Number>,
    Option<String>,
    Option<Vec<u8>>,
);

impl Approval {
    /// Opens what is sealed in a row.
    pub fn open(row: ApprovalRow, seal: &Seal, now_ms: u64) -> Result<Self, LedgerError> {
        let (
            id,
            session,
            run,
            call_id,
            person,
            binding,
            shown,
            state,
            verdict,
            asked,
            deadline,
            spent,
            deciders,
            agreed,
        ) = row;
        let (asked_ms, deadline_ms, spent_ms) = (asked.0, deadline.0, spent.map(|ms| ms.0));
        let late = state.0 == ApprovalState::Waiting && now_ms >= deadline_ms;
        let mut open = Self {
            id: id.0,
            session: session.0,
            run: run.0,
            call_id,
            has_deciders: deciders.is_some(),
            deciders: Deciders::only(person.0.clone()),
            person: person.0,
            agreed: BTreeSet::new(),
            shown: Value::Null,
            state: if late { ApprovalState::Expired } else { state.0 },
            verdict: None,
            asked_ms,
            deadline_ms,
            spent_ms,
            binding,
        };
        if let Some(deciders) = deciders {
            let read = serde_json::from_str(&deciders);
            open.deciders = read.map_err(|_| open.with("deciders", |spot| seal.tampered(spot)))?;
        }
        open.shown = open.with("shown", |spot| seal.open_json(spot, shown))?;
        open.verdict = open.with("verdict", |spot| seal.open_maybe(spot, verdict))?;
        open.agreed = open.with("agreed", |spot| seal.open_maybe(spot, agreed))?.unwrap_or_default();
        Ok(open)
    }

    /// What the sealed columns of the question are sealed with: they hold for nothing else, and who may decide cannot be
    /// changed or taken out in the file.
    fn with<T>(&self, column: &'static str, with: impl FnOnce(Spot<'_>) -> T) -> T {
        let Self { id, session, run, call_id, person, .. } = self;
        let (binding, deadline) = (hex::encode(&self.binding), self.deadline_ms.to_string());
        let deciders = self.has_deciders.then(|| self.deciders_text());
        let row = [id.as_str(), session.as_str(), run.as_str(), call_id, person.as_str(), &binding, &deadline];
        let row: Vec<&str> = row.into_iter().chain(deciders.as_deref()).collect();
        with(Spot { table: "approvals", column, row: &row })
    }

    /// Whether all whose yes it took may still decide, by the roles of those who may decide anything.
    pub fn stands(&self, roles: &BTreeMap<PersonId, PersonRole>) -> bool {
        let by = self.verdict.iter().filter_map(|verdict| verdict.person.clone());
        self.deciders.are_satisfied(&self.agreed.iter().cloned().chain(by).collect(), roles)
    }

    fn deciders_text(&self) -> String {
        serde_json::to_string(&self.deciders).expect("a set of ids and a word make JSON")
    }

    fn verdict_at(&self, at_ms: u64, what: ApprovalState, by: &Decider, reason: Option<String>) -> Verdict {
        let (by, person) = (display_safe(by.place()), Some(by.person().clone()));
        Verdict { what, by, person, reason, at_ms, use_by_ms: self.deadline_ms.max(at_ms + USE_MS) }
    }

    fn expired(&self) -> Verdict {
        let (what, at_ms) = (ApprovalState::Expired, self.deadline_ms);
        Verdict { what, by: "the deadline".to_owned(), person: None, reason: None, at_ms, use_by_ms: at_ms }
    }

    /// Whether this person may say this, by the roles that people have now.
    fn check(
        &self,
        by: &Decider,
        decision: &Decision,
        roles: &BTreeMap<PersonId, PersonRole>,
    ) -> Result<(), DecideError> {
        let role = roles.get(by.person()).filter(|_| self.deciders.persons.contains(by.person()));
        let Some(role) = role else {
            let deciders = self.deciders.persons.iter().map(|person| format!("`{person}`")).collect();
            return Err(DecideError::NotYours { person: by.person().clone(), deciders });
        };
        match decision {
            Decision::Allowed(Some(_)) if self.deciders.needed != Needed::Any => {
                Err(DecideError::NoRule("several people have to agree on it"))
            }
            Decision::Allowed(Some(rule)) if rule.person != *by.person() && *role != PersonRole::Owner => {
                Err(DecideError::NoRule("it would answer for somebody else"))
            }
            _ => Ok(()),
        }
    }
}

impl Verdict {
    fn already(&self, what: ApprovalState) -> DecideError {
        DecideError::AlreadyDecided { what, by: self.by.clone(), at_ms: self.at_ms }
    }
}

/// An approval that is to be spent on a call.
pub(super) struct Spend<'a> {
    pub(super) approval: &'a ApprovalId,
    pub(super) session: &'a SessionId,
    pub(super) run: &'a RunId,
    pub(super) call_id: &'a str,
    /// As it stands in the file.
    pub(super) binding: &'a [u8; 32],
}

impl Spend<'_> {
    /// Spends it, if it is what it has to be.
    pub(super) async fn spend(&self, sql: &mut Sql<'_>, runs: &Runs) -> Result<(), StartRefused> {
        let found = runs.read_approval(sql, self.approval).await?;
        let found = found.ok_or_else(|| LedgerError::no_such("approval", self.approval.as_str()))?;
        let own = found.call_id == QUEUED || found.run == *self.run && found.call_id == self.call_id;
        if found.session != *self.session || !own || found.binding != self.binding {
            return Err(StartRefused::OtherApproval);
        }
        if found.state != ApprovalState::Allowed {
            return Err(StartRefused::Approval(found.state));
        }
        // The word in the file is not enough: who gave the answer had the key.
        let now_ms = runs.ledger.now_ms();
        match found.verdict.as_ref().map(|verdict| (verdict.what, now_ms >= verdict.use_by_ms)) {
            Some((ApprovalState::Allowed, false)) => {}
            Some((ApprovalState::Allowed, true)) => return Err(StartRefused::Approval(ApprovalState::Expired)),
            Some((what, _)) => return Err(StartRefused::Approval(what)),
            None => return Err(StartRefused::Approval(ApprovalState::Waiting)),
        }
        // Nor is the answer of somebody who may decide nothing any more.
        if !found.stands(&runs.deciding(sql).await?) {
            return Err(StartRefused::Approval(ApprovalState::Withdrawn));
        }
        let query = query("UPDATE approvals SET state = 'spent', spent_ms = $2 WHERE id = $1 AND state = 'allowed'");
        sql.execute(query.bind(self.approval.as_str()).bind(to_sql(now_ms))).await?;
        Ok(())
    }
}
