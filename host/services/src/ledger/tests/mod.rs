//! Tests of the ledger on real files in temporary folders.

#![allow(clippy::unwrap_used)]

mod events;
mod grants;
mod open;
mod race;
mod state;

use super::sql::{AssertSqlSafe, Field, query, query_as};
use super::*;
use cara_authority::{Capability, ComponentId, Grants, Interfaces, Manifest, limits::LimitsTable};
use std::collections::BTreeMap;
use std::path::PathBuf;

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

/// Changes the database behind the ledger's back.
async fn tamper(ledger: &Ledger, sql: &'static str) {
    ledger.reader().await.unwrap().sql().script(sql).await.unwrap();
}

/// The one value that a query finds.
async fn value<T: Field>(ledger: &Ledger, sql: impl Into<String>) -> T {
    let query = query_as::<(T,)>(AssertSqlSafe(sql.into()));
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
