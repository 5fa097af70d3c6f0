//! Receipts of messages that calls sent: with one key a component sends once.
//!
//! ```text
//! claim ─→ the receipt of before, or: sent, alone ─→ claim.sent ─→ the commit that ends the call has the receipt
//! ```
//!
//! Of calls that send with one key at the same moment, one sends and the others wait for its receipt. Where the process
//! died between the sending and the commit, the call counts as interrupted, and the model is told that nobody knows whether
//! the message was sent; then another call with the key sends it again.

use super::{Records, Seal, Spot};
use cara_authority::{ComponentId, RunId};
use cara_services::ledger::sql::{Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// The receipt of a message, once there is one.
type Receipt = Arc<tokio::sync::Mutex<Option<String>>>;

/// The receipts of messages that are being sent, or were sent by calls that have not ended, by what they are found by.
pub(crate) type UnderWay = Arc<Mutex<HashMap<[u8; 32], Weak<tokio::sync::Mutex<Option<String>>>>>>;

/// A message that nobody else sends meanwhile.
#[derive(Debug)]
pub struct Claim {
    receipt: Receipt,
    alone: OwnedMutexGuard<Option<String>>,
}

impl Claim {
    /// The receipt, where the message was sent before.
    pub fn receipt(&self) -> Option<&str> {
        self.alone.as_deref()
    }

    /// Takes note of the receipt. Whoever claims the message finds it, until what this gives back is dropped: hold that
    /// until the receipt is kept.
    pub fn sent(mut self, receipt: &str) -> Claimed {
        *self.alone = Some(receipt.to_owned());
        Claimed { _receipt: self.receipt }
    }
}

/// A message that was sent, and whose receipt is not kept yet.
#[derive(Debug)]
pub struct Claimed {
    _receipt: Receipt,
}

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

/// Keeps what calls of a run sent. Several calls may have been given one receipt; it is kept once.
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
        let query = query(
            "INSERT INTO sends (lookup, run, call_id, receipt, at_ms) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (lookup) DO NOTHING",
        );
        let query = query.bind(&lookup[..]).bind(run.as_str()).bind(&send.call_id).bind(receipt);
        sql.execute(query.bind(to_sql(now_ms))).await?;
    }
    Ok(())
}

impl Records {
    /// Waits until nobody else sends the component's message with this key, and finds the receipt if it was sent.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read, or somebody changed the receipt in it.
    pub async fn claim(&self, component: &ComponentId, key: &str) -> Result<Claim, LedgerError> {
        let lookup = lookup(&self.seal, component, key);
        let receipt = {
            let mut under_way = self.sends.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.retain(|_, receipt| receipt.strong_count() > 0);
            let known = under_way.get(&lookup).and_then(Weak::upgrade);
            let receipt = known.unwrap_or_default();
            under_way.insert(lookup, Arc::downgrade(&receipt));
            receipt
        };
        let mut alone = receipt.clone().lock_owned().await;
        if alone.is_none() {
            *alone = self.receipt(component, key).await?;
        }
        Ok(Claim { receipt, alone })
    }

    /// The receipt that is kept of the message that a component sent with this key.
    pub async fn receipt(&self, component: &ComponentId, key: &str) -> Result<Option<String>, LedgerError> {
        let lookup = lookup(&self.seal, component, key);
        let query = query_as::<(Vec<u8>,)>("SELECT receipt FROM sends WHERE lookup = $1");
        let Some((sealed,)) = self.ledger.reader().await?.sql().one(query.bind(&lookup[..])).await? else {
            return Ok(None);
        };
        with_spot(&lookup, |spot| {
            let plain = self.seal.open(spot, sealed)?;
            String::from_utf8(plain).map(Some).map_err(|_| self.seal.tampered(spot))
        })
    }
}
