//! What was used, summed up.

use super::Records;
use cara_authority::SessionId;
use cara_services::ledger::sql::{Number, query_as};
use cara_services::ledger::{LedgerError, to_sql};

/// The group of calls that belong to no run, since a program made them.
pub const PROGRAMS: &str = "(programs)";

/// By what uses are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// By days of UTC; the group is the Unix time of the day's begin, in milliseconds.
    Day,
    /// By session; the group of those that were deleted is empty, and that of calls by programs [`PROGRAMS`].
    Session,
    /// By run; the group of those that were deleted is empty, and that of calls by programs [`PROGRAMS`].
    Run,
    /// By the credential of a program; the group of runs is empty.
    Credential,
    /// By the person whom the runs were for.
    Person,
    /// By provider.
    Component,
    /// By model, as `component/model`.
    Model,
}

/// What a group used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageTotal {
    /// The day, provider, model or person that is counted.
    pub group: String,
    /// How many calls of a model.
    pub calls: u64,
    /// Tokens the models read.
    pub input: u64,
    /// Tokens they wrote.
    pub output: u64,
    /// Millionths of a dollar, of those whose price was known.
    pub micros: u64,
    /// How many calls had no known price.
    pub unpriced: u64,
}

type Row = (String, Number, Number, Number, Number, Number);

impl Records {
    /// The model that a conversation is answered by, as `component:model`. Of a conversation of before that was kept, it is
    /// the first that its last run called, since what judges texts is called after it.
    pub async fn model(&self, session: &SessionId) -> Result<Option<String>, LedgerError> {
        let kept = query_as::<(Option<String>,)>("SELECT model FROM sessions WHERE id = $1");
        let kept = self.ledger.reader().await?.sql().one(kept.bind(session.as_str())).await?;
        if let Some((Some(model),)) = kept {
            return Ok(Some(model));
        }
        let query = query_as::<(String, String)>(
            "SELECT component, model FROM usage WHERE session = $1 AND run = (SELECT run FROM usage \
             WHERE session = $1 AND run IS NOT NULL ORDER BY at_ms DESC, id LIMIT 1) ORDER BY at_ms, id LIMIT 1",
        );
        let row = self.ledger.reader().await?.sql().one(query.bind(session.as_str())).await?;
        Ok(row.map(|(component, model)| format!("{component}:{model}")))
    }

    /// What was used since then, summed up by group, the group that was used first first.
    pub async fn usage(&self, since_ms: u64, by: UsageBy) -> Result<Vec<UsageTotal>, LedgerError> {
        macro_rules! totals {
            ($group:literal) => {
                concat!(
                    "SELECT ",
                    $group,
                    " AS part, COUNT(*), CAST(SUM(input) AS BIGINT), CAST(SUM(output) AS BIGINT), \
                     CAST(COALESCE(SUM(micros), 0) AS BIGINT), COUNT(*) - COUNT(micros) \
                     FROM usage WHERE at_ms >= $1 GROUP BY part ORDER BY MIN(at_ms), part"
                )
            };
        }
        let query = query_as::<Row>(match by {
            UsageBy::Day => totals!("CAST(at_ms / 86400000 * 86400000 AS TEXT)"),
            UsageBy::Session => {
                totals!("COALESCE(session, CASE WHEN credential IS NULL THEN '' ELSE '(programs)' END)")
            }
            UsageBy::Run => totals!("COALESCE(run, CASE WHEN credential IS NULL THEN '' ELSE '(programs)' END)"),
            UsageBy::Credential => totals!("COALESCE(credential, '')"),
            UsageBy::Person => totals!("person"),
            UsageBy::Component => totals!("component"),
            UsageBy::Model => totals!("component || '/' || model"),
        });
        let rows = self.ledger.reader().await?.sql().all(query.bind(to_sql(since_ms))).await?;
        let read = |(group, calls, input, output, micros, unpriced): Row| {
            let (calls, input, output) = (calls.0, input.0, output.0);
            UsageTotal { group, calls, input, output, micros: micros.0, unpriced: unpriced.0 }
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
