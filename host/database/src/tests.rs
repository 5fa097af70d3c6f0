//! Tests of what is PostgreSQL's alone: who holds it, how it is reached, what
//! others tell.

#![allow(clippy::unwrap_used)]

use crate::*;
use std::time::Duration;
use tokio::sync::watch;

const NOTES: [Migration; 1] =
    [Migration { number: 1, name: "notes", up: "CREATE TABLE notes (id BIGINT, text BLOB)", down: None }];

fn first() -> Query {
    query("INSERT INTO notes (id, text) VALUES (1, $1)").bind(&b"first"[..])
}

fn place(url: &str) -> Server {
    url.parse().unwrap()
}

async fn open(server: &Server) -> Result<Database, Error> {
    open_told(server, &watch::Sender::new(())).await
}

async fn open_told(server: &Server, told: &watch::Sender<()>) -> Result<Database, Error> {
    Database::open(&server.clone().into(), &Schema { migrations: &NOTES, first: &first }, told).await
}

async fn change(database: &Database) -> Result<(), Error> {
    let mut change = database.change::<Error>(Commit::Durable).await?;
    change.sql().execute(query("INSERT INTO notes (id) VALUES ($1)").bind(2)).await?;
    change.commit().await
}

async fn count(database: &Database) -> i64 {
    let mut reader = database.reader::<Error>().await.unwrap();
    reader.sql().one(query_as::<(i64,)>("SELECT COUNT(*) FROM notes")).await.unwrap().unwrap().0
}

#[tokio::test]
async fn one_process_has_a_database_alone_and_the_next_gets_it_when_that_one_ends() {
    let Some(postgres) = cara_postgres::server() else { return };
    let server = place(&postgres.url(&postgres.user()));
    let database = open(&server).await.unwrap();
    assert!(matches!(open(&server).await.map(drop).unwrap_err().failure, Failure::Busy));
    // Another schema is another database.
    open(&place(&postgres.url(&postgres.user()))).await.unwrap();
    database.close().await;
    let next = open(&server).await.unwrap();
    assert_eq!(count(&next).await, 1, "it was made once");
    change(&next).await.unwrap();
}

#[tokio::test]
async fn who_lost_a_database_to_another_process_changes_nothing_until_it_has_it_again() {
    let Some(postgres) = cara_postgres::server() else { return };
    let user = postgres.user();
    let told = watch::Sender::new(());
    let mut hears = told.subscribe();
    let database = open_told(&place(&postgres.url(&user)), &told).await.unwrap();
    change(&database).await.unwrap();
    // Another process waits for the database, and gets it when the session of this one is ended, as the network or an
    // administrator may end it. The other connections of this one live.
    let (mut owner, mut other) = (postgres.owner().await, postgres.owner().await);
    let lock = format!("(1667330658, hashtext('{user}'))");
    let waits = sqlx::AssertSqlSafe(format!("SELECT pg_advisory_lock{lock}"));
    let waits = tokio::spawn(async move { sqlx::raw_sql(waits).execute(&mut other).await.map(|_| other) });
    let of_lock = format!(
        "FROM pg_locks WHERE locktype = 'advisory' AND classid = 1667330658 \
         AND objid = CAST(hashtext('{user}') AS BIGINT) & 4294967295"
    );
    let waiting = format!("SELECT EXISTS (SELECT 1 {of_lock} AND NOT granted)");
    while !sqlx::query_as::<_, (bool,)>(sqlx::AssertSqlSafe(&*waiting)).fetch_one(&mut owner).await.unwrap().0 {
        tokio::task::yield_now().await;
    }
    let end = sqlx::AssertSqlSafe(format!("SELECT pg_terminate_backend(pid) {of_lock} AND granted"));
    sqlx::raw_sql(end).execute(&mut owner).await.unwrap();
    let other = waits.await.unwrap().unwrap();
    hears.mark_unchanged();
    for _ in 0..3 {
        assert!(matches!(change(&database).await.unwrap_err().failure, Failure::Busy));
    }
    assert_eq!(count(&database).await, 2, "what it read it may still read");
    drop(other);
    // What others told meanwhile went unheard, so it looks again.
    hears.changed().await.unwrap();
    change(&database).await.unwrap();
}

#[tokio::test]
async fn what_a_process_tells_is_heard_with_the_commit_and_not_without() {
    let Some(postgres) = cara_postgres::server() else { return };
    let server = place(&postgres.url(&postgres.user())).shared();
    let told = watch::Sender::new(());
    let mut hears = told.subscribe();
    let (says, listens) = (open(&server).await.unwrap(), open_told(&server, &told).await.unwrap());
    let mut dropped = says.change::<Error>(Commit::Durable).await.unwrap();
    dropped.tell().await.unwrap();
    drop(dropped);
    // Nor what is told in another schema of the same database.
    let elsewhere = open(&place(&postgres.url(&postgres.user()))).await.unwrap();
    let mut change = elsewhere.change::<Error>(Commit::Light).await.unwrap();
    change.tell().await.unwrap();
    change.commit().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), hears.changed()).await.is_err());
    let mut change = says.change::<Error>(Commit::Light).await.unwrap();
    change.tell().await.unwrap();
    change.commit().await.unwrap();
    hears.changed().await.unwrap();
    drop(listens);
}

#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_is_not_called_done() {
    let Some(postgres) = cara_postgres::server() else { return };
    let database = open(&place(&postgres.url(&postgres.user()))).await.unwrap();
    let mut change = database.change::<Error>(Commit::Durable).await.unwrap();
    change.sql().execute(query("INSERT INTO notes (id) VALUES (9)")).await.unwrap();
    change.sql().execute(query("INSERT INTO nothing (id) VALUES (9)")).await.unwrap_err();
    change.commit().await.unwrap_err();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let Some(postgres) = cara_postgres::server() else { return };
    let user = postgres.user();
    let theirs = sqlx::AssertSqlSafe(format!("CREATE TABLE {user}.theirs (id BIGINT)"));
    sqlx::raw_sql(theirs).execute(&mut postgres.owner().await).await.unwrap();
    assert!(matches!(open(&place(&postgres.url(&user))).await.map(drop).unwrap_err().failure, Failure::Foreign));
}

#[tokio::test]
async fn a_server_over_tls_is_the_one_that_was_meant_or_is_refused() {
    let Some(postgres) = cara_postgres::server() else { return };
    let user = postgres.user();
    let whole = format!("{}?sslmode=verify-full", postgres.tcp(&user, "localhost"));
    let known = format!("{whole}&sslrootcert={}", postgres.certificate().display());
    let database = open(&place(&known)).await.unwrap();
    let tls = query_as::<(bool,)>("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert_eq!(database.reader::<Error>().await.unwrap().sql().one(tls).await.unwrap(), Some((true,)));
    database.close().await;
    for (url, why) in [
        (whole, "a certificate that nobody vouches for"),
        (known.replace("localhost", "127.0.0.1"), "a certificate of another name"),
    ] {
        let error = open(&place(&url)).await.map(drop).unwrap_err();
        assert!(matches!(&error.failure, Failure::Other(Cause::Tls(_) | Cause::Io(_))), "{why}: {error:?}");
    }
}
