//! What programs used that call models for a person: no run, no conversation,
//! and the same budgets and audit log.

use super::{Records, Spent};
use cara_authority::{ComponentId, PersonId};
use cara_services::ledger::records::fresh;
use cara_services::ledger::sql::query;
use cara_services::ledger::{LedgerError, to_sql};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One call of a model by a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgramUse {
    /// The call's id: that of its reservation, where there was one.
    pub id: String,
    /// Whether something was reserved for it.
    pub reserved: bool,
    /// The person it was for.
    pub person: PersonId,
    /// What named the program.
    pub credential: String,
    /// The provider.
    pub component: ComponentId,
    /// The provider's model.
    pub model: String,
    /// Tokens the model read.
    pub input: u64,
    /// Tokens it wrote.
    pub output: u64,
    /// Millionths of a dollar; none when no price is known.
    pub micros: Option<u64>,
    /// When it ended, Unix milliseconds.
    pub at_ms: u64,
    /// What else the audit log says of it.
    pub detail: Value,
}

impl ProgramUse {
    /// An id for a call without a reservation.
    pub fn fresh_id() -> Result<String, LedgerError> {
        fresh("u-", 16)
    }

    /// What it used.
    pub fn spent(&self) -> Spent {
        Spent { input: self.input, output: self.output, micros: self.micros }
    }

    fn audited(&self) -> Value {
        json!({
            "id": self.id,
            "model": format!("{}:{}", self.component, self.model),
            "tokens": [self.input, self.output],
            "did": self.detail,
        })
    }
}

impl Records {
    /// Keeps what calls used, in place of what was reserved for them, and one event for each person and credential; what was
    /// kept before is left alone. `kill -9` loses nothing of it; for a power cut see [`cara_services::ledger::Ledger::light_change`].
    pub async fn keep_uses(&self, uses: &[ProgramUse]) -> Result<(), LedgerError> {
        let mut change = self.ledger.light_change().await?;
        let mut new: BTreeMap<(&str, &str), Vec<Value>> = BTreeMap::new();
        for one in uses {
            let used = query(
                "INSERT INTO usage (id, person, credential, component, model, input, output, micros, at_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
            );
            let used = used.bind(&one.id).bind(one.person.as_str()).bind(&one.credential).bind(one.component.as_str());
            let used = used.bind(&one.model).bind(to_sql(one.input)).bind(to_sql(one.output));
            let added = change.sql().execute(used.bind(one.micros.map(to_sql)).bind(to_sql(one.at_ms))).await?;
            if added > 0 {
                new.entry((one.person.as_str(), &one.credential)).or_default().push(one.audited());
            }
        }
        for one in uses.iter().filter(|one| one.reserved) {
            change.sql().execute(query("DELETE FROM reservations WHERE id = $1").bind(&one.id)).await?;
        }
        for ((person, credential), calls) in new {
            change.event("model-calls", credential, json!({ "person": person, "calls": calls })).await?;
        }
        change.commit().await
    }

    /// What shows of a call, as it is written down before it is kept, that it was written down for this ledger.
    pub fn proof_of_use(&self, json: &[u8]) -> [u8; 32] {
        self.seal.lookup("use of a program", &[json])
    }

    /// Gives back what was reserved for programs by other processes, which are gone.
    pub async fn release_programs(&self, process: &str) -> Result<u64, LedgerError> {
        let gone = query("DELETE FROM reservations WHERE credential IS NOT NULL AND process <> $1").bind(process);
        let mut change = self.ledger.light_change().await?;
        let gone = change.sql().execute(gone).await?;
        change.commit().await?;
        Ok(gone)
    }
}
