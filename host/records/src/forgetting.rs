//! All that is kept about one person: what it is, and how it is forgotten in
//! one change.
//!
//! ```text
//! registry ─ addresses ─┬─ what they said and is in the inbox ─ what goes to where they alone read
//! person ───────────────┴─ sessions (messages, calls, approvals, files), memory, rules, uses of models, responses
//! ```
//!
//! What they said in a conversation of several people belongs to that conversation. The audit log has no content, and nothing
//! is taken out of it.

use super::{Inbound, InboundId, Outbound, OutboundId, Records, RunState, StoredRule, inbox, outbox};
use cara_authority::{ConversationAddress, PersonAddress, PersonId, SessionId};
use cara_services::ledger::sql::{As, Number, Sql, query, query_as};
use cara_services::ledger::{Change, LedgerError, after, owned_by, to_sql};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Whose uses are those of somebody who was forgotten; no person has this id.
pub const FORGOTTEN: &str = "(forgotten)";

/// How much is kept about somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// Addresses by which channels know the person.
    pub addresses: u64,
    /// Their own conversations.
    pub sessions: u64,
    /// The messages in those.
    pub messages: u64,
    /// The files in those.
    pub attachments: u64,
    /// What is remembered about them.
    pub memories: u64,
    /// Stored rules that answer in their place.
    pub rules: u64,
    /// What they said, in the inbox.
    pub inbound: u64,
    /// What is in the outbox for them.
    pub outbound: u64,
    /// Calls of models that were made for them.
    pub uses: u64,
    /// What lets them in: tokens, devices, sessions of the page.
    pub credentials: u64,
    /// Answers to programs that are kept for them.
    #[serde(default)]
    pub responses: u64,
}

/// What is kept about somebody beside their sessions and memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages {
    /// What they said, in the inbox.
    pub inbound: Vec<Inbound>,
    /// What is in the outbox for them.
    pub outbound: Vec<Outbound>,
}

/// A call of a model, as it was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Use {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// The provider and its model: `component:model`.
    pub model: String,
    /// Tokens the model read.
    pub input_tokens: u64,
    /// Tokens it wrote.
    pub output_tokens: u64,
    /// Millionths of a dollar; nothing when no price was known.
    pub micros: Option<u64>,
}

