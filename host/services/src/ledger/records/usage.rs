//! Budgets: what a call of a model may use is reserved before it,
//! and settled after.

use super::{Runs, fresh};
use crate::ledger::sql::{AssertSqlSafe, Number, Sql, query, query_as};
use crate::ledger::{LedgerError, to_sql};
use cara_authority::{ComponentId, PersonId, RunId};

/// For whom a model is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A run; session, person and process are the run's.
    Run(RunId),
    /// A program, which `process` lets ask for a person by a credential.
    #[allow(missing_docs, reason = "each is what its type and name say")]
    Program { process: String, person: PersonId, credential: String, tokens_per_day: Option<u64> },
}

/// One day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// The most that a call of a model will use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// For whom it is.
    pub caller: Caller,
    /// The provider.
    pub component: ComponentId,
    /// The provider's model.
    pub model: String,
    /// Tokens, in and out.
    pub tokens: u64,
    /// Millionths of a dollar; none when no price is known.
    pub micros: Option<u64>,
}

cara_authority::words! {
    /// The uses that a limit counts.
    Scope {
        /// Uses of the same run.
        Run = "run",
        /// Uses of the same session.
        Session = "session",
        /// Uses in runs for the same person.
        Person = "person",
        /// Uses by the same credential, also in runs that were begun with it.
        Credential = "credential",
        /// Uses of the same provider.
        Component = "component",
        /// All of a day; the caller says by `since_ms` when that began.
        Day = "day",
    }
}

/// What may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What counts.
    pub scope: Scope,
    /// From when on what was settled counts, Unix milliseconds. What is reserved always does.
    pub since_ms: u64,
    /// The most tokens.
    pub tokens: Option<u64>,
    /// The most millionths of a dollar. A use without a price counts as none: bound those by tokens.
    pub micros: Option<u64>,
}

/// A reservation that was made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReservationId(pub String);

/// What a call of a model did use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Tokens the model read.
    pub input: u64,
    /// Tokens it wrote.
    pub output: u64,
    /// Millionths of a dollar; none when no price is known.
    pub micros: Option<u64>,
}

/// A limit that would be passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget of the {} is {most} {unit}: {used} used, {reserved} reserved, {asked} more needed\nhint: wait for what is under way, or raise the limit in the configuration",
    .limit.scope.name()
)]
pub struct OverBudget {
    /// The limit that is reached.
    pub limit: Limit,
    /// "tokens" or "micros": what the numbers count.
    pub unit: &'static str,
    /// Used and settled.
    pub used: u64,
    /// Reserved by calls under way.
    pub reserved: u64,
    /// What this call asked for.
    pub asked: u64,
    /// The most.
    pub most: u64,
}

/// Why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// A limit would be passed.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Runs {
    /// Reserves, if with all that is used and reserved no limit is passed. Does not wait for the disk: a reservation ends
    /// with its process anyway.
    pub async fn reserve(&self, asked: &Reservation, limits: &[Limit]) -> Result<ReservationId, ReserveError> {
        let mut change = self.ledger.light_change().await?;
        let sql = &mut change.sql();
        let owner @ (process, run, session, person, credential) = &owner(sql, &asked.caller).await?;
        for limit in limits {
            check(sql, asked, owner, limit).await?;
        }
        of_credential(sql, asked, owner, self.ledger.now_ms()).await?;
        let id = fresh("u-", 16)?;
        let query = query(
            "INSERT INTO reservations (id, process, run, session, person, credential, component, model, tokens, micros, at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        );
        let query = query.bind(&id).bind(process).bind(run.clone()).bind(session.clone()).bind(person);
        let query = query.bind(credential.clone()).bind(asked.component.as_str()).bind(&asked.model);
        let query = query.bind(to_sql(asked.tokens)).bind(asked.micros.map(to_sql));
        sql.execute(query.bind(to_sql(self.ledger.now_ms()))).await?;
        change.commit().await?;
        Ok(ReservationId(id))
    }

    /// Keeps what was used in place of what was reserved; durable when it returns. A second time changes nothing.
    pub async fn settle(&self, id: &ReservationId, spent: Spent) -> Result<(), LedgerError> {
        let mut change = self.ledger.change().await?;
        settle(&mut change.sql(), id, &spent, self.ledger.now_ms()).await?;
        change.commit().await
    }

    /// Gives a reservation back: nothing was used.
    pub async fn release(&self, id: &ReservationId) -> Result<(), LedgerError> {
        let mut change = self.ledger.light_change().await?;
        change.sql().execute(query("DELETE FROM reservations WHERE id = $1").bind(&id.0)).await?;
        change.commit().await
    }
}

/// Whose a call is: the process, the run and its session, the person and the credential.
type Owner = (String, Option<String>, Option<String>, String, Option<String>);

