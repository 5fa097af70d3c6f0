//! What was said, in order.

use super::{Records, Seal, Spot};
use cara_authority::{Label, RunId, SessionId};
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde_json::Value;

cara_authority::words! {
    /// Who speaks in a message. There is no `system`: what the ledger holds never becomes an instruction of the operator.
    Role {
        /// A person.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// Results of tools.
        Tool = "tool",
    }
}

/// A message to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The speaker.
    pub role: Role,
    /// What; its form is the caller's.
    pub body: Value,
    /// The label of the message.
    pub label: Label,
    /// Who said it, in the caller's form, where that is not the person of the session.
    pub speaker: Option<Value>,
}

/// A message that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its place in the session, from 1 without gaps.
    pub place: u64,
    /// The run it belongs to; none when it was copied by a fork.
    pub run: Option<RunId>,
    /// The speaker.
    pub role: Role,
    /// What.
    pub body: Value,
    /// The label of the message.
    pub label: Label,
    /// Who said it, where that is not the person of the session.
    pub speaker: Option<Value>,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

impl From<Message> for NewMessage {
    fn from(message: Message) -> Self {
        Self { role: message.role, body: message.body, label: message.label, speaker: message.speaker }
    }
}

type Row = (Number, Option<As<RunId>>, As<Role>, Vec<u8>, As<Label>, Option<Vec<u8>>, Number);

impl Records {
    /// At most `limit` messages from a place on.
    pub async fn messages(
        &self,
        session: &SessionId,
        from_place: u64,
        limit: u32,
    ) -> Result<Vec<Message>, LedgerError> {
        let upto = from_place.saturating_add(u64::from(limit)).saturating_sub(1);
        self.read_messages(&mut self.ledger.reader().await?.sql(), session, from_place, upto).await
    }

    /// The messages from a place up to another one.
    pub(super) async fn read_messages(
        &self,
        sql: &mut Sql<'_>,
        session: &SessionId,
        from_place: u64,
        upto_place: u64,
    ) -> Result<Vec<Message>, LedgerError> {
        let query = query_as::<Row>(
            "SELECT place, run, role, body, label, speaker, at_ms FROM messages \
             WHERE session = $1 AND place >= $2 AND place <= $3 ORDER BY place",
        );
        let query = query.bind(session.as_str()).bind(to_sql(from_place)).bind(to_sql(upto_place));
        let mut messages = Vec::new();
        for (place, run, role, body, label, speaker, at_ms) in sql.all(query).await? {
            let at = Place { session, place: place.0, role: role.0, label: &label.0 };
            // One that was taken out from between does not go unseen.
            if place.0 != from_place.max(1) + messages.len() as u64 {
                return Err(at.spot("body", |spot| self.seal.tampered(spot)));
            }
            let body = at.spot("body", |spot| self.seal.open_json(spot, body))?;
            let speaker = at.spot("speaker", |spot| self.seal.open_maybe(spot, speaker))?;
            let (run, at_ms) = (run.map(|run| run.0), at_ms.0);
            messages.push(Message { place: place.0, run, role: role.0, body, label: label.0, speaker, at_ms });
        }
        Ok(messages)
    }
}

/// Where a message stands. Its role and label are sealed with it: neither can be changed in the file.
struct Place<'a> {
    session: &'a SessionId,
    place: u64,
    role: Role,
    label: &'a Label,
}

impl Place<'_> {
    fn spot<T>(&self, column: &'static str, with: impl FnOnce(Spot<'_>) -> T) -> T {
        let (place, label) = (self.place.to_string(), self.label.to_string());
        let row = [self.session.as_str(), &place, self.role.name(), &label];
        with(Spot { table: "messages", column, row: &row })
    }
}

/// The end of a session, to which messages are added within one change.
pub(super) struct Tail {
    session: SessionId,
    messages: u64,
    label: Label,
}

impl Tail {
    /// Of a session that has no messages.
    pub(super) fn new(session: SessionId) -> Self {
        Self { session, messages: 0, label: Label::NONE }
    }

    /// Of a session as it is.
    pub(super) async fn read(sql: &mut Sql<'_>, session: &SessionId) -> Result<Self, LedgerError> {
        let query = query_as::<(Number, As<Label>)>("SELECT messages, label FROM sessions WHERE id = $1");
        match sql.one(query.bind(session.as_str())).await? {
            Some((messages, label)) => Ok(Self { session: session.clone(), messages: messages.0, label: label.0 }),
            None => Err(LedgerError::no_such("session", session.as_str())),
        }
    }

    /// The session of the message.
    pub(super) fn session(&self) -> &SessionId {
        &self.session
    }

    /// How many messages it has.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// The session has seen this too.
    pub(super) fn saw(&mut self, label: &Label) {
        self.label = self.label.join(label);
    }

    /// Adds a message.
    pub(super) async fn add(
        &mut self,
        sql: &mut Sql<'_>,
        seal: &Seal,
        run: Option<&RunId>,
        message: &NewMessage,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        self.messages += 1;
        self.saw(&message.label);
        let (role, label) = (message.role, &message.label);
        let at = Place { session: &self.session, place: self.messages, role, label };
        let body = at.spot("body", |spot| seal.seal_json(spot, &message.body))?;
        let speaker = message.speaker.as_ref();
        let speaker = speaker.map(|speaker| at.spot("speaker", |spot| seal.seal_json(spot, speaker))).transpose()?;
        let query = query(
            "INSERT INTO messages (session, place, run, role, body, label, at_ms, speaker) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        );
        let query = query.bind(self.session.as_str()).bind(to_sql(self.messages)).bind(run.map(RunId::as_str));
        let query = query.bind(role.name()).bind(body).bind(label.to_string()).bind(to_sql(now_ms));
        sql.execute(query.bind(speaker)).await.map(drop)
    }

    /// Keeps the new count and label.
    pub(super) async fn save(self, sql: &mut Sql<'_>, now_ms: u64) -> Result<(), LedgerError> {
        let query = query("UPDATE sessions SET messages = $2, label = $3, changed_ms = $4 WHERE id = $1");
        let query = query.bind(self.session.as_str()).bind(to_sql(self.messages)).bind(self.label.to_string());
        sql.execute(query.bind(to_sql(now_ms))).await.map(drop)
    }
}