/// Why a person is not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// Nobody has this id, and nothing is kept about them.
    #[error("nobody is known as `{0}`\nhint: `cara people list` shows who is")]
    NoSuch(PersonId),
    /// There is always an owner.
    #[error(
        "the owner cannot be forgotten\nhint: `cara sessions delete`, `cara memory forget` and `cara approvals forget` remove \
         single things; the home as a whole is a folder"
    )]
    Owner,
    /// Something is being done for them.
    #[error("a run goes on for `{person}`, in session `{session}`\nhint: wait for its end, or stop it first")]
    Busy {
        /// The person.
        person: PersonId,
        /// The session of the run.
        session: SessionId,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Records {
    /// How much is kept about somebody.
    pub async fn kept_about(&self, id: &PersonId) -> Result<Kept, LedgerError> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let addresses = self.addresses(sql, id).await?;
        self.count_kept(sql, id, &addresses).await
    }

    async fn count_kept(
        &self,
        sql: &mut Sql<'_>,
        id: &PersonId,
        addresses: &[PersonAddress],
    ) -> Result<Kept, LedgerError> {
        let mut numbers = [0; 7];
        let counted = [
            "SELECT COUNT(*) FROM sessions WHERE person = $1",
            "SELECT CAST(COALESCE(SUM(messages), 0) AS BIGINT) FROM sessions WHERE person = $1",
            "SELECT COUNT(*) FROM attachments WHERE session IN (SELECT id FROM sessions WHERE person = $1)",
            "SELECT COUNT(*) FROM memories WHERE person = $1",
            "SELECT COUNT(*) FROM usage WHERE person = $1",
            "SELECT COUNT(*) FROM credentials WHERE person = $1",
            "SELECT COUNT(*) FROM responses WHERE person = $1",
        ];
        for (number, counted) in numbers.iter_mut().zip(counted) {
            let row = sql.one(query_as::<(Number,)>(counted).bind(id.as_str())).await?;
            *number = row.map_or(0, |(count,)| count.0);
        }
        let [sessions, messages, attachments, memories, uses, credentials, responses] = numbers;
        let Messages { inbound, outbound } = self.messages_with(sql, id, addresses).await?;
        let rules = self.rules_of(id).await?.len() as u64;
        let (addresses, inbound, outbound) = (addresses.len() as u64, inbound.len() as u64, outbound.len() as u64);
        Ok(Kept {
            addresses,
            sessions,
            messages,
            attachments,
            memories,
            rules,
            inbound,
            outbound,
            uses,
            credentials,
            responses,
        })
    }

    /// The stored rules that answer in somebody's place.
    pub async fn rules_of(&self, id: &PersonId) -> Result<Vec<StoredRule>, LedgerError> {
        let mut rules = self.rules().await?;
        rules.retain(|stored| stored.rule.person == *id);
        Ok(rules)
    }

    /// The calls of models that were made for somebody, the first first.
    pub async fn uses_of(&self, id: &PersonId) -> Result<Vec<Use>, LedgerError> {
        let query = query_as::<(Number, String, String, Number, Number, Option<Number>)>(
            "SELECT at_ms, component, model, input, output, micros FROM usage WHERE person = $1 ORDER BY at_ms, id",
        );
        let rows = self.ledger.reader().await?.sql().all(query.bind(id.as_str())).await?;
        let read = |(at, component, model, input, output, micros): (Number, String, String, _, _, Option<Number>)| {
            let (input, output): (Number, Number) = (input, output);
            let (at_ms, model, micros) = (at.0, format!("{component}:{model}"), micros.map(|micros| micros.0));
            Use { at_ms, model, input_tokens: input.0, output_tokens: output.0, micros }
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// What somebody said and what is for them, in inbox and outbox.
    pub async fn messages_of(&self, id: &PersonId) -> Result<Messages, LedgerError> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let addresses = self.addresses(sql, id).await?;
        self.messages_with(sql, id, &addresses).await
    }

    async fn messages_with(
        &self,
        sql: &mut Sql<'_>,
        id: &PersonId,
        addresses: &[PersonAddress],
    ) -> Result<Messages, LedgerError> {
        let mut inbound: BTreeMap<InboundId, Inbound> = BTreeMap::new();
        let mut rooms: BTreeSet<ConversationAddress> = addresses.iter().map(room_of).collect();
        for address in addresses {
            for message in self.inbound_by(sql, address).await? {
                if !message.message.group {
                    rooms.insert(message.message.address.clone());
                }
                inbound.insert(message.id.clone(), message);
            }
        }
        let mut outbound: BTreeMap<OutboundId, Outbound> = BTreeMap::new();
        for room in &rooms {
            outbound
                .extend(self.outbound_to(sql, room).await?.into_iter().map(|message| (message.id.clone(), message)));
        }
        for session in sessions(sql, id).await? {
            let sent = self.outbound_of(sql, &session).await?;
            outbound.extend(sent.into_iter().map(|message| (message.id.clone(), message)));
        }
        let mut all = Messages { inbound: inbound.into_values().collect(), outbound: outbound.into_values().collect() };
        all.inbound.sort_by_key(|message| message.received_ms);
        all.outbound.sort_by_key(|message| message.queued_ms);
        Ok(all)
    }

    /// Forgets a person with all that is kept about them, in one change, with an event that has no content. What models used for
    /// them stays counted, as nobody's. Returns what was forgotten.
    ///
    /// Refused while `process` works on a run of theirs.
    pub async fn forget_person(&self, id: &PersonId, process: &str, by: &str) -> Result<Kept, ForgetError> {
        if *id == PersonId::owner() {
            return Err(ForgetError::Owner);
        }
        let rules = self.rules_of(id).await?;
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        if let Some(session) = busy(sql, id, process).await? {
            return Err(ForgetError::Busy { person: id.clone(), session });
        }
        let addresses = self.addresses(sql, id).await?;
        let kept = self.count_kept(sql, id, &addresses).await?;
        self.forget_messages(sql, id, &addresses).await?;
        for session in sessions(sql, id).await? {
            inbox::forget_session(sql, &session).await?;
            outbox::forget_session(sql, &session).await?;
        }
        for rule in rules {
            sql.execute(query("DELETE FROM rules WHERE id = $1").bind(rule.id.as_str())).await?;
        }
        // Uses are counted by the day and by the provider, whoever they were made for.
        let counted = query("UPDATE usage SET person = $2 WHERE person = $1");
        sql.execute(counted.bind(id.as_str()).bind(FORGOTTEN)).await?;
        for gone in [
            "DELETE FROM sessions WHERE person = $1",
            // Of what was done for them in a group, only that it was.
            "UPDATE runs SET person = NULL WHERE person = $1",
            "DELETE FROM approvals WHERE person = $1",
            "DELETE FROM reservations WHERE person = $1",
            "DELETE FROM memories WHERE person = $1",
            "DELETE FROM memory_totals WHERE person = $1",
            "DELETE FROM credentials WHERE person = $1",
        ] {
            sql.execute(query(gone).bind(id.as_str())).await?;
        }
        self.forget_responses_of(sql, id).await?;
        forget_state(sql, id).await?;
        if !self.remove_person(sql, id).await? && kept == Kept::default() {
            return Err(ForgetError::NoSuch(id.clone()));
        }
        self.forgotten(change, id, &kept, by).await?;
        Ok(kept)
    }

    async fn forget_messages(
        &self,
        sql: &mut Sql<'_>,
        id: &PersonId,
        addresses: &[PersonAddress],
    ) -> Result<(), LedgerError> {
        for message in self.messages_with(sql, id, addresses).await?.outbound {
            sql.execute(query("DELETE FROM outbox WHERE id = $1").bind(message.id.as_str())).await?;
        }
        for address in addresses {
            self.forget_sender(sql, address).await?;
        }
        Ok(())
    }

    async fn forgotten(&self, mut change: Change<'_>, id: &PersonId, kept: &Kept, by: &str) -> Result<(), LedgerError> {
        change.event("person-forgotten", id.as_str(), json!({ "kept": kept, "by": by })).await?;
        change.answers().await?;
        change.commit().await?;
        self.indexes.lock().await.remove(id);
        self.tell_boxes();
        Ok(())
    }
}

/// The conversation with somebody alone, where the platform names it as the person.
fn room_of(address: &PersonAddress) -> ConversationAddress {
    let PersonAddress { channel, account, user } = address.clone();
    ConversationAddress { channel, account, conversation: user, thread: None }
}

async fn sessions(sql: &mut Sql<'_>, id: &PersonId) -> Result<Vec<SessionId>, LedgerError> {
    let query = query_as::<(As<SessionId>,)>("SELECT id FROM sessions WHERE person = $1 ORDER BY began_ms, id");
    Ok(sql.all(query.bind(id.as_str())).await?.into_iter().map(|(id,)| id.0).collect())
}

/// A session in which a process works on a run for the person, or on one of theirs.
async fn busy(sql: &mut Sql<'_>, id: &PersonId, process: &str) -> Result<Option<SessionId>, LedgerError> {
    let query = query_as::<(As<SessionId>,)>(
        "SELECT session FROM runs WHERE state = $3 AND process = $2 \
         AND (person = $1 OR session IN (SELECT id FROM sessions WHERE person = $1)) LIMIT 1",
    );
    let query = query.bind(id.as_str()).bind(process).bind(RunState::Running.name());
    Ok(sql.one(query).await?.map(|(session,)| session.0))
}

/// Removes what components kept in somebody's conversations. Revisions go on above those there were.
async fn forget_state(sql: &mut Sql<'_>, id: &PersonId) -> Result<(), LedgerError> {
    let (from, upto) = (owned_by(id), after(owned_by(id)));
    let sizes = query_as::<(String, Number, Number)>(
        "SELECT component, CAST(SUM(length(key) + length(value)) AS BIGINT), MAX(revision) FROM component_state \
         WHERE key >= $1 AND key < $2 GROUP BY component",
    );
    for (component, bytes, revision) in sql.all(sizes.bind(&from).bind(&upto)).await? {
        let total = query(
            "UPDATE component_state_total SET bytes = bytes - $2, floor = CASE WHEN floor < $3 THEN $3 ELSE floor END \
             WHERE component = $1",
        );
        sql.execute(total.bind(component).bind(to_sql(bytes.0)).bind(to_sql(revision.0))).await?;
    }
    let gone = query("DELETE FROM component_state WHERE key >= $1 AND key < $2");
    sql.execute(gone.bind(from).bind(upto)).await.map(drop)
}
