//! What somebody said, and where they are reached alone.

use super::{Inbound, Row, select, sender};
use crate::Records;
use cara_authority::{ConversationAddress, PersonAddress};
use cara_services::ledger::LedgerError;
use cara_services::ledger::sql::{Sql, query_as};

impl Records {
    /// The conversation with nobody else in which one of these wrote last, of what is still kept.
    pub async fn direct_conversation(&self, of: &[PersonAddress]) -> Result<Option<ConversationAddress>, LedgerError> {
        let mut last: Option<Inbound> = None;
        for address in of {
            let statement =
                query_as::<Row>(select!("AND sender = $1 ORDER BY received_ms DESC, position DESC LIMIT 100"));
            let rows = self.ledger.reader().await?.sql().all(statement.bind(&sender(&self.seal, address)[..])).await?;
            for row in rows {
                let inbound = self.read_inbound(row)?;
                let later = last.as_ref().is_none_or(|last| last.received_ms < inbound.received_ms);
                if !inbound.message.group {
                    last = if later { Some(inbound) } else { last };
                    break;
                }
            }
        }
        Ok(last.map(|last| last.message.address))
    }

    /// What somebody said and is still kept, the first first.
    pub(crate) async fn inbound_by(&self, sql: &mut Sql<'_>, of: &PersonAddress) -> Result<Vec<Inbound>, LedgerError> {
        let statement = query_as::<Row>(select!("AND sender = $1 ORDER BY received_ms, position"));
        let rows = sql.all(statement.bind(&sender(&self.seal, of)[..])).await?;
        rows.into_iter().map(|row| self.read_inbound(row)).collect()
    }
}
