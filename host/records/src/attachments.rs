//! Files that a person handed in.

use super::{Records, Tail};
use cara_authority::{Label, SessionId};
use cara_services::ledger::records::fresh;
use cara_services::ledger::records::{Seal, Spot};
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde::{Deserialize, Serialize};

/// The most bytes of an attachment.
pub const MAX_ATTACHMENT: u64 = 8 * 1024 * 1024;

/// A file to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// What it is said to be: `image/png`.
    pub media_type: String,
    /// The file's name.
    pub name: String,
    /// At most 8 MiB.
    pub content: Vec<u8>,
    /// The label of the content.
    pub label: Label,
}

/// A file that was kept, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its id, `f-` and ten characters; the same in a fork of the session.
    pub id: String,
    /// The stated media type.
    pub media_type: String,
    /// The file's name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// The label of the content.
    pub label: Label,
    /// When it was handed in, Unix milliseconds.
    pub at_ms: u64,
}

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The attachment's description.
    pub attachment: Attachment,
    /// The attachment's bytes.
    pub content: Vec<u8>,
}

/// What is sealed of an attachment beside its content.
#[derive(Serialize, Deserialize)]
struct About {
    media_type: String,
    name: String,
}

type Row = (String, Vec<u8>, Number, As<Label>, Number);

/// Where an attachment stands.
struct Key<'a> {
    session: &'a SessionId,
    id: &'a str,
    label: &'a Label,
}

impl Key<'_> {
    fn with<T>(&self, column: &'static str, with: impl FnOnce(Spot<'_>) -> T) -> T {
        let row = [self.session.as_str(), self.id, &self.label.to_string()];
        with(Spot { table: "attachments", column, row: &row })
    }
}

impl Records {
    /// Keeps a file of at most 8 MiB and returns its id; durable when it returns.
    pub async fn attach(&self, session: &SessionId, new: &NewAttachment) -> Result<String, LedgerError> {
        let bytes = new.content.len() as u64;
        if bytes > MAX_ATTACHMENT {
            return Err(LedgerError::TooLarge { what: "an attachment", bytes, max: MAX_ATTACHMENT });
        }
        let (id, now_ms) = (fresh("f-", 10)?, self.ledger.now_ms());
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        let tail = Tail::read(sql, session).await?;
        put(sql, &self.seal, tail.session(), &id, new, now_ms).await?;
        change.commit().await?;
        Ok(id)
    }

    /// A file of a session.
    pub async fn attachment(&self, session: &SessionId, id: &str) -> Result<Option<Attached>, LedgerError> {
        self.read_attachment(&mut self.ledger.reader().await?.sql(), session, id).await
    }

    /// How many bytes a file of a session has.
    pub async fn attachment_size(&self, session: &SessionId, id: &str) -> Result<Option<u64>, LedgerError> {
        let query = query_as::<(Number,)>("SELECT size FROM attachments WHERE session = $1 AND id = $2");
        let row = self.ledger.reader().await?.sql().one(query.bind(session.as_str()).bind(id)).await?;
        Ok(row.map(|(size,)| size.0))
    }

    /// The files of a session, without their contents, the first first.
    pub async fn attachments(&self, session: &SessionId) -> Result<Vec<Attachment>, LedgerError> {
        self.list_attachments(&mut self.ledger.reader().await?.sql(), session).await
    }

    async fn list_attachments(&self, sql: &mut Sql<'_>, session: &SessionId) -> Result<Vec<Attachment>, LedgerError> {
        let query = query_as::<Row>(
            "SELECT id, about, size, label, at_ms FROM attachments WHERE session = $1 ORDER BY at_ms, id",
        );
        let rows = sql.all(query.bind(session.as_str())).await?;
        rows.into_iter().map(|row| self.open_about(session, row)).collect()
    }

    async fn read_attachment(
        &self,
        sql: &mut Sql<'_>,
        session: &SessionId,
        id: &str,
    ) -> Result<Option<Attached>, LedgerError> {
        let query = query_as::<(Vec<u8>, Vec<u8>, Number, As<Label>, Number)>(
            "SELECT about, content, size, label, at_ms FROM attachments WHERE session = $1 AND id = $2",
        );
        let row = sql.one(query.bind(session.as_str()).bind(id)).await?;
        let Some((about, content, size, label, at_ms)) = row else { return Ok(None) };
        let key = Key { session, id, label: &label.0 };
        let content = key.with("content", |spot| self.seal.open(spot, content))?;
        let attachment = self.open_about(session, (id.to_owned(), about, size, label, at_ms))?;
        Ok(Some(Attached { attachment, content }))
    }

    fn open_about(&self, session: &SessionId, row: Row) -> Result<Attachment, LedgerError> {
        let (id, about, size, label, at_ms) = row;
        let key = Key { session, id: &id, label: &label.0 };
        let About { media_type, name } = key.with("about", |spot| self.seal.open_json(spot, about))?;
        Ok(Attachment { id, media_type, name, size: size.0, label: label.0, at_ms: at_ms.0 })
    }

    /// Gives a fork the files of its parent, under the same ids.
    pub(super) async fn copy_attachments(
        &self,
        sql: &mut Sql<'_>,
        parent: &SessionId,
        fork: &mut Tail,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        for listed in self.list_attachments(sql, parent).await? {
            let Some(attached) = self.read_attachment(sql, parent, &listed.id).await? else { continue };
            let Attachment { media_type, name, label, .. } = listed;
            let new = NewAttachment { media_type, name, content: attached.content, label: label.clone() };
            fork.saw(&label);
            put(sql, &self.seal, fork.session(), &listed.id, &new, now_ms).await?;
        }
        Ok(())
    }
}

async fn put(
    sql: &mut Sql<'_>,
    seal: &Seal,
    session: &SessionId,
    id: &str,
    new: &NewAttachment,
    now_ms: u64,
) -> Result<(), LedgerError> {
    let key = Key { session, id, label: &new.label };
    let about = About { media_type: new.media_type.clone(), name: new.name.clone() };
    let about = key.with("about", |spot| seal.seal_json(spot, &about))?;
    let content = key.with("content", |spot| seal.seal(spot, &new.content))?;
    let query = query(
        "INSERT INTO attachments (session, id, about, content, size, label, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let query = query.bind(session.as_str()).bind(id).bind(about).bind(content);
    let query = query.bind(to_sql(new.content.len() as u64)).bind(new.label.to_string());
    sql.execute(query.bind(to_sql(now_ms))).await.map(drop)
}
