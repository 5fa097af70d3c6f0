//! Conversations: who, where, what about.

mod conversations;

pub use conversations::NewConversation;

use super::{Records, Tail, inbox, outbox};
use cara_authority::{ComponentId, Label, PersonId, SessionId, display_safe};
use cara_services::ledger::records::fresh;
use cara_services::ledger::records::{Seal, Spot};
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde_json::json;

/// The most conversations that are removed in one change.
pub const MOST_AT_ONCE: u32 = 500;

/// A conversation, without what was said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The session's id, `s-` and ten characters.
    pub id: SessionId,
    /// Whose it is.
    pub person: PersonId,
    /// The channel of the conversation.
    pub channel: String,
    /// The agent that answers.
    pub agent: String,
    /// The title.
    pub title: String,
    /// When it began, Unix milliseconds.
    pub began_ms: u64,
    /// When it last changed, Unix milliseconds.
    pub changed_ms: u64,
    /// How many messages it has; also the place of the last one.
    pub messages: u64,
    /// What all its messages came from, joined.
    pub label: Label,
    /// The session it was forked from; that one may be gone.
    pub parent: Option<SessionId>,
    /// When it was pinned, Unix milliseconds, if it is.
    pub pinned_ms: Option<u64>,
}

/// A query for sessions, all their columns in the order of [`Row`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, person, channel, agent, title, began_ms, changed_ms, messages, label, parent, pinned_ms \
             FROM sessions ",
            $rest
        )
    };
}

type Row = (
    As<SessionId>,
    As<PersonId>,
    String,
    String,
    Vec<u8>,
    Number,
    Number,
    Number,
    As<Label>,
    Option<As<SessionId>>,
    Option<Number>,
);

