//! Where messages can go from here: to the person at a terminal.

use crate::event::{Event, Events};
use crate::names::CONSOLE;
use cara_assistant::outbound::{Outbound, address_text};
use cara_authority::{Refusal, Rule, display_safe};
use cara_kernel::bindings::messaging::{Address, Outbound as Message, Receipt};
use cara_kernel::bindings::types::Content;
use cara_records::fresh;

/// The channels of a run.
pub(crate) struct Channels {
    events: Events,
}

impl Channels {
    /// Messages to a terminal are told as events of the run.
    pub(crate) fn new(events: Events) -> Self {
        Self { events }
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
            let text = format!("there is no channel `{}`", display_safe(&to.channel));
            return Err(Refusal::new(Rule::Invalid, text).hint(format!("there is `{CONSOLE}:local:me`")));
        }
        let message_id = fresh("m-", 10).map_err(|error| Refusal::new(Rule::Unavailable, error.to_string()))?;
        for content in &message.content {
            match content {
                Content::Text(text) => self.show(&to, text),
                Content::Image(blob) | Content::Audio(blob) | Content::File(blob) => {
                    self.show(&to, format!("[{}, {} bytes]", blob.media_type, blob.data.len()));
                }
            }
        }
        Ok(Receipt { message_id })
    }
}
