//! Messages that waited too long to be answered.

use super::{Inbound, Row};
use crate::{NewOutbound, Records};
use cara_authority::ConversationAddress;
use cara_services::ledger::sql::{query, query_as};
use cara_services::ledger::{LedgerError, to_sql};

/// Messages of one conversation that were too old to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// The conversation.
    pub address: ConversationAddress,
    /// The messages, the first first; never none.
    pub messages: Vec<Inbound>,
}

impl Records {
    /// Keeps that messages sent before then are not answered any more, and queues for each conversation the one message that
    /// says so; in one commit. The key of that message must follow from what was missed.
    pub async fn miss(
        &self,
        before_ms: u64,
        notice: impl Fn(&Missed) -> NewOutbound,
    ) -> Result<Vec<Missed>, LedgerError> {
        let statement = query_as::<Row>(select!(
            "AND state = 'waiting' AND settled_ms IS NULL AND sent_ms < $1 ORDER BY conversation, position"
        ));
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let mut missed: Vec<Missed> = Vec::new();
        for row in sql.all(statement.bind(to_sql(before_ms))).await? {
            let message = self.read_inbound(row)?;
            match missed.last_mut().filter(|last| last.address == message.message.address) {
                Some(last) => last.messages.push(message),
                None => {
                    missed.push(Missed { address: message.message.address.clone(), messages: vec![message] });
                }
            }
        }
        if missed.is_empty() {
            return Ok(missed);
        }
        let statement = query(
            "UPDATE inbox SET state = 'missed', settled_ms = $2 WHERE state = 'waiting' AND settled_ms IS NULL AND sent_ms < $1",
        );
        sql.execute(statement.bind(to_sql(before_ms)).bind(to_sql(self.ledger.now_ms()))).await?;
        for missed in &missed {
            self.enqueue_in(sql, &notice(missed)).await?;
        }
        change.commit().await?;
        self.tell_boxes();
        Ok(missed)
    }
}