/// Whose session it is, is sealed with its title: the file alone does not give it to somebody else.
fn title_spot<'a>(row: &'a [&'a str; 4]) -> Spot<'a> {
    Spot { table: "sessions", column: "title", row }
}

impl Records {
    /// How many bytes are stored of each of at most `limit` messages from a place on.
    pub async fn message_sizes(
        &self,
        session: &SessionId,
        from_place: u64,
        limit: u32,
    ) -> Result<Vec<u64>, LedgerError> {
        let query = query_as::<(Number,)>(
            "SELECT CAST(length(body) AS BIGINT) FROM messages WHERE session = $1 AND place >= $2 \
             ORDER BY place LIMIT $3",
        );
        let query = query.bind(session.as_str()).bind(to_sql(from_place)).bind(to_sql(limit.into()));
        let rows = self.ledger.reader().await?.sql().all(query).await?;
        Ok(rows.into_iter().map(|(size,)| size.0).collect())
    }

    /// Begins a conversation of `person` on `channel` with `agent`.
    pub async fn begin_session(
        &self,
        person: &PersonId,
        channel: &str,
        agent: &str,
        title: &str,
    ) -> Result<SessionId, LedgerError> {
        let id = fresh_id()?;
        self.begin_session_as(&id, person, channel, agent, title).await?;
        Ok(id)
    }

    /// The same under an id that no conversation has yet.
    pub async fn begin_session_as(
        &self,
        id: &SessionId,
        person: &PersonId,
        channel: &str,
        agent: &str,
        title: &str,
    ) -> Result<(), LedgerError> {
        let mut change = self.ledger.change().await?;
        let new = New { person, channel, agent, title, parent: None };
        new.insert(id, &mut change.sql(), &self.seal, self.ledger.now_ms()).await?;
        change.commit().await
    }

    /// The conversations that changed last, of everybody or of one person, the newest first.
    pub async fn recent_sessions(&self, person: Option<&PersonId>, most: u32) -> Result<Vec<Session>, LedgerError> {
        let query = match person {
            None => query_as::<Row>(select!("ORDER BY changed_ms DESC, id LIMIT $1")),
            Some(_) => query_as::<Row>(select!("WHERE person = $2 ORDER BY changed_ms DESC, id LIMIT $1")),
        };
        let mut query = query.bind(i64::from(most));
        if let Some(person) = person {
            query = query.bind(person.as_str());
        }
        let rows = self.ledger.reader().await?.sql().all(query).await?;
        rows.into_iter().map(|row| self.read_session(row)).collect()
    }

    /// Conversations of everybody as a person looks through them: those that are pinned first, and of either kind the newest first.
    pub async fn listed_sessions(&self, most: u32) -> Result<Vec<Session>, LedgerError> {
        let pinned = select!("WHERE pinned_ms IS NOT NULL ORDER BY changed_ms DESC, id LIMIT $1");
        let others = select!("WHERE pinned_ms IS NULL ORDER BY changed_ms DESC, id LIMIT $1");
        let mut reader = self.ledger.reader().await?;
        let mut listed = Vec::new();
        for of_kind in [pinned, others] {
            let room = u64::from(most).saturating_sub(listed.len() as u64);
            let rows = reader.sql().all(query_as::<Row>(of_kind).bind(to_sql(room))).await?;
            for row in rows {
                listed.push(self.read_session(row)?);
            }
        }
        Ok(listed)
    }

    /// How many conversations are kept.
    pub async fn session_count(&self) -> Result<u64, LedgerError> {
        let query = query_as::<(Number,)>("SELECT COUNT(*) FROM sessions");
        Ok(self.ledger.reader().await?.sql().one(query).await?.map_or(0, |(count,)| count.0))
    }

    /// A conversation.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, LedgerError> {
        let query = query_as::<Row>(select!("WHERE id = $1"));
        let row = self.ledger.reader().await?.sql().one(query.bind(id.as_str())).await?;
        row.map(|row| self.read_session(row)).transpose()
    }

    /// Gives a conversation another title.
    pub async fn rename_session(&self, id: &SessionId, title: &str) -> Result<(), LedgerError> {
        let of = self.session(id).await?.ok_or_else(|| LedgerError::no_such("session", id.as_str()))?;
        let row = [id.as_str(), of.person.as_str(), &of.channel, &of.agent];
        let title = self.seal.seal(title_spot(&row), title.as_bytes())?;
        let mut change = self.ledger.change().await?;
        let query = query("UPDATE sessions SET title = $2 WHERE id = $1").bind(id.as_str()).bind(title);
        change.sql().execute(query).await?;
        change.commit().await
    }

    /// Pins a conversation, or lets go of it.
    pub async fn pin_session(&self, id: &SessionId, pinned: bool) -> Result<(), LedgerError> {
        let pinned_ms = pinned.then(|| to_sql(self.ledger.now_ms()));
        let statement = query("UPDATE sessions SET pinned_ms = $2 WHERE id = $1").bind(id.as_str()).bind(pinned_ms);
        let mut change = self.ledger.change().await?;
        if change.sql().execute(statement).await? == 0 {
            return Err(LedgerError::no_such("session", id.as_str()));
        }
        change.commit().await
    }

    /// Deletes a conversation and all that is in it, its rules too. What it used stays counted, without the session.
    /// Returns whether there was one.
    pub async fn delete_session(&self, id: &SessionId) -> Result<bool, LedgerError> {
        let mut change = self.ledger.change().await?;
        let count = query_as::<(Number,)>("SELECT messages FROM sessions WHERE id = $1").bind(id.as_str());
        let Some((messages,)) = change.sql().one(count).await? else { return Ok(false) };
        remove(&mut change.sql(), id).await?;
        change.event("session-deleted", id.as_str(), json!({ "messages": messages.0 })).await?;
        change.answers().await?;
        change.commit().await?;
        Ok(true)
    }

    /// Removes conversations that did not change since then and are not pinned, with all that is in them, in one change and with
    /// one event: the oldest, at most [`MOST_AT_ONCE`]. None that `process` works in. Returns which they were.
    pub async fn expire_sessions(&self, before_ms: u64, process: &str) -> Result<Vec<SessionId>, LedgerError> {
        let old = query_as::<(As<SessionId>,)>(
            "SELECT id FROM sessions WHERE changed_ms < $1 AND pinned_ms IS NULL AND NOT EXISTS (SELECT 1 FROM runs \
             WHERE runs.session = sessions.id AND runs.state = 'running' AND runs.process = $2) \
             ORDER BY changed_ms, id LIMIT $3",
        );
        let old = old.bind(to_sql(before_ms)).bind(process).bind(i64::from(MOST_AT_ONCE));
        let mut change = self.ledger.change().await?;
        let ids: Vec<SessionId> = change.sql().all(old).await?.into_iter().map(|(id,)| id.0).collect();
        if ids.is_empty() {
            return Ok(ids);
        }
        for id in &ids {
            remove(&mut change.sql(), id).await?;
        }
        let detail = json!({ "sessions": ids.len(), "unused-since-ms": before_ms });
        change.event("sessions-expired", "sessions", detail).await?;
        change.answers().await?;
        change.commit().await?;
        Ok(ids)
    }

    /// A new conversation with what was said up to a place, the summary if it goes no further, and all attachments.
    ///
    /// Each message keeps its label; the label of the new conversation is theirs, joined. Runs and calls stay behind.
    pub async fn fork_session(&self, id: &SessionId, upto_place: u64) -> Result<SessionId, LedgerError> {
        let parent = self.session(id).await?.ok_or_else(|| LedgerError::no_such("session", id.as_str()))?;
        let now_ms = self.ledger.now_ms();
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let new = New {
            person: &parent.person,
            channel: &parent.channel,
            agent: &parent.agent,
            title: &parent.title,
            parent: Some(id),
        };
        let fork = fresh_id()?;
        new.insert(&fork, sql, &self.seal, now_ms).await?;
        let mut tail = Tail::new(fork.clone());
        for message in self.read_messages(sql, id, 1, upto_place).await? {
            tail.add(sql, &self.seal, None, &message.into(), now_ms).await?;
        }
        self.copy_summary(sql, id, &mut tail, now_ms).await?;
        self.copy_attachments(sql, id, &mut tail, now_ms).await?;
        tail.save(sql, now_ms).await?;
        let kept = "UPDATE sessions SET followed = (SELECT followed FROM sessions WHERE id = $2), \
                    model = (SELECT model FROM sessions WHERE id = $2) WHERE id = $1";
        sql.execute(query(kept).bind(fork.as_str()).bind(id.as_str())).await?;
        change.commit().await?;
        Ok(fork)
    }

    /// What following links may have told about a conversation, bits, since a person was last asked about it.
    pub async fn followed(&self, id: &SessionId) -> Result<u64, LedgerError> {
        let query = query_as::<(Number,)>("SELECT followed FROM sessions WHERE id = $1").bind(id.as_str());
        let row = self.ledger.reader().await?.sql().one(query).await?;
        row.map(|(bits,)| bits.0).ok_or_else(|| LedgerError::no_such("session", id.as_str()))
    }

    /// Keeps that number. Does not wait for the disk.
    pub async fn set_followed(&self, id: &SessionId, bits: u64) -> Result<(), LedgerError> {
        let mut change = self.ledger.light_change().await?;
        let query = query("UPDATE sessions SET followed = $2 WHERE id = $1").bind(id.as_str());
        change.sql().execute(query.bind(to_sql(bits))).await?;
        change.commit().await
    }

    /// Keeps which model a conversation is answered by, whether or not it answers. Does not wait for the disk.
    pub async fn set_model(&self, id: &SessionId, component: &ComponentId, model: &str) -> Result<(), LedgerError> {
        let mut change = self.ledger.light_change().await?;
        let query = query("UPDATE sessions SET model = $2 WHERE id = $1").bind(id.as_str());
        change.sql().execute(query.bind(format!("{component}:{model}"))).await?;
        change.commit().await
    }

    fn read_session(&self, row: Row) -> Result<Session, LedgerError> {
        let (id, person, channel, agent, title, began_ms, changed_ms, messages, label, parent, pinned_ms) = row;
        let row = [id.0.as_str(), person.0.as_str(), &channel, &agent];
        let title = self.seal.open(title_spot(&row), title)?;
        Ok(Session {
            title: String::from_utf8(title).map_err(|_| self.seal.tampered(title_spot(&row)))?,
            id: id.0,
            person: person.0,
            channel,
            agent,
            began_ms: began_ms.0,
            changed_ms: changed_ms.0,
            messages: messages.0,
            label: label.0,
            parent: parent.map(|parent| parent.0),
            pinned_ms: pinned_ms.map(|at| at.0),
        })
    }
}

