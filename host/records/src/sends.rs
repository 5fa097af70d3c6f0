//! Receipts of messages that calls sent, so that none is sent twice.
//!
//! A receipt is kept in the commit that ends its call. Where the process died between the two, the call counts as
//! interrupted, and the model is told that nobody knows whether the message was sent.

use super::{Records, Seal, Spot};
use cara_authority::{ComponentId, RunId};
use cara_services::ledger::sql::Sql;
use cara_services::ledger::{LedgerError, to_sql};

/// A message that a call sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The id of the call.
    pub call_id: String,
    /// The component that sent it.
    pub component: ComponentId,
    /// The component's idempotency key of the message.
    pub key: String,
    /// The id that the channel gave the message.
    pub receipt: String,
}

/// What a message is found by; the key, which may be content, is not in the file.
fn lookup(seal: &Seal, component: &ComponentId, key: &str) -> [u8; 32] {
    seal.lookup("send", &[component.as_str().as_bytes(), key.as_bytes()])
}

fn with_spot<T>(lookup: &[u8], with: impl FnOnce(Spot<'_>) -> T) -> T {
    with(Spot { table: "sends", column: "receipt", row: &[&hex::encode(lookup)] })
}

/// Keeps what calls of a run sent. Of two calls that sent with one key at the same time, the first one's receipt stays.
pub(crate) async fn insert_sends(
    sql: &mut Sql<'_>,
    seal: &Seal,
    run: &RunId,
    sends: &[SentMessage],
    now_ms: u64,
) -> Result<(), LedgerError> {
    for send in sends {
        let lookup = lookup(seal, &send.component, &send.key);
        let receipt = with_spot(&lookup, |spot| seal.seal(spot, send.receipt.as_bytes()))?;
        let query = sqlx::query(
            "INSERT INTO sends (lookup, run, call_id, receipt, at_ms) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (lookup) DO NOTHING",
        );
        let query = query.bind(&lookup[..]).bind(run.as_str()).bind(&send.call_id).bind(receipt);
        sql.execute(query.bind(to_sql(now_ms))).await?;
    }
    Ok(())
}

impl Records {
    /// The receipt of the message that a component sent with this key.
    pub async fn receipt(&self, component: &ComponentId, key: &str) -> Result<Option<String>, LedgerError> {
        let lookup = lookup(&self.seal, component, key);
        let query = sqlx::query_as::<_, (Vec<u8>,)>("SELECT receipt FROM sends WHERE lookup = $1");
        let Some((sealed,)) = self.ledger.reader().await?.sql().one(query.bind(&lookup[..])).await? else {
            return Ok(None);
        };
        with_spot(&lookup, |spot| {
            let plain = self.seal.open(spot, sealed)?;
            String::from_utf8(plain).map(Some).map_err(|_| self.seal.tampered(spot))
        })
    }
}
