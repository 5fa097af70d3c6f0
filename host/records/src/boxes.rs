//! What inbox and outbox share: ids, who is told of a change, what is found
//! again without being in the file.

use super::{Records, Seal};
use cara_authority::ConversationAddress;
use cara_services::ledger::LedgerError;
use cara_services::ledger::records::fresh;
use serde_json::Value;
use tokio::sync::watch;

/// The most bytes of a message that came or goes, as JSON: a file of 8 MiB with its words.
pub const MAX_MESSAGE: u64 = 12 * 1024 * 1024;

/// How long the content of a message is kept after it was settled, milliseconds: seven days.
pub const CONTENT_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// How long it is known after it was settled that there was a message, milliseconds: ninety days. Platforms repeat what was not
/// acknowledged for hours (Slack, Telegram) or days (WhatsApp: seven); a mailbox whose place was lost gives all it has.
pub const LOOKUP_KEPT_MS: u64 = 90 * 24 * 60 * 60 * 1000;

cara_signing::names! {
    derive(schemars::JsonSchema);

    /// The id of a message that came: `i-` and ten characters.
    InboundId = "inbox message id", "`cara inbox list` shows the ids", kebab;

    /// The id of a message that goes: `o-` and ten characters. It is also what a platform is given to know it again by.
    OutboundId = "outbox message id", "`cara outbox list` shows the ids", kebab;
}

fn kebab(text: &str) -> bool {
    cara_authority::ComponentId::parse(text).is_ok()
}

impl InboundId {
    pub(crate) fn fresh() -> Result<Self, LedgerError> {
        Ok(Self(fresh("i-", 10)?))
    }
}

impl OutboundId {
    pub(crate) fn fresh() -> Result<Self, LedgerError> {
        Ok(Self(fresh("o-", 10)?))
    }
}

/// Tells who waits that something changed: subscribe, then look, then wait.
#[derive(Default)]
pub(crate) struct Changed {
    pub(crate) inbox: watch::Sender<()>,
    pub(crate) outbox: watch::Sender<()>,
    pub(crate) settled: watch::Sender<()>,
}

impl Records {
    /// Tells that messages came or were settled.
    pub fn inbox_changed(&self) -> watch::Receiver<()> {
        self.changed.inbox.subscribe()
    }

    /// Tells that messages are to go.
    pub fn outbox_changed(&self) -> watch::Receiver<()> {
        self.changed.outbox.subscribe()
    }

    /// Tells that something came of messages that were to go.
    pub fn outbox_settled(&self) -> watch::Receiver<()> {
        self.changed.settled.subscribe()
    }

    /// Tells it to others: whoever wrote within a change of their own does this after the commit.
    pub fn tell_boxes(&self) {
        self.changed.inbox.send_replace(());
        self.changed.outbox.send_replace(());
        self.changed.settled.send_replace(());
    }
}

/// What the messages of a conversation are found by.
pub(crate) fn conversation(seal: &Seal, address: &ConversationAddress) -> [u8; 32] {
    seal.lookup("conversation", &[address.to_string().as_bytes()])
}

/// Refuses an address that cannot be read again.
pub(crate) fn check_address(address: &ConversationAddress) -> Result<(), LedgerError> {
    let text = address.to_string();
    match ConversationAddress::parse(&text) {
        Ok(_) => Ok(()),
        Err(_) => Err(LedgerError::no_such("address", &text)),
    }
}

/// Refuses what is larger than a message may be.
pub(crate) fn check_size(body: &Value) -> Result<(), LedgerError> {
    let bytes = body.to_string().len() as u64;
    match bytes > MAX_MESSAGE {
        true => Err(LedgerError::TooLarge { what: "a message", bytes, max: MAX_MESSAGE }),
        false => Ok(()),
    }
}
