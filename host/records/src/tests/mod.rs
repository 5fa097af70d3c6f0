//! Tests of what holds content: sealed, in order, once.

#![allow(clippy::unwrap_used)]

mod approvals;
mod attachments;
mod calls;
mod inbox;
mod kill;
mod memory;
mod outbox;
mod people;
mod secrecy;
mod sessions;
mod tamper;
mod usage;

use super::*;
use cara_authority::{
    ComponentId, ConversationAddress, Decider, Deciders, Label, PersonId, Principal, RuleId, RunId, SessionId, Source,
    ToolName,
};
use cara_services::clock::Clock;
use cara_services::ledger::sql::{AssertSqlSafe, Field, query, query_as};
use serde_json::json;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A ledger in a folder that goes away with it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    async fn open(&self) -> Ledger {
        self.open_at(1_000).await
    }

    async fn open_at(&self, now_ms: u64) -> Ledger {
        Ledger::open(self.path(), Clock::fixed(now_ms), audit_key()).await.unwrap()
    }
}

fn audit_key() -> Zeroizing<[u8; 32]> {
    [7; 32].into()
}

/// A rule that is stored without a question.
async fn add_rule(records: &Records, rule: &NewRule) -> RuleId {
    let mut change = records.ledger().change().await.unwrap();
    let id = records.add_rule(&mut change, rule).await.unwrap();
    change.commit().await.unwrap();
    id
}

/// Changes the database behind the ledger's back.
async fn tamper(ledger: &Ledger, sql: &'static str) {
    ledger.reader().await.unwrap().sql().script(sql).await.unwrap();
}

/// The one value that a query finds.
async fn value<T: Field>(ledger: &Ledger, sql: impl Into<String>) -> T {
    let query = query_as::<(T,)>(AssertSqlSafe(sql.into()));
    ledger.reader().await.unwrap().sql().one(query).await.unwrap().unwrap().0
}

fn id(text: &str) -> ComponentId {
    ComponentId::parse(text).unwrap()
}

fn content_key() -> ContentKey {
    ContentKey::new([5; 32].into())
}

/// A session with one run in it that goes on.
struct Fixture {
    place: Place,
    records: Records,
    session: SessionId,
    run: RunId,
}

impl Fixture {
    async fn new() -> Self {
        let place = Place::new();
        let records = records_at(&place, 1_000).await;
        let session = records.begin_session(&person("anna"), "terminal", "main", "a title").await.unwrap();
        let run = records.begin_run(&session, "process 1", &said("hello", Source::Owner)).await.unwrap();
        Self { place, records, session, run }
    }

    /// Proposes a call in the run.
    async fn propose(&self, call: NewCall) {
        self.records.propose(&self.run, &said("calls", Source::Owner), &[call]).await.unwrap();
    }
}

/// A message that a call of the mailer sent.
fn sent(call_id: &str) -> SentMessage {
    let (key, receipt) = (format!("key {call_id}"), "m-1".to_owned());
    SentMessage { call_id: call_id.to_owned(), component: id("mailer"), key, receipt }
}

/// The records of the place as another process would open them, at another time.
async fn records_at(place: &Place, now_ms: u64) -> Records {
    Records::open(&place.open_at(now_ms).await, content_key()).await.unwrap()
}

fn person(name: &str) -> PersonId {
    PersonId::parse(name).unwrap()
}

fn said(text: &str, source: Source) -> NewMessage {
    NewMessage { role: Role::User, body: json!({ "text": text }), label: Label::of(source) }
}

fn tool(name: &str) -> ToolName {
    ToolName::parse(name).unwrap()
}

/// A call that leaves something behind, and that policy has not decided.
fn call(call_id: &str) -> NewCall {
    NewCall {
        call_id: call_id.into(),
        component: id("mailer"),
        digest: [3; 32],
        tool: tool("send"),
        arguments: json!({ "text": "good day" }),
        destinations: vec!["https://mail.example".into()],
        binding: [9; 32],
        lasting: true,
        state: CallState::Proposed,
        decision: None,
    }
}

fn allowed(call_id: &str) -> NewCall {
    NewCall { state: CallState::Allowed, ..call(call_id) }
}

fn finished(call_id: &str, state: CallState) -> FinishedCall {
    FinishedCall { call_id: call_id.into(), state, result: json!("an answer"), label: Label::of(Source::Web) }
}

/// The owner, answering at a place.
fn desk(place: &str) -> Decider {
    Principal::of_account("test").deciding(place)
}

fn question(fixture: &Fixture, call_id: &str) -> NewApproval {
    NewApproval {
        binding: [9; 32],
        session: fixture.session.clone(),
        run: fixture.run.clone(),
        call_id: call_id.into(),
        person: person("anna"),
        deciders: Deciders::only(PersonId::owner()),
        shown: json!({ "tool": "send", "text": "good day" }),
        deadline_ms: 60_000,
    }
}

/// A message of a run to a conversation.
fn queued(conversation: &str, key: &str) -> NewOutbound {
    NewOutbound {
        address: ConversationAddress::parse(&format!("chat:main:{conversation}")).unwrap(),
        by: "run".into(),
        key: key.into(),
        answers: None,
        run: None,
        body: json!({ "text": key }),
        label: Label::of(Source::Web),
    }
}
