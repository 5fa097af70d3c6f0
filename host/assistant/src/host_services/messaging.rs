//! `messaging` for a tool: messages that leave.

use super::{TurnServices, ledger};
use crate::approvals::Settled;
use crate::event::Denial;
use crate::outbound::address_text;
use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_kernel::bindings::messaging::{Address, Outbound, Receipt};
use cara_kernel::bindings::types::Content;
use cara_records::{Claimed, SentMessage};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Messages that a call sent, until the commit that ends it has their receipts.
#[derive(Clone, Default)]
pub(crate) struct Sends(Arc<Mutex<Sent>>);

/// Messages, with what lets others find their receipts until the commit has them: drop it after that.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) messages: Vec<SentMessage>,
    claimed: Vec<Claimed>,
}

impl Sends {
    /// All of them, for that commit.
    pub(crate) fn take(&self) -> Sent {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, message: SentMessage, claimed: Claimed) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.messages.push(message);
        sent.claimed.push(claimed);
    }
}

#[async_trait::async_trait]
impl cara_kernel::Messaging for TurnServices {
    async fn send(&self, by: ServiceGrant, to: Address, message: Outbound) -> Result<Receipt, Refusal> {
        let (address, text) = (address_text(&to), words(&message.content));
        if !self.covers(&address, &text) {
            let what = json!({ "to": address, "text": text, "parts": message.content.len() });
            let what = self.own_call("message", &what, vec![address.clone()])?;
            let why = format!("component `{}` sends what the call does not name", by.component());
            if let Settled::Denied { by, reason } = self.ask_person(&what, why).await? {
                let denied = Denial { by, reason }.words("the person");
                return Err(Refusal::new(Rule::Denied, format!("the message to `{address}` was {denied}")));
            }
        }
        let (component, key) = (by.component(), message.idempotency_key.clone());
        let claim = self.records.claim(component, &key).await.map_err(ledger)?;
        let message_id = match claim.receipt() {
            Some(receipt) => receipt.to_owned(),
            None => self.outbound.send(to, message).await?.message_id,
        };
        let (call_id, component, receipt) = (self.call_id.clone(), component.clone(), message_id.clone());
        self.sends.push(SentMessage { call_id, component, key, receipt }, claim.sent(&message_id));
        Ok(Receipt { message_id })
    }
}

impl TurnServices {
    /// Whether the approved call was for exactly this message: its destination, and its text among the arguments.
    fn covers(&self, to: &str, text: &str) -> bool {
        let arguments: Value = serde_json::from_str(&self.call.arguments).unwrap_or(Value::Null);
        let says =
            arguments.as_object().is_some_and(|fields| fields.values().any(|value| value.as_str() == Some(text)));
        self.call.destinations.iter().any(|known| known == to) && says
    }
}

/// The words of a message that is to be sent; what else is in it is counted, and so never covered by a call.
fn words(content: &[Content]) -> String {
    let words = content.iter().map(|content| match content {
        Content::Text(text) => text.as_str(),
        Content::Image(_) | Content::Audio(_) | Content::File(_) => "\u{fffc}",
    });
    words.collect::<Vec<_>>().join("\n")
}
