//! What a person allowed for good: narrow, listed, revocable.

use super::seal::Spot;
use super::{Runs, untaken};
use crate::ledger::sql::{As, Number, query, query_as};
use crate::ledger::{Change, LedgerError, to_sql};
use cara_authority::{ComponentId, PersonId, RuleId, SessionId, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is allowed from now on without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRule {
    /// Calls of this component.
    pub component: ComponentId,
    /// Of this tool of it.
    pub tool: ToolName,
    /// Toward these destinations and no other; any when there are none.
    pub destinations: Vec<String>,
    /// While settings of the component name these servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// With exactly these arguments; any when none.
    pub arguments: Option<Value>,
    /// In this session; any of the person's when none. The rule goes with the session.
    pub session: Option<SessionId>,
    /// As long as this key or identity signs the component; none in a rule of before that was kept.
    #[serde(default)]
    pub signer: Option<String>,
    /// In the sessions of this person.
    pub person: PersonId,
    /// The door through which a person allowed it.
    pub by: String,
}

/// A rule that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRule {
    /// The rule's id, `p-` and six characters.
    pub id: RuleId,
    /// The calls that the rule allows.
    pub rule: NewRule,
    /// When it was added, Unix milliseconds.
    pub added_ms: u64,
    /// When it last allowed something.
    pub last_used_ms: Option<u64>,
}

fn spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "rules", column: "terms", row }
}

impl Runs {
    /// Adds a rule, with an event, in a change that may do more.
    pub async fn add_rule(&self, change: &mut Change<'_>, rule: &NewRule) -> Result<RuleId, LedgerError> {
        let id = untaken(&mut change.sql(), "p-", "SELECT CAST(1 AS BIGINT) FROM rules WHERE id = $1").await?;
        let id = RuleId::parse(&id).expect("base32 after a letter is an id");
        let terms = self.seal.seal_json(spot(&[id.as_str()]), rule)?;
        let query = query("INSERT INTO rules (id, session, terms, added_ms) VALUES ($1, $2, $3, $4)");
        let query = query.bind(id.as_str()).bind(rule.session.as_ref().map(SessionId::as_str)).bind(terms);
        change.sql().execute(query.bind(to_sql(self.ledger.now_ms()))).await?;
        let detail = json!({
            "component": rule.component, "tool": rule.tool, "session": rule.session, "person": rule.person, "by": rule.by,
            "any_destination": rule.destinations.is_empty(), "any_arguments": rule.arguments.is_none(),
        });
        change.event("rule-added", id.as_str(), detail).await?;
        Ok(id)
    }

    /// All rules, the first first. One that was put in without the key is an error.
    pub async fn rules(&self) -> Result<Vec<StoredRule>, LedgerError> {
        let query = query_as::<(As<RuleId>, Vec<u8>, Number, Option<Number>)>(
            "SELECT id, terms, added_ms, last_used_ms FROM rules ORDER BY added_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query).await?;
        let read = |(id, terms, added_ms, used_ms): (As<RuleId>, Vec<u8>, Number, Option<Number>)| {
            let rule = self.seal.open_json(spot(&[id.0.as_str()]), terms)?;
            Ok(StoredRule { id: id.0, rule, added_ms: added_ms.0, last_used_ms: used_ms.map(|ms| ms.0) })
        };
        rows.into_iter().map(read).collect()
    }

    /// Removes a rule, with an event; says whether there was one.
    pub async fn remove_rule(&self, id: &RuleId, by: &str) -> Result<bool, LedgerError> {
        let mut change = self.ledger.change().await?;
        let query = query("DELETE FROM rules WHERE id = $1").bind(id.as_str());
        if change.sql().execute(query).await? == 0 {
            return Ok(false);
        }
        change.event("rule-removed", id.as_str(), json!({ "by": by })).await?;
        change.commit().await?;
        Ok(true)
    }
}
