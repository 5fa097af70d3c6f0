//! `messaging` for a tool: messages that leave.

use super::TurnServices;
use crate::approvals::{Settled, denier};
use crate::outbound::address_text;
use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_kernel::bindings::messaging::{Address, Outbound, Receipt};
use cara_kernel::bindings::types::Content;
use serde_json::{Value, json};

#[async_trait::async_trait]
impl cara_kernel::Messaging for TurnServices {
    async fn send(&self, by: ServiceGrant, to: Address, message: Outbound) -> Result<Receipt, Refusal> {
        let (address, text) = (address_text(&to), words(&message.content));
        if !self.covers(&address, &text) {
            let what = json!({ "to": address, "text": text, "parts": message.content.len() });
            let what = self.own_call("message", &what, vec![address.clone()])?;
            let why = format!("component `{}` sends what the call does not name", by.component());
            if let Settled::Denied { by, reason } = self.ask_person(&what, why).await? {
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                return Err(Refusal::new(
                    Rule::Denied,
                    format!("the message to `{address}` was denied by {}{reason}", denier(&by)),
                ));
            }
        }
        self.outbound.send(to, message).await
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
