//! Tests of what holds content: sealed, in order, once.

#![allow(clippy::unwrap_used)]

mod on_file;
mod on_server;

use super::*;
use cara_authority::{
    ComponentId, ConversationAddress, Decider, Deciders, Label, PersonId, Principal, RuleId, RunId, SessionId, Source,
    ToolName,
};
use cara_services::clock::Clock;
use cara_services::ledger::Place as LedgerPlace;
use cara_services::ledger::sql::{AssertSqlSafe, Field, query, query_as};
use serde_json::json;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A kind of database.
trait Store {
    /// Where a new one is, with this folder for it.
    fn at(folder: &Path) -> LedgerPlace;
}

struct File;

impl Store for File {
    fn at(folder: &Path) -> LedgerPlace {
        folder.join("ledger.db").into()
    }
}

/// PostgreSQL; where there is none, what needs it runs on a file, and that is said.
struct Server;

impl Store for Server {
    fn at(folder: &Path) -> LedgerPlace {
        match cara_postgres::server() {
            Some(postgres) => open_at(&postgres.url(&postgres.user())),
            None => File::at(folder),
        }
    }
}

/// The place that this text names.
fn open_at(text: &str) -> LedgerPlace {
    match text.parse::<cara_database::Server>() {
        // Tests use one database as several processes would.
        Ok(server) => server.shared().into(),
        Err(_) => PathBuf::from(text).into(),
    }
}

/// A ledger in a place that goes away with it.
struct Place<S> {
    folder: tempfile::TempDir,
    at: LedgerPlace,
    store: PhantomData<S>,
}

impl<S: Store> Place<S> {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { at: S::at(folder.path()), folder, store: PhantomData }
    }

    async fn open(&self) -> Ledger {
        self.open_at(1_000).await
    }

    async fn open_at(&self, now_ms: u64) -> Ledger {
        Ledger::open(self.at.clone(), Clock::fixed(now_ms), audit_key()).await.unwrap()
    }
}

impl Place<File> {
    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
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
async fn tamper(ledger: &Ledger, sql: &str) {
    let sql = sql_for(ledger, sql);
    ledger.reader().await.unwrap().sql().script(sql).await.unwrap();
}

/// What a test says to SQLite, as the ledger's database says it.
fn sql_for(ledger: &Ledger, sql: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(match ledger.place() {
        LedgerPlace::File(_) | LedgerPlace::Unknown => sql.to_owned(),
        LedgerPlace::Server(_) => cara_postgres::dialect(sql),
    })
}

/// The one value that a query finds.
async fn value<T: Field>(ledger: &Ledger, sql: &str) -> T {
    let query = query_as::<(T,)>(sql_for(ledger, sql));
    ledger.reader().await.unwrap().sql().one(query).await.unwrap().unwrap().0
}

fn id(text: &str) -> ComponentId {
    ComponentId::parse(text).unwrap()
}

fn content_key() -> ContentKey {
    ContentKey::new([5; 32].into())
}

/// A session with one run in it that goes on.
struct Fixture<S> {
    place: Place<S>,
    records: Records,
    session: SessionId,
    run: RunId,
}

impl<S: Store> Fixture<S> {
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

/// The records of the place as another process would open them, at another time.
async fn records_at<S: Store>(place: &Place<S>, now_ms: u64) -> Records {
    Records::open(&place.open_at(now_ms).await, content_key()).await.unwrap()
}

fn person(name: &str) -> PersonId {
    PersonId::parse(name).unwrap()
}

fn said(text: &str, source: Source) -> NewMessage {
    NewMessage { role: Role::User, body: json!({ "text": text }), label: Label::of(source), speaker: None }
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

fn question<S>(fixture: &Fixture<S>, call_id: &str) -> NewApproval {
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
