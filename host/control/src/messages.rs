//! Where messages can go from here: to the person at a terminal.

use crate::event::{Event, Events};
use crate::excerpt::short;
use crate::names::CONSOLE;
use cara_assistant::outbound::{Outbound, address_text};
use cara_authority::{Refusal, Rule};
use cara_kernel::bindings::messaging::{Address, Outbound as Message, Receipt};
use cara_kernel::bindings::types::Content;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Receipts by idempotency key, of all runs of this process: the same key twice sends once.
pub(crate) type Sent = Arc<Mutex<BTreeMap<String, String>>>;

/// The channels of a run.
pub(crate) struct Channels {
    sent: Sent,
    events: Events,
}

impl Channels {
    /// Messages to a terminal are told as events of the run.
    pub(crate) fn new(sent: Sent, events: Events) -> Self {
        Self { sent, events }
    }

    /// The channels that there are.
    pub(crate) fn names() -> Vec<String> {
        vec![CONSOLE.to_owned()]
    }

    fn show(&self, to: &Address, text: impl Into<String>) {
        self.events.tell(Event::Message { to: address_text(to), text: text.into() });
    }
}

#[async_trait::async_trait]
impl Outbound for Channels {
    fn channels(&self) -> Vec<String> {
        Self::names()
    }

    async fn send(&self, to: Address, message: Message) -> Result<Receipt, Refusal> {
        if to.channel != CONSOLE {
            let text = format!("there is no channel `{}`", short(&to.channel));
            return Err(Refusal::new(Rule::Invalid, text).hint(format!("there is `{CONSOLE}:local:me`")));
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sent.len() + 1;
        if let Some(earlier) = sent.get(&message.idempotency_key) {
            return Ok(Receipt { message_id: earlier.clone() });
        }
        for content in &message.content {
            match content {
                Content::Text(text) => self.show(&to, text),
                Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
                    self.show(&to, format!("[{}, {} bytes]", blob.media_type, blob.data.len()));
                }
            }
        }
        sent.insert(message.idempotency_key, number.to_string());
        Ok(Receipt { message_id: number.to_string() })
    }
}
