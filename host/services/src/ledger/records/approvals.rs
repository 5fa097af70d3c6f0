//! Questions to a person, answered once and spent once.

use super::calls::binding;
use super::columns::words;
use super::seal::{Seal, Spot};
use super::starts::StartRefused;
use super::{Runs, fresh};
use crate::ledger::sql::{As, Number, Sql};
use crate::ledger::{LedgerError, shown, to_sql};
use cara_authority::{ApprovalId, PersonId, RunId, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

words! {
    /// How far a question is.
    ApprovalState {
        /// Nobody has answered.
        Waiting = "waiting",
        /// It was allowed, and not yet spent.
        Allowed = "allowed",
        /// It was refused.
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
    /// Who asks, that is, whose session it is.
    pub person: PersonId,
    /// All that is shown to who decides; its form is the caller's.
    pub shown: Value,
    /// When no answer is a refusal, Unix milliseconds.
    pub deadline_ms: u64,
}

/// A question as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Its id, `a-` and six characters.
    pub id: ApprovalId,
    /// In which session.
    pub session: SessionId,
    /// In which run.
    pub run: RunId,
    /// For which call.
    pub call_id: String,
    /// Whose session it is.
    pub person: PersonId,
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
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Once, exactly this.
    Allowed,
    /// No, and why, for the model.
    Denied(Option<String>),
}

/// An answer that was kept. It is sealed: nobody gives one without the content key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// `Allowed`, `Denied` or `Expired`.
    pub what: ApprovalState,
    /// Who decided.
    pub by: String,
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
    /// The answer.
    pub verdict: Verdict,
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
        /// Who decided.
        by: String,
        /// When, Unix milliseconds.
        at_ms: u64,
    },
    /// Nobody asked that.
    #[error("there is no approval `{0}`\nhint: `cara approvals list` shows what waits")]
    NoSuch(ApprovalId),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Runs {
    /// Asks; durable when it returns.
    pub async fn request_approval(&self, new: &NewApproval) -> Result<ApprovalId, LedgerError> {
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let id = fresh_id(sql).await?;
        let bound = binding(&self.seal, &new.binding);
        let key = Key {
            id: &id,
            session: &new.session,
            run: &new.run,
            call_id: &new.call_id,
            person: &new.person,
            binding: &bound,
            deadline_ms: new.deadline_ms,
        };
        let shown = key.with("shown", |spot| self.seal.seal_json(spot, &new.shown))?;
        let query = sqlx::query(
            "INSERT INTO approvals (id, session, run, call_id, person, binding, shown, state, asked_ms, deadline_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9)",
        );
        let query = query.bind(id.as_str()).bind(new.session.as_str()).bind(new.run.as_str()).bind(&new.call_id);
        let query = query.bind(new.person.as_str()).bind(&bound[..]).bind(shown);
        sql.execute(query.bind(to_sql(self.ledger.now_ms())).bind(to_sql(new.deadline_ms))).await?;
        bump_approvals(sql).await?;
        change.commit().await?;
        Ok(id)
    }

    /// Answers. The first answer counts; after the deadline none does, and the question has expired.
    pub async fn decide_approval(&self, id: &ApprovalId, decision: Decision, by: &str) -> Result<Decided, DecideError> {
        // Those who come late need not wait for those who write.
        let before = self.approval(id).await?.ok_or_else(|| DecideError::NoSuch(id.clone()))?;
        if let Some(late) = before.late() {
            return Err(late);
        }
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let now_ms = self.ledger.now_ms();
        let stored = Stored::read(sql, id).await?.ok_or_else(|| DecideError::NoSuch(id.clone()))?;
        let waits = stored.state == ApprovalState::Waiting;
        let expired = waits && now_ms >= stored.deadline_ms;
        let approval = stored.clone().open(&self.seal, now_ms)?;
        let verdict = match decision {
            _ if !waits => return Err(approval.late().unwrap_or_else(|| approval.expiry().already(approval.state))),
            _ if expired => approval.expiry(),
            Decision::Allowed => approval.verdict_at(now_ms, ApprovalState::Allowed, by, None),
            Decision::Denied(reason) => approval.verdict_at(now_ms, ApprovalState::Denied, by, reason),
        };
        let sealed = stored.key().with("verdict", |spot| self.seal.seal_json(spot, &verdict))?;
        let query = sqlx::query("UPDATE approvals SET state = $2, verdict = $3 WHERE id = $1 AND state = 'waiting'");
        sql.execute(query.bind(id.as_str()).bind(verdict.what.name()).bind(sealed)).await?;
        bump_approvals(sql).await?;
        let (session, run, call_id) = (approval.session, approval.run, approval.call_id);
        let detail = json!({ "what": verdict.what, "by": verdict.by, "session": session, "run": run, "call": call_id });
        change.event("approval-decided", id.as_str(), detail).await?;
        change.commit().await?;
        match expired {
            true => Err(verdict.already(ApprovalState::Expired)),
            false => Ok(Decided { session, run, call_id, verdict }),
        }
    }

    /// The questions that wait for an answer and are not past their deadline, the first first.
    pub async fn waiting_approvals(&self) -> Result<Vec<Approval>, LedgerError> {
        let now_ms = self.ledger.now_ms();
        let query = sqlx::query_as::<_, Row>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms \
             FROM approvals WHERE state = 'waiting' AND deadline_ms > $1 ORDER BY asked_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(to_sql(now_ms))).await?;
        rows.into_iter().map(|row| Stored::from(row).open(&self.seal, now_ms)).collect()
    }

    /// A question.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, LedgerError> {
        let stored = Stored::read(&mut self.ledger.reader().await?.sql(), id).await?;
        stored.map(|stored| stored.open(&self.seal, self.ledger.now_ms())).transpose()
    }

    /// All questions of a run, the first first.
    pub async fn approvals_of(&self, run: &RunId) -> Result<Vec<Approval>, LedgerError> {
        let query = sqlx::query_as::<_, Row>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms \
             FROM approvals WHERE run = $1 ORDER BY asked_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(run.as_str())).await?;
        rows.into_iter().map(|row| Stored::from(row).open(&self.seal, self.ledger.now_ms())).collect()
    }

    /// A number that grows whenever a question is asked, answered, spent or withdrawn, by whatever process. Reading one
    /// row, it is cheap enough to ask for many times a second while something waits.
    pub async fn approvals_version(&self) -> Result<u64, LedgerError> {
        let query = sqlx::query_as::<_, (Number,)>("SELECT revision FROM revisions WHERE name = 'approvals'");
        Ok(self.ledger.reader().await?.sql().one(query).await?.map_or(0, |(revision,)| revision.0))
    }
}

