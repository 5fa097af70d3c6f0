//! Which session the messages of a conversation go to now.

use super::{New, Records, fresh_id};
use cara_authority::{PersonId, SessionId};
use cara_services::ledger::LedgerError;
use cara_services::ledger::records::Seal;
use cara_services::ledger::sql::{As, query, query_as};

/// A session that begins in a conversation.
#[derive(Debug, Clone)]
pub struct NewConversation<'a> {
    /// What the scope of sessions makes of the conversation's address: one text for all that goes into one session.
    pub key: &'a str,
    /// Whose the session is.
    pub person: &'a PersonId,
    /// The channel.
    pub channel: &'a str,
    /// The agent that answers.
    pub agent: &'a str,
    /// The title.
    pub title: &'a str,
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
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let NewConversation { person, channel, agent, title, .. } = *new;
        let session = New { person, channel, agent, title, parent: None };
        session.insert(&id, sql, &self.seal, self.ledger.now_ms()).await?;
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
}
