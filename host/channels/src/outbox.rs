//! The way of a tool's message into the outbox, and back with a receipt.

use cara_assistant::outbound::{Outbound, Receipt};
use cara_authority::{Refusal, Rule, display_safe};
use cara_records::{EnqueueError, NewOutbound, OutboundId, OutboundState, Records};
use cara_services::ledger::LedgerError;
use std::time::Duration;
use tokio::time::timeout;

/// How long a call waits for what came of its message; less than a call may last.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of a message so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The channel has it, and calls it this.
    Sent(String),
    /// It is kept and will be tried: nobody is there to take it now.
    Waits,
    /// It may have got there, and nobody can tell. Why.
    Unknown(String),
    /// It did not get there, and is not tried again. Why.
    Dead(String),
}

/// Waits until something is known of a message.
///
/// # Errors
///
/// The ledger cannot be read, or has no such message.
pub async fn settled(records: &Records, id: &OutboundId) -> Result<Settled, LedgerError> {
    let mut changed = records.outbox_settled();
    loop {
        changed.mark_unchanged();
        let found = records.outbound(id).await?;
        let found = found.ok_or_else(|| LedgerError::no_such("message", id.as_str()))?;
        let why = found.error.clone().unwrap_or_default();
        match found.state {
            OutboundState::Sent => return Ok(Settled::Sent(found.receipt.unwrap_or_default())),
            OutboundState::Unknown => return Ok(Settled::Unknown(why)),
            OutboundState::Dead => return Ok(Settled::Dead(why)),
            OutboundState::Dropped => return Ok(Settled::Dead("somebody dropped it".to_owned())),
            OutboundState::Waiting if found.next_ms.is_none() && found.error.is_some() => return Ok(Settled::Waits),
            OutboundState::Waiting | OutboundState::Sending => {}
        }
        // The sender is held by the records.
        let _ = changed.changed().await;
    }
}

/// The way of a tool's message into the outbox.
pub struct Outbox {
    records: Records,
    channels: Vec<String>,
}

impl Outbox {
    /// The way to these channels, each of which somebody drives.
    pub fn new(records: Records, channels: Vec<String>) -> Self {
        Self { records, channels }
    }
}

#[async_trait::async_trait]
impl Outbound for Outbox {
    fn channels(&self) -> Vec<String> {
        self.channels.clone()
    }

    async fn send(&self, message: NewOutbound) -> Result<Receipt, Refusal> {
        let channel = &message.address.channel;
        if !self.channels.contains(channel) {
            let known: Vec<String> = self.channels.iter().map(|name| format!("`{name}`")).collect();
            let text = format!("there is no channel `{}`", display_safe(channel));
            return Err(Refusal::new(Rule::Invalid, text).hint(format!("channels are {}", known.join(", "))));
        }
        let queued = self.records.enqueue(&message).await.map_err(|error| match error {
            EnqueueError::Full(_) => Refusal::new(Rule::Limit, error.to_string()),
            EnqueueError::Ledger(error) => failed(&error),
        })?;
        let kept = Receipt { message_id: queued.id.to_string() };
        let Ok(settled) = timeout(PATIENCE, settled(&self.records, &queued.id)).await else { return Ok(kept) };
        match settled.map_err(|error| failed(&error))? {
            Settled::Sent(message_id) => Ok(Receipt { message_id }),
            // It is on disk: whoever is to read it will.
            Settled::Waits => Ok(kept),
            Settled::Unknown(why) => {
                let text = format!("nobody knows whether the message was sent: {}", display_safe(&why));
                let cure = format!("`cara outbox show {}` tells more; do not send it again unasked", queued.id);
                Err(Refusal::new(Rule::Unavailable, text).hint(cure))
            }
            Settled::Dead(why) => {
                let text = format!("the message was not sent: {}", display_safe(&why));
                let cure = format!("`cara outbox retry {}` sends it after all", queued.id);
                Err(Refusal::new(Rule::Unavailable, text).hint(cure))
            }
        }
    }
}

/// A component learns that the ledger failed, not how.
fn failed(error: &LedgerError) -> Refusal {
    tracing::warn!(%error, "the ledger failed in the outbox");
    Refusal::new(Rule::Unavailable, "what the assistant keeps cannot be used now").hint("the host's log says why")
}