impl Approval {
    fn verdict_at(&self, at_ms: u64, what: ApprovalState, by: &str, reason: Option<String>) -> Verdict {
        Verdict { what, by: shown(by), reason, at_ms, use_by_ms: self.deadline_ms.max(at_ms + USE_MS) }
    }

    fn expiry(&self) -> Verdict {
        self.verdict_at(self.deadline_ms, ApprovalState::Expired, "the deadline", None)
    }

    /// What is told to somebody whose answer comes too late.
    fn late(&self) -> Option<DecideError> {
        match (&self.verdict, self.state) {
            // One that nobody has answered expires with the first who tries.
            (None, ApprovalState::Waiting | ApprovalState::Expired) => None,
            (Some(verdict), what) => Some(verdict.already(what)),
            (None, what) => {
                Some(DecideError::AlreadyDecided { what, by: "the end of its run".into(), at_ms: self.asked_ms })
            }
        }
    }
}

impl Verdict {
    fn already(&self, what: ApprovalState) -> DecideError {
        DecideError::AlreadyDecided { what, by: self.by.clone(), at_ms: self.at_ms }
    }
}

async fn fresh_id(sql: &mut Sql<'_>) -> Result<ApprovalId, LedgerError> {
    loop {
        let id = fresh("a-", 6)?;
        let taken = sqlx::query_as::<_, (i64,)>("SELECT CAST(1 AS BIGINT) FROM approvals WHERE id = $1").bind(&id);
        if sql.one(taken).await?.is_none() {
            return Ok(ApprovalId::parse(&id).expect("base32 after a letter is an id"));
        }
    }
}

/// What the sealed columns of a question are sealed with: they hold for nothing else.
struct Key<'a> {
    id: &'a ApprovalId,
    session: &'a SessionId,
    run: &'a RunId,
    call_id: &'a str,
    person: &'a PersonId,
    binding: &'a [u8],
    deadline_ms: u64,
}

