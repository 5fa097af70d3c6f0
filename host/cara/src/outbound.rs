//! Where messages can go from here: to the person at this terminal.

use crate::assemble::CONSOLE;
use crate::show;
use cara_assistant::outbound::{Outbound, address_text};
use cara_authority::{Refusal, Rule};
use cara_kernel::bindings::messaging::{Address, Outbound as Message, Receipt};
use cara_kernel::bindings::types::Content;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The channels of this process.
pub(crate) struct Channels {
    /// Receipts by idempotency key: the same key twice sends once.
    sent: Mutex<BTreeMap<String, String>>,
}

impl Channels {
    pub(crate) fn new() -> Self {
        Self { sent: Mutex::default() }
    }
}

#[async_trait::async_trait]
impl Outbound for Channels {
    fn channels(&self) -> Vec<String> {
        vec![CONSOLE.to_owned()]
    }

    async fn send(&self, to: Address, message: Message) -> Result<Receipt, Refusal> {
        if to.channel != CONSOLE {
            let text = format!("there is no channel `{}`", show::short(&to.channel));
            return Err(Refusal::new(Rule::Invalid, text).hint(format!("there is `{CONSOLE}:local:me`")));
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sent.len() + 1;
        if let Some(earlier) = sent.get(&message.idempotency_key) {
            return Ok(Receipt { message_id: earlier.clone() });
        }
        for content in &message.content {
            match content {
                Content::Text(text) => show::message(&address_text(&to), text),
                Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
                    show::message(&address_text(&to), &format!("[{}, {} bytes]", blob.media_type, blob.data.len()));
                }
            }
        }
        sent.insert(message.idempotency_key, number.to_string());
        Ok(Receipt { message_id: number.to_string() })
    }
}
