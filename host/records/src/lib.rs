//! What was said and is remembered: sessions, summaries, attachments,
//! memory, what came and what is to go, and what all of it cost.
//!
//! Enforces nothing: what a run may do is kept by the ledger of `cara-services`, whose transactions it writes in. Content is
//! sealed there; titles, summaries, files and entries of memory are in the database only encrypted.
//!
//! ```text
//! Records ─┬─ sessions, messages, summaries, attachments, memory, totals; calls and approvals, to be read
//!          ├─ inbox ─→ runs ─→ outbox: what came, and what is to go
//!          ├─ all of a person, to be shown and forgotten
//!          └─→ Runs (cara-services): what runs may: calls, approvals, rules, budgets
//! ```

mod approvals;
mod attachments;
mod boxes;
mod calls;
mod credentials;
mod events;
mod forgetting;
mod inbox;
mod memory;
mod messages;
mod outbox;
mod people;
mod programs;
mod responses;
mod runs;
mod sessions;
mod summaries;
#[cfg(test)]
mod tests;
mod totals;
mod words;

pub use attachments::{Attached, Attachment, MAX_ATTACHMENT, NewAttachment};
pub use boxes::{CONTENT_KEPT_MS, InboundId, LOOKUP_KEPT_MS, MAX_MESSAGE, OutboundId};
pub use calls::Call;
pub use cara_services::ledger::records::*;
pub use credentials::{AboutCredential, Credential, CredentialKind, Proof};
pub use events::{Event, event_hash, events};
pub use forgetting::{FORGOTTEN, ForgetError, Kept, Messages, Use};
pub use inbox::{
    Inbound, InboundState, MOST_WAITING, MOST_WAITING_OF_ONE, Missed, NewInbound, ReceiveError, Received, Waiting,
};
pub use memory::{Memory, MemoryError, Origin, Remembered};
pub use messages::{Message, NewMessage, Role};
pub use outbox::{
    Attempt, DeliveryClass, EnqueueError, MOST_QUEUED, NewOutbound, Outbound, OutboundState, Patience, Queued, Sender,
    Turn,
};
pub use people::{LinkError, NameError};
pub use programs::ProgramUse;
pub use responses::{KeptResponse, MAX_RESPONSE, MOST_RESPONSE_BYTES, MOST_RESPONSES, NewResponse, RESPONSE_KEPT_MS};
pub use runs::Run;
pub use sessions::{MOST_AT_ONCE, NewConversation, Session};
pub use summaries::Summary;
pub use totals::{PROGRAMS, UsageBy, UsageTotal};
pub use words::{Hit, Words};

use cara_authority::PersonId;
use cara_services::ledger::{Ledger, LedgerError};
use memory::Index;
use messages::Tail;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Mutex;

/// All that holds content, opened with its key; a clone is the same one.
#[derive(Clone)]
pub struct Records {
    runs: Runs,
    ledger: Ledger,
    seal: Arc<Seal>,
    /// What people asked to search in, decrypted and in memory only.
    indexes: Arc<Mutex<HashMap<PersonId, Index>>>,
    changed: Arc<boxes::Changed>,
}

impl Records {
    /// Opens what is sealed with `key`: see [`Ledger::runs`].
    pub async fn open(ledger: &Ledger, key: ContentKey) -> Result<Self, LedgerError> {
        let runs = ledger.runs(key).await?;
        let (ledger, seal) = (runs.ledger().clone(), runs.seal().clone());
        let (indexes, changed) = <(_, _)>::default();
        Ok(Self { runs, ledger, seal, indexes, changed })
    }
}

/// Conversations and the runs in them are used together.
impl Deref for Records {
    type Target = Runs;
    fn deref(&self) -> &Runs {
        &self.runs
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}