impl Key<'_> {
    fn with<T>(&self, column: &'static str, with: impl FnOnce(Spot<'_>) -> T) -> T {
        let Self { id, session, run, call_id, person, .. } = self;
        let (binding, deadline) = (hex::encode(self.binding), self.deadline_ms.to_string());
        let row = [id.as_str(), session.as_str(), run.as_str(), call_id, person.as_str(), &binding, &deadline];
        with(Spot { table: "approvals", column, row: &row })
    }
}

type Row = (
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
);

#[derive(Clone)]
struct Stored {
    id: ApprovalId,
    session: SessionId,
    run: RunId,
    call_id: String,
    person: PersonId,
    binding: Vec<u8>,
    shown: Vec<u8>,
    state: ApprovalState,
    verdict: Option<Vec<u8>>,
    asked_ms: u64,
    deadline_ms: u64,
    spent_ms: Option<u64>,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        let (id, session, run, call_id, person, binding, shown, state, verdict, asked, deadline, spent) = row;
        let (id, session, run, person, state) = (id.0, session.0, run.0, person.0, state.0);
        let (asked_ms, deadline_ms, spent_ms) = (asked.0, deadline.0, spent.map(|ms| ms.0));
        Self { id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms }
    }
}

impl Stored {
    async fn read(sql: &mut Sql<'_>, id: &ApprovalId) -> Result<Option<Self>, LedgerError> {
        let query = sqlx::query_as::<_, Row>(
            "SELECT id, session, run, call_id, person, binding, shown, state, verdict, asked_ms, deadline_ms, spent_ms \
             FROM approvals WHERE id = $1",
        );
        Ok(sql.one(query.bind(id.as_str())).await?.map(Self::from))
    }

    fn key(&self) -> Key<'_> {
        let Self { id, session, run, call_id, person, binding, deadline_ms, .. } = self;
        Key { id, session, run, call_id, person, binding, deadline_ms: *deadline_ms }
    }

    fn verdict(&self, seal: &Seal) -> Result<Option<Verdict>, LedgerError> {
        self.key().with("verdict", |spot| seal.open_maybe(spot, self.verdict.clone()))
    }

    fn open(self, seal: &Seal, now_ms: u64) -> Result<Approval, LedgerError> {
        let verdict = self.verdict(seal)?;
        let shown = self.key().with("shown", |spot| seal.open_json(spot, self.shown.clone()))?;
        let late = self.state == ApprovalState::Waiting && now_ms >= self.deadline_ms;
        let state = if late { ApprovalState::Expired } else { self.state };
        let Self { id, session, run, call_id, person, asked_ms, deadline_ms, spent_ms, .. } = self;
        Ok(Approval { id, session, run, call_id, person, shown, state, verdict, asked_ms, deadline_ms, spent_ms })
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
    pub(super) async fn spend(&self, sql: &mut Sql<'_>, seal: &Seal, now_ms: u64) -> Result<(), StartRefused> {
        let stored = Stored::read(sql, self.approval).await?;
        let stored = stored.ok_or_else(|| LedgerError::no_such("approval", self.approval.as_str()))?;
        let same = stored.session == *self.session && stored.run == *self.run && stored.call_id == self.call_id;
        if !same || stored.binding != self.binding {
            return Err(StartRefused::OtherApproval);
        }
        if stored.state != ApprovalState::Allowed {
            return Err(StartRefused::Approval(stored.state));
        }
        // The word in the file is not enough: who gave the answer had the key.
        match stored.verdict(seal)? {
            Some(verdict) if verdict.what != ApprovalState::Allowed => {
                return Err(StartRefused::Approval(verdict.what));
            }
            Some(verdict) if now_ms >= verdict.use_by_ms => return Err(StartRefused::Approval(ApprovalState::Expired)),
            Some(_) => {}
            None => return Err(StartRefused::Approval(ApprovalState::Waiting)),
        }
        let query =
            sqlx::query("UPDATE approvals SET state = 'spent', spent_ms = $2 WHERE id = $1 AND state = 'allowed'");
        sql.execute(query.bind(self.approval.as_str()).bind(to_sql(now_ms))).await?;
        bump_approvals(sql).await?;
        Ok(())
    }
}

/// Says to those who wait that approvals changed.
pub async fn bump_approvals(sql: &mut Sql<'_>) -> Result<(), LedgerError> {
    sql.execute(sqlx::query("UPDATE revisions SET revision = revision + 1 WHERE name = 'approvals'")).await.map(drop)
}
