//! Tests of the ledger on real files in temporary folders.

#![allow(clippy::unwrap_used)]

mod on_file;
mod on_server;

use super::sql::{AssertSqlSafe, Field, query, query_as};
use super::{Place as LedgerPlace, *};
use cara_authority::{Capability, ComponentId, Grants, Interfaces, Manifest, limits::LimitsTable};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

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

/// The last events, the newest first: number, time, kind, subject and detail.
async fn events(ledger: &Ledger, most: i64) -> Vec<(i64, i64, String, String, serde_json::Value)> {
    let query = query_as::<(i64, i64, String, String, String)>(
        "SELECT seq, at_ms, kind, subject, detail FROM events ORDER BY seq DESC LIMIT $1",
    );
    let rows = ledger.reader().await.unwrap().sql().all(query.bind(most)).await.unwrap();
    let read = |(seq, at_ms, kind, subject, detail): (i64, i64, String, String, String)| {
        (seq, at_ms, kind, subject, serde_json::from_str(&detail).unwrap())
    };
    rows.into_iter().map(read).collect()
}

fn id(text: &str) -> ComponentId {
    ComponentId::parse(text).unwrap()
}

fn capability(text: &str) -> Capability {
    Capability::parse(text).unwrap()
}

/// The powers of a component that keeps `bytes` of state, or was not granted any.
fn powers(component: &str, bytes: u64, granted: bool) -> Grants {
    let manifest = format!(
        "id = \"{component}\"\nversion = \"1.0.0\"\nsummary = \"keeps\"\ncontract = \"cara:plugin@0.2\"\n\
         [state]\nbytes = {bytes}\nwhy = \"to test\"\n"
    );
    let granted: &[Capability] = if granted { &[Capability::State] } else { &[] };
    let (manifest, interfaces) = (Manifest::parse(&manifest).unwrap(), Interfaces::read(&component_bytes()).unwrap());
    let settings = manifest.settings(&BTreeMap::new()).unwrap();
    Grants::intersect(&manifest, &interfaces, granted, settings, &LimitsTable::default())
}

/// A component that imports state and exports a tool, and has nothing in it.
fn component_bytes() -> Vec<u8> {
    let named = |name: &str, rest: &[u8]| {
        let name = [&[1, 0, name.len() as u8], name.as_bytes(), rest].concat();
        [&[name.len() as u8], &name[..]].concat()
    };
    let (import, export) = (named("cara:plugin/state@0.2.0", &[5, 0]), named("cara:plugin/tool@0.2.0", &[5, 0, 0]));
    [b"\0asm\x0d\0\x01\0", &[10][..], &import, &[11], &export].concat()
}
