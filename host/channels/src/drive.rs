//! Drives a channel: what is due goes out, one message of a conversation at a
//! time, and several conversations at once.
//!
//! ```text
//! turn ─→ messages ─→ attempts, each with a deadline ─→ the next turn keeps what they came to
//!   ↑ woken by: a message was queued · an attempt ended · the time of the next one
//! ```

use crate::{Channel, Failure, Pace, SendError};
use cara_records::{Attempt, DeliveryClass, Outbound, OutboundId, Records, Sender};
use cara_services::ledger::LedgerError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long is waited after the ledger failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Sends what is due on a channel, until it is stopped. One at a time may drive a channel.
///
/// `has_ended` says of a process whether it is gone, whose messages are then taken over: of this one it says so too. What is
/// under way when it is stopped gets a little time; of what is cut off then nobody knows whether it got there.
///
/// # Errors
///
/// The ledger failed at the beginning. Later it is tried again.
pub async fn drive(
    records: Records,
    channel: Arc<dyn Channel>,
    process: &str,
    has_ended: &(dyn Fn(&str) -> bool + Send + Sync),
    pace: Pace,
    stop: CancellationToken,
) -> Result<(), LedgerError> {
    let mut changed = records.outbox_changed();
    records.recover_outbox(channel.name(), has_ended, &pace.patience()).await?;
    let mut driver =
        Driver { records, channel, pace, under_way: JoinSet::new(), ids: HashMap::new(), ended: Vec::new() };
    while !stop.is_cancelled() {
        changed.mark_unchanged();
        let next = driver.turn(process, pace.at_once).await;
        let has_room = driver.under_way.len() < pace.at_once as usize;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(done) = driver.under_way.join_next_with_id() => driver.keep(done),
            // The sender is held by the records.
            _ = changed.changed(), if has_room => {}
            () = sleep(next.unwrap_or_default()), if has_room && next.is_some() => {}
        }
    }
    let _late = timeout(pace.grace, driver.all_end()).await;
    driver.cut_off().await;
    driver.turn(process, 0).await;
    Ok(())
}

struct Driver {
    records: Records,
    channel: Arc<dyn Channel>,
    pace: Pace,
    under_way: JoinSet<Attempt>,
    ids: HashMap<Id, OutboundId>,
    /// What attempts came to, until it is kept.
    ended: Vec<(OutboundId, Attempt)>,
}

impl Driver {
    /// Keeps what ended, and begins what is due. Returns in how long more is due.
    async fn turn(&mut self, process: &str, at_once: u32) -> Option<Duration> {
        while let Some(done) = self.under_way.try_join_next_with_id() {
            self.keep(done);
        }
        let (channel, patience) = (self.channel.clone(), self.pace.patience());
        let class = move |account: &str| channel.class(account);
        let by = Sender { channel: self.channel.name(), process, class: &class, patience: &patience };
        let room = at_once.saturating_sub(u32::try_from(self.under_way.len()).unwrap_or(u32::MAX));
        let turn = match self.records.outbox_turn(&by, &self.ended, room).await {
            Ok(turn) => turn,
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read or written; it is tried again");
                return Some(AFTER_FAILURE);
            }
        };
        let put_away = self.ended.drain(..).any(|(_, attempt)| matches!(attempt, Attempt::Absent(_)));
        // Somebody may have come between the attempt and its end.
        if put_away && self.channel.is_there() && self.records.wake_outbox(self.channel.name(), None).await.is_err() {
            return Some(AFTER_FAILURE);
        }
        for message in turn.claimed {
            let id = message.id.clone();
            let attempt = attempt(self.records.clone(), self.channel.clone(), self.pace, message);
            self.ids.insert(self.under_way.spawn(attempt).id(), id);
        }
        let now_ms = self.records.ledger().now_ms();
        turn.next_ms.map(|next_ms| Duration::from_millis(next_ms.saturating_sub(now_ms)))
    }

    fn keep(&mut self, done: Result<(Id, Attempt), JoinError>) {
        let (id, attempt) = done.unwrap_or_else(|error| {
            let text =
                if error.is_cancelled() { "it was cut off at the end of the process" } else { "the channel failed" };
            (error.id(), Attempt::Unsure { error: text.to_owned(), next_ms: self.records.ledger().now_ms() })
        });
        self.ended.extend(self.ids.remove(&id).map(|id| (id, attempt)));
    }

    async fn all_end(&mut self) {
        while let Some(done) = self.under_way.join_next_with_id().await {
            self.keep(done);
        }
    }

    async fn cut_off(&mut self) {
        self.under_way.abort_all();
        self.all_end().await;
    }
}

/// Sends a message once; asks first, where it may have got there and the platform can tell.
pub(crate) async fn attempt(records: Records, channel: Arc<dyn Channel>, pace: Pace, message: Outbound) -> Attempt {
    let asks = message.first_ms.is_some() && message.class == Some(DeliveryClass::Checkable);
    let next = |retry_after| records.ledger().now_ms().saturating_add(pace.wait_ms(message.attempts, retry_after));
    if asks {
        let confirmed = timeout(pace.deadline, channel.confirm(&message.message.address, message.id.as_str())).await;
        match confirmed.unwrap_or_else(|_| Err(late(pace.deadline))) {
            Ok(Some(receipt)) => return Attempt::Sent(receipt),
            Ok(None) => {}
            // Asking sends nothing.
            Err(error) if error.failure == Failure::Absent => return Attempt::Absent(error.text),
            Err(error) => {
                let text = format!("whether it got there could not be asked: {}", error.text);
                return Attempt::NotSent { error: text, next_ms: next(error.retry_after) };
            }
        }
    }
    // What was taken in time may be begun late: the disk was slow, or the machine slept.
    let arrives_ms = records.ledger().now_ms().saturating_add(pace.patience().deadline_ms);
    if message.class.is_some_and(|class| class.forbids(message.first_ms, arrives_ms)) {
        let error = "it was too late to send it again: the platform may not know its key any more".to_owned();
        return Attempt::NotSent { error, next_ms: records.ledger().now_ms() };
    }
    let sent = timeout(pace.deadline, channel.send(&message)).await;
    match sent.unwrap_or_else(|_| Err(late(pace.deadline))) {
        Ok(receipt) => Attempt::Sent(receipt),
        Err(SendError { failure, retry_after, text: error }) => match failure {
            Failure::NotSent => Attempt::NotSent { error, next_ms: next(retry_after) },
            Failure::Absent => Attempt::Absent(error),
            Failure::Unsure => Attempt::Unsure { error, next_ms: next(retry_after) },
            Failure::Refused => Attempt::Refused(error),
        },
    }
}

fn late(deadline: Duration) -> SendError {
    SendError::new(Failure::Unsure, format!("no answer within {} s", deadline.as_secs_f32()))
}
