//! `messaging` for a tool: messages that leave.

use super::TurnServices;
use crate::approvals::Settled;
use crate::event::Denial;
use crate::outbound::{MessageBody, Piece, conversation};
use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_kernel::Labels;
use cara_kernel::bindings::messaging::{Address, Outbound, Receipt};
use cara_kernel::bindings::types::Content;
use cara_records::NewOutbound;
use serde_json::{Value, json};

#[async_trait::async_trait]
impl cara_kernel::Messaging for TurnServices {
    async fn send(&self, by: ServiceGrant, to: Address, message: Outbound) -> Result<Receipt, Refusal> {
        let to = conversation(&to).map_err(|error| Refusal::new(Rule::Invalid, error.to_string()))?;
        let (address, text) = (to.to_string(), words(&message.content));
        if !self.covers(&address, &text) {
            let what = json!({ "to": address, "text": text, "parts": message.content.len() });
            let what = self.own_call("message", &what, vec![address.clone()])?;
            let why = format!("component `{}` sends what the call does not name", by.component());
            if let Settled::Denied { by, reason, .. } = self.ask_person(&what, why).await? {
                let denied = Denial { by, reason }.words("the person");
                return Err(Refusal::new(Rule::Denied, format!("the message to `{address}` was {denied}")));
            }
        }
        let body =
            MessageBody { parts: message.content.into_iter().map(Piece::from).collect(), reply_to: message.reply_to };
        let message = NewOutbound {
            address: to,
            by: format!("tool:{}", by.component()),
            key: message.idempotency_key,
            answers: None,
            run: Some(self.run.clone()),
            body: json!(body),
            label: self.label(),
        };
        self.outbound.send(message).await
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