/// Removes a conversation. The tables of its parts refer to it and go with it.
async fn remove(sql: &mut Sql<'_>, id: &SessionId) -> Result<(), LedgerError> {
    inbox::forget_session(sql, id).await?;
    outbox::forget_session(sql, id).await?;
    sql.execute(query("DELETE FROM sessions WHERE id = $1").bind(id.as_str())).await.map(drop)
}

fn fresh_id() -> Result<SessionId, LedgerError> {
    Ok(SessionId::parse(&fresh("s-", 10)?).expect("base32 after a letter is an id"))
}

/// A conversation that begins.
struct New<'a> {
    person: &'a PersonId,
    channel: &'a str,
    agent: &'a str,
    title: &'a str,
    parent: Option<&'a SessionId>,
}

impl New<'_> {
    async fn insert(&self, id: &SessionId, sql: &mut Sql<'_>, seal: &Seal, now_ms: u64) -> Result<(), LedgerError> {
        let (channel, agent) = (display_safe(self.channel), display_safe(self.agent));
        let row = [id.as_str(), self.person.as_str(), &channel, &agent];
        let title = seal.seal(title_spot(&row), self.title.as_bytes())?;
        let query = query(
            "INSERT INTO sessions (id, person, channel, agent, title, began_ms, changed_ms, messages, label, parent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)",
        );
        let query = query.bind(id.as_str()).bind(self.person.as_str()).bind(channel).bind(agent);
        let query = query.bind(title).bind(to_sql(now_ms)).bind(to_sql(now_ms)).bind(Label::NONE.to_string());
        sql.execute(query.bind(self.parent.map(SessionId::as_str))).await.map(drop)
    }
}