async fn owner(sql: &mut Sql<'_>, caller: &Caller) -> Result<Owner, LedgerError> {
    let run = match caller {
        Caller::Run(run) => run,
        Caller::Program { process, person, credential, .. } => {
            return Ok((process.clone(), None, None, person.to_string(), Some(credential.clone())));
        }
    };
    let query = query_as::<Owner>(
        "SELECT runs.process, runs.id, runs.session, COALESCE(runs.person, sessions.person), runs.credential \
         FROM runs JOIN sessions ON sessions.id = runs.session WHERE runs.id = $1 AND runs.state = 'running'",
    );
    let owner = sql.one(query.bind(run.as_str())).await?;
    owner.ok_or_else(|| LedgerError::no_such("running run", run.as_str()))
}

async fn check(
    sql: &mut Sql<'_>,
    asked: &Reservation,
    (_, run, session, person, credential): &Owner,
    limit: &Limit,
) -> Result<(), ReserveError> {
    let (column, value) = match limit.scope {
        Scope::Run => ("run", run.as_deref().unwrap_or_default()),
        Scope::Session => ("session", session.as_deref().unwrap_or_default()),
        Scope::Person => ("person", &**person),
        Scope::Credential => ("credential", credential.as_deref().unwrap_or_default()),
        Scope::Component => ("component", asked.component.as_str()),
        Scope::Day => ("'all'", "all"),
    };
    let used = format!(
        "SELECT CAST(COALESCE(SUM(input + output), 0) AS BIGINT), CAST(COALESCE(SUM(micros), 0) AS BIGINT) \
         FROM usage WHERE {column} = $1 AND at_ms >= $2"
    );
    let reserved = format!(
        "SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT), CAST(COALESCE(SUM(micros), 0) AS BIGINT) \
         FROM reservations WHERE {column} = $1"
    );
    // Words of this function, and none of anybody's: nothing else is put into the texts.
    let used = query_as::<(Number, Number)>(AssertSqlSafe(used)).bind(value).bind(to_sql(limit.since_ms));
    let reserved = query_as::<(Number, Number)>(AssertSqlSafe(reserved)).bind(value);
    let (used, reserved) = (sql.one(used).await?, sql.one(reserved).await?);
    let none = (Number(0), Number(0));
    let ((used, used_micros), (reserved, reserved_micros)) = (used.unwrap_or(none), reserved.unwrap_or(none));
    within(limit, "tokens", limit.tokens, [used.0, reserved.0, asked.tokens])?;
    within(limit, "micros", limit.micros, [used_micros.0, reserved_micros.0, asked.micros.unwrap_or(0)])
}

/// Whether the credential that is asked with has as much left for today, UTC.
async fn of_credential(sql: &mut Sql<'_>, asked: &Reservation, owner: &Owner, now_ms: u64) -> Result<(), ReserveError> {
    let most = match &asked.caller {
        Caller::Run(run) => {
            let of = "SELECT credential_tokens FROM runs WHERE id = $1 AND credential_tokens IS NOT NULL";
            sql.one(query_as::<(Number,)>(of).bind(run.as_str())).await?.map(|(most,)| most.0)
        }
        Caller::Program { tokens_per_day, .. } => *tokens_per_day,
    };
    let Some(most) = most else { return Ok(()) };
    let since_ms = now_ms / DAY_MS * DAY_MS;
    let limit = Limit { scope: Scope::Credential, since_ms, tokens: Some(most), micros: None };
    check(sql, asked, owner, &limit).await
}

fn within(limit: &Limit, unit: &'static str, most: Option<u64>, counts: [u64; 3]) -> Result<(), ReserveError> {
    match most {
        Some(most) if counts.into_iter().fold(0, u64::saturating_add) > most => {
            let [used, reserved, asked] = counts;
            Err(OverBudget { limit: *limit, unit, used, reserved, asked, most }.into())
        }
        _ => Ok(()),
    }
}

/// Moves a reservation to what was used. One that is gone, settled or of a dead process, is left alone.
pub async fn settle(sql: &mut Sql<'_>, id: &ReservationId, spent: &Spent, now_ms: u64) -> Result<(), LedgerError> {
    let used = query(
        "INSERT INTO usage (id, run, session, person, credential, component, model, input, output, micros, at_ms) \
         SELECT id, run, session, person, credential, component, model, $2, $3, $4, $5 FROM reservations WHERE id = $1",
    );
    let used = used.bind(&id.0).bind(to_sql(spent.input)).bind(to_sql(spent.output));
    sql.execute(used.bind(spent.micros.map(to_sql)).bind(to_sql(now_ms))).await?;
    sql.execute(query("DELETE FROM reservations WHERE id = $1").bind(&id.0)).await.map(drop)
}
