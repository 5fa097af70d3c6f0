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
async fn who_lost_a_database_to_another_process_changes_nothing_more() {
    let Some(postgres) = cara_postgres::server() else { return };
    let server = place(&postgres.url(&postgres.user()));
    let (told, mut hears) = {
        let told = watch::Sender::new(());
        let hears = told.subscribe();
        (told, hears)
    };
    let database = open_told(&server, &told).await.unwrap();
    change(&database).await.unwrap();
    // Its session ends, as the network or an administrator may end it; its other connections live.
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1667330658 \
               AND objid = CAST(hashtext(current_schema()) AS BIGINT) & 4294967295";
    hears.mark_unchanged();
    let mut reader = database.reader::<Error>().await.unwrap();
    assert_eq!(reader.sql().one(query_as::<(i64,)>(end)).await.unwrap(), Some((1,)));
    // Until it has the database again, every change is refused; then it goes on.
    hears.changed().await.unwrap();
    change(&database).await.unwrap();
    hears.mark_unchanged();
    assert_eq!(reader.sql().one(query_as::<(i64,)>(end)).await.unwrap(), Some((1,)));
    let other = open(&server).await;
    match other {
        Ok(other) => {
            assert!(matches!(change(&database).await.unwrap_err().failure, Failure::Busy));
            change(&other).await.unwrap();
        }
        // It was faster to take it again than another one.
        Err(error) => assert!(matches!(error.failure, Failure::Busy), "{error}"),
    }
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
