//! The terminal as a channel: messages reach whoever reads what goes on; and
//! what is told of messages that nobody answered.
//!
//! ```text
//! outbox ─→ drive ─→ Console::send ─→ the log of the run it comes from, or of another that is followed, or of a chat that opens
//!                         └─ nobody reads: it waits in the outbox until somebody does
//! ```

use crate::active_runs::Active;
use crate::configuration::{Config, InboxConfig};
use crate::event::{Event, Events};
use crate::names::CONSOLE;
use cara_assistant::outbound::MessageBody;
use cara_authority::{ConversationAddress, Label, RunId};
use cara_channels::{Channel, Failure, SendError};
use cara_records::{DeliveryClass, Missed, NewOutbound, Outbound, Records};
use cara_services::ledger::LedgerError;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the beginning of a chat waits for what lay there to be shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// The channels that there are: the terminal, and those with an account.
pub(crate) fn channels(config: &Config) -> Vec<String> {
    std::iter::once(CONSOLE.to_owned()).chain(config.channel.keys().map(ToString::to_string)).collect()
}

/// Keeps that what waits and is older than the setting is not answered any more; each conversation is told so in one message.
/// Returns how many messages those were.
pub(crate) async fn miss(records: &Records, settings: InboxConfig) -> Result<usize, LedgerError> {
    let within = u64::try_from(settings.answer_within.0.as_millis()).unwrap_or(u64::MAX);
    let missed = records.miss(records.ledger().now_ms().saturating_sub(within), notice).await?;
    Ok(missed.iter().map(|missed| missed.messages.len()).sum())
}

/// What a conversation is told of messages that are not answered.
fn notice(missed: &Missed) -> NewOutbound {
    let (count, last) = (missed.messages.len(), missed.messages.last());
    let last = last.expect("a conversation without a message has missed none");
    let messages = if count == 1 { "a message" } else { "messages" };
    let text = format!(
        "I was not running when {messages} came here ({count}), and they are too old to be answered now. Send again what \
         still matters."
    );
    NewOutbound {
        address: missed.address.clone(),
        by: "missed".to_owned(),
        key: last.id.to_string(),
        answers: Some(last.id.clone()),
        run: None,
        body: json!(MessageBody::text(text)),
        label: Label::NONE,
    }
}

/// The terminal. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Console(Arc<Readers>);

#[derive(Default)]
struct Readers {
    all: Mutex<Vec<Arc<Reading>>>,
    /// Whether a message was put away because nobody read; so it is when the process begins.
    has_left: AtomicBool,
}

/// Somebody who reads.
struct Reading {
    /// The run that is followed.
    run: Option<RunId>,
    /// Where events are told.
    told: Events,
    /// What is read, which may be a log that follows the other.
    read: Events,
}

/// Somebody reads as long as this is there.
pub(crate) struct Attached(Console, Arc<Reading>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.readers().retain(|reading| !Arc::ptr_eq(reading, &self.1));
    }
}

impl Console {
    fn readers(&self) -> MutexGuard<'_, Vec<Arc<Reading>>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever reads `read` is shown what is told in `told` from now on.
    fn attach(&self, run: Option<RunId>, told: &Events, read: &Events) -> Option<Attached> {
        let reading = Arc::new(Reading { run, told: told.clone(), read: read.clone() });
        if !read.is_read() {
            return None;
        }
        self.readers().push(reading.clone());
        Some(Attached(self.clone(), reading))
    }

    /// Whoever reads the events of a call that follows a run reads messages as long as it does.
    pub(crate) async fn follow(
        &self,
        records: &Records,
        run: &RunId,
        active: &Active,
        events: &Events,
    ) -> Option<Attached> {
        let attached = self.attach(Some(run.clone()), &active.events, events)?;
        if self.0.has_left.swap(false, Ordering::Relaxed)
            && let Err(error) = records.wake_outbox(CONSOLE, None).await
        {
            tracing::warn!(%error, "messages to the terminal wait on");
        }
        Some(attached)
    }

    /// Shows at the beginning of a chat what waited for somebody to read it.
    pub(crate) async fn show_waiting(&self, records: &Records, events: &Events) -> Result<(), LedgerError> {
        let Some(_attached) = self.attach(None, events, events) else { return Ok(()) };
        if !self.0.has_left.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        records.wake_outbox(CONSOLE, None).await?;
        let mut changed = records.outbox_settled();
        let shown = async {
            while records.outbox_open(CONSOLE).await? > 0 {
                // The sender is held by the records.
                let _ = changed.changed().await;
            }
            Ok(())
        };
        // What is left goes to whoever reads next.
        tokio::time::timeout(SHOWN_WITHIN, shown).await.unwrap_or(Ok(()))
    }

    /// Who reads now: who follows the run, else who came last.
    fn reader(&self, run: Option<&RunId>) -> Option<Events> {
        let readers = self.readers();
        let reading = || readers.iter().rev().filter(|reading| reading.read.is_read());
        let of_run = reading().find(|reading| run.is_some() && reading.run.as_ref() == run);
        of_run.or_else(|| reading().next()).map(|reading| reading.told.clone())
    }

    /// Messages may lie there from before.
    pub(crate) fn has_left(&self) {
        self.0.has_left.store(true, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Channel for Console {
    fn name(&self) -> &str {
        CONSOLE
    }

    fn class(&self, _: &str) -> Option<DeliveryClass> {
        Some(DeliveryClass::Blind)
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        let body: MessageBody = serde_json::from_value(message.message.body.clone())
            .map_err(|error| SendError::new(Failure::Refused, format!("the message has another form: {error}")))?;
        let Some(reader) = self.reader(message.message.run.as_ref()) else {
            self.has_left();
            return Err(SendError::new(Failure::Absent, "nobody reads at a terminal"));
        };
        let to = message.message.address.to_string();
        body.shown().into_iter().for_each(|text| reader.tell(Event::Message { to: to.clone(), text }));
        Ok(message.id.to_string())
    }

    async fn confirm(&self, _: &ConversationAddress, _: &str) -> Result<Option<String>, SendError> {
        Ok(None)
    }

    fn is_there(&self) -> bool {
        self.reader(None).is_some()
    }
}
