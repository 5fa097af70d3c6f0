//! How many messages may wait; and those of somebody who is there, which are
//! not counted among them.

use super::{NewInbound, ReceiveError, Received, lookup};
use crate::Records;
use crate::boxes::{InboundId, conversation};
use cara_authority::ConversationAddress;
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};

/// The most messages of one conversation that may wait.
pub const MOST_WAITING_OF_ONE: u64 = 200;

/// The most messages that may wait in all.
pub const MOST_WAITING: u64 = 4_000;

/// Whether there has to be room for a message among those that wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Room {
    /// There has to be.
    Counted,
    /// Its sender is there and waits for the answer: what others wrote does not keep it out.
    Own,
}

/// The next place in a conversation, if another message may wait.
pub(super) async fn place(sql: &mut Sql<'_>, room: Room, conversation: &[u8; 32]) -> Result<u64, ReceiveError> {
    if let Room::Counted = room {
        let all = query_as::<(Number,)>("SELECT COUNT(*) FROM inbox WHERE state = 'waiting'");
        let waiting = sql.one(all).await?.map_or(0, |(count,)| count.0);
        if waiting >= MOST_WAITING {
            return Err(ReceiveError::Full { waiting, of_one: false });
        }
        let of_one = query_as::<(Number,)>("SELECT COUNT(*) FROM inbox WHERE conversation = $1 AND state = 'waiting'");
        let waiting = sql.one(of_one.bind(&conversation[..])).await?.map_or(0, |(count,)| count.0);
        if waiting >= MOST_WAITING_OF_ONE {
            return Err(ReceiveError::Full { waiting, of_one: true });
        }
    }
    let last =
        query_as::<(Number,)>("SELECT CAST(COALESCE(MAX(position), 0) AS BIGINT) FROM inbox WHERE conversation = $1");
    Ok(sql.one(last.bind(&conversation[..])).await?.map_or(0, |(last,)| last.0) + 1)
}

impl Records {
    /// Takes in a message of somebody who is there and waits for the answer: as [`Records::receive`] does, however many others wait.
    pub async fn receive_own(&self, new: &NewInbound) -> Result<Received, ReceiveError> {
        let mut received = self.receive_in(Room::Own, std::slice::from_ref(new)).await?;
        Ok(received.remove(0))
    }

    /// The message with this platform id, if it was here; what it said may be forgotten.
    pub async fn received(
        &self,
        channel: &str,
        account: &str,
        platform_id: &str,
    ) -> Result<Option<InboundId>, LedgerError> {
        let lookup = lookup(&self.seal, channel, account, platform_id);
        let statement = query_as::<(As<InboundId>,)>("SELECT id FROM inbox WHERE lookup = $1");
        let row = self.ledger.reader().await?.sql().one(statement.bind(&lookup[..])).await?;
        Ok(row.map(|(id,)| id.0))
    }

    /// Forgets what was said in a conversation, and answers nothing of it any more; that there were messages is still known.
    pub async fn forget_conversation(&self, of: &ConversationAddress) -> Result<u64, LedgerError> {
        let statement = query(
            "UPDATE inbox SET content = NULL, state = CASE WHEN state = 'waiting' THEN 'dropped' ELSE state END, \
             settled_ms = COALESCE(settled_ms, $2) WHERE conversation = $1 AND content IS NOT NULL AND state <> 'running'",
        );
        let (conversation, now_ms) = (conversation(&self.seal, of), to_sql(self.ledger.now_ms()));
        let mut change = self.ledger.light_change().await?;
        let forgotten = change.sql().execute(statement.bind(&conversation[..]).bind(now_ms)).await?;
        change.commit().await?;
        Ok(forgotten)
    }
}
