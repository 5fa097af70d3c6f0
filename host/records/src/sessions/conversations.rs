//! Which session the messages of a conversation go to now.

use super::{New, Records, fresh_id};
use cara_authority::{PersonId, SessionId};
use cara_services::ledger::LedgerError;
use cara_services::ledger::records::{Seal, Spot};
use cara_services::ledger::sql::{As, query, query_as};
use serde_json::Value;

/// A session that begins in a conversation.
#[derive(Debug, Clone)]
pub struct NewConversation<'a> {
    /// What the scope of sessions makes of the conversation's address: one text for all that goes into one session.
    pub key: &'a str,
    /// Where it takes place and who reads along, in the caller's form.
    pub place: &'a Value,
    /// Whose the session is.
    pub person: &'a PersonId,
    /// The channel.
    pub channel: &'a str,
    /// The agent that answers.
    pub agent: &'a str,
    /// The title.
    pub title: &'a str,
}

fn place_spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "sessions", column: "place", row }
}

fn lookup(seal: &Seal, key: &str) -> [u8; 32] {
    seal.lookup("conversation", &[key.as_bytes()])
}

impl Records {
    /// The session that messages under this key go to, if there is one.
    pub async fn conversation(&self, key: &str) -> Result<Option<SessionId>, LedgerError> {
        let found = query_as::<(As<SessionId>,)>("SELECT session FROM conversations WHERE lookup = $1");
        let lookup = lookup(&self.seal, key);
        let row = self.ledger.reader().await?.sql().one(found.bind(&lookup[..])).await?;
        Ok(row.map(|(session,)| session.0))
    }

    /// Begins a session to which messages under this key go from now on. The one of before stays and is found.
    pub async fn begin_conversation(&self, new: &NewConversation<'_>) -> Result<SessionId, LedgerError> {
        let (id, lookup) = (fresh_id()?, lookup(&self.seal, new.key));
        let place = self.seal.seal_json(place_spot(&[id.as_str()]), new.place)?;
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let NewConversation { person, channel, agent, title, .. } = *new;
        let session = New { person, channel, agent, title, parent: None };
        session.insert(&id, sql, &self.seal, self.ledger.now_ms()).await?;
        let placed = query("UPDATE sessions SET place = $2 WHERE id = $1").bind(id.as_str()).bind(place);
        sql.execute(placed).await?;
        let goes = query(
            "INSERT INTO conversations (lookup, session) VALUES ($1, $2) \
             ON CONFLICT (lookup) DO UPDATE SET session = excluded.session",
        );
        sql.execute(goes.bind(&lookup[..]).bind(id.as_str())).await?;
        change.commit().await?;
        Ok(id)
    }

    /// Messages under this key begin a session anew; the one of before stays and is found.
    pub async fn leave_conversation(&self, key: &str) -> Result<(), LedgerError> {
        let lookup = lookup(&self.seal, key);
        let mut change = self.ledger.change().await?;
        change.sql().execute(query("DELETE FROM conversations WHERE lookup = $1").bind(&lookup[..])).await?;
        change.commit().await
    }

    /// Where a session takes place, if it is on a channel.
    pub async fn place_of(&self, session: &SessionId) -> Result<Option<Value>, LedgerError> {
        let found = query_as::<(Option<Vec<u8>>,)>("SELECT place FROM sessions WHERE id = $1").bind(session.as_str());
        let row = self.ledger.reader().await?.sql().one(found).await?;
        self.seal.open_maybe(place_spot(&[session.as_str()]), row.and_then(|(place,)| place))
    }
}
