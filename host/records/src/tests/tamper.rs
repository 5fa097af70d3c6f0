//! A sealed value opens only in its place, whole and with what it was sealed
//! with.

use super::*;

/// Two of everything that holds sealed values.
async fn two_of_everything() -> Fixture {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    let (mut sessions, mut runs) = (vec![fixture.session.clone()], vec![fixture.run.clone()]);
    sessions.push(records.begin_session(&person("ben"), "web", "other", "another title").await.unwrap());
    runs.push(records.begin_run(&sessions[1], "p", &said("bye", Source::Web)).await.unwrap());
    for (session, run) in sessions.iter().zip(&runs) {
        let new = NewCall { decision: Some(json!("decided")), ..call("c") };
        records.propose(run, &said("calls", Source::Tool), &[new]).await.unwrap();
        let question = NewApproval { session: session.clone(), run: run.clone(), ..question(&fixture, "c") };
        let asked = records.request_approval(&question).await.unwrap();
        records.decide_approval(&asked, Decision::Allowed(None), &desk("anna")).await.unwrap();
        records.start(run, "c", By::Approval(&asked, &[9; 32])).await.unwrap();
        records.end_calls(run, &[finished("c", CallState::Done)], &said("r", Source::Web)).await.unwrap();
        records.end_run(run, &[], RunState::Done, Some("a reason"), &[]).await.unwrap();
        records.set_summary(session, 2, &json!("summary"), Label::NONE).await.unwrap();
        let (media_type, name) = ("text/plain".into(), "n".into());
        let file = NewAttachment { media_type, name, content: vec![1; 40], label: Label::of(Source::File) };
        records.attach(session, &file).await.unwrap();
        let rule = NewRule {
            component: id("mailer"),
            tool: tool("send"),
            destinations: Vec::new(),
            servers: Vec::new(),
            arguments: None,
            session: None,
            signer: None,
            person: person("anna"),
            by: session.to_string(),
        };
        add_rule(records, &rule).await;
        let came = NewInbound { platform_id: session.to_string(), ..inbox::came(session.as_str(), "1") };
        records.receive(&came).await.unwrap();
        let goes = records.enqueue(&queued(session.as_str(), session.as_str())).await.unwrap();
        outbox::sent(records, &goes.id).await;
        let token = everything::credential("anna", "a token");
        records.keep_credential(&token, &[], ("credential-issued", json!({}))).await.unwrap();
        records.memory(&person("anna")).write(session.as_str(), "v", Label::of(Source::Web)).await.unwrap();
    }
    fixture
}

/// Reads all there is.
async fn read(records: &Records) -> Result<(), LedgerError> {
    for session in records.recent_sessions(None, 9).await? {
        records.messages(&session.id, 1, 99).await?;
        records.summary(&session.id).await?;
        for run in records.runs(&session.id).await? {
            records.calls(&run.id).await?;
            records.approvals_of(&run.id).await?;
        }
        for listed in records.attachments(&session.id).await? {
            records.attachment(&session.id, &listed.id).await?;
        }
    }
    records.rules().await?;
    records.credentials().await?;
    records.inbox(None, 9).await?;
    records.outbox(None, 9).await?;
    match records.memory(&person("anna")).keys("").await {
        Err(MemoryError::Ledger(error)) => Err(error),
        other => {
            other.unwrap();
            Ok(())
        }
    }
}

const SEALED: [(&str, &str); 18] = [
    ("sessions", "title"),
    ("messages", "body"),
    ("summaries", "body"),
    ("runs", "reason"),
    ("calls", "arguments"),
    ("calls", "destination"),
    ("calls", "decision"),
    ("calls", "result"),
    ("inbox", "content"),
    ("outbox", "content"),
    ("outbox", "outcome"),
    ("approvals", "shown"),
    ("approvals", "verdict"),
    ("rules", "terms"),
    ("memories", "entry"),
    ("attachments", "about"),
    ("attachments", "content"),
    ("credentials", "about"),
];

/// Changes a table, looks whether reading fails, and undoes it.
async fn found(fixture: &Fixture, table: &str, sql: String) -> bool {
    let ledger = fixture.records.ledger();
    let mut connection = ledger.reader().await.unwrap();
    let save =
        format!("DROP TABLE IF EXISTS saved; CREATE TABLE saved AS SELECT * FROM {table}; PRAGMA foreign_keys = OFF");
    connection.sql().script(sql_for(ledger, &save)).await.unwrap();
    assert!(connection.sql().script(sql_for(ledger, &sql)).await.unwrap() > 0);
    let done = read(&fixture.records).await;
    let undo = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved; PRAGMA foreign_keys = ON");
    connection.sql().script(sql_for(ledger, &undo)).await.unwrap();
    drop(connection);
    read(&fixture.records).await.unwrap();
    match done {
        Ok(()) => false,
        Err(error) => {
            let hint = error.to_string().contains("\nhint: ");
            assert!(matches!(error, LedgerError::Tampered { .. }) && hint, "{error}");
            true
        }
    }
}

#[tokio::test]
async fn a_value_that_was_put_into_another_row_or_column_does_not_open() {
    let fixture = two_of_everything().await;
    for (table, column) in SEALED {
        let other = format!("(SELECT {column} FROM {table} ORDER BY rowid LIMIT 1)");
        let last = format!("(SELECT MAX(rowid) FROM {table})");
        assert!(
            found(&fixture, table, format!("UPDATE {table} SET {column} = {other} WHERE rowid = {last}")).await,
            "{table}.{column} of another row"
        );
        for (other_table, other_column) in SEALED.into_iter().filter(|other| *other != (table, column)) {
            let other = format!("(SELECT {other_column} FROM {other_table} ORDER BY rowid DESC LIMIT 1)");
            assert!(
                found(&fixture, table, format!("UPDATE {table} SET {column} = {other} WHERE rowid = {last}")).await,
                "{other_table}.{other_column} in place of {table}.{column}"
            );
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_and_every_cut_is_found() {
    let fixture = two_of_everything().await;
    let ledger = fixture.records.ledger();
    for (table, column) in SEALED {
        let value: Vec<u8> = value(ledger, &format!("SELECT {column} FROM {table} ORDER BY rowid LIMIT 1")).await;
        let flipped = [0, 11, 12, value.len() / 2, value.len() - 16, value.len() - 1].into_iter().map(|at| {
            let mut flipped = value.clone();
            flipped[at] ^= 1 << (at % 8);
            flipped
        });
        let cut = [0, 1, 11, 12, 27, 28, value.len() - 1].into_iter().map(|length| value[..length].to_vec());
        for changed in flipped.chain(cut).filter(|changed| *changed != value) {
            let hex = hex::encode(&changed);
            let first = format!("(SELECT MIN(rowid) FROM {table})");
            let sql = format!("UPDATE {table} SET {column} = x'{hex}' WHERE rowid = {first}");
            assert!(found(&fixture, table, sql).await, "{table}.{column}: {hex}");
        }
    }
}

#[tokio::test]
async fn labels_roles_owners_and_what_is_called_cannot_be_changed_beside_the_content() {
    let fixture = two_of_everything().await;
    for (table, sql) in [
        ("sessions", "UPDATE sessions SET person = 'mallory'"),
        ("sessions", "UPDATE sessions SET agent = 'main' WHERE agent = 'other'"),
        ("messages", "UPDATE messages SET label = 'none'"),
        ("messages", "UPDATE messages SET role = 'assistant'"),
        ("messages", "DELETE FROM messages WHERE place = 1"),
        ("messages", "DELETE FROM messages WHERE place = 2"),
        ("summaries", "UPDATE summaries SET label = 'owner'"),
        ("summaries", "UPDATE summaries SET upto_place = 1"),
        ("calls", "UPDATE calls SET tool = 'delete'"),
        ("calls", "UPDATE calls SET component = 'other'"),
        ("calls", "UPDATE calls SET digest = zeroblob(32)"),
        ("calls", "UPDATE calls SET label = 'none'"),
        ("approvals", "UPDATE approvals SET binding = zeroblob(32)"),
        ("approvals", "UPDATE approvals SET call_id = 'other'"),
        ("approvals", "UPDATE approvals SET person = 'mallory'"),
        ("approvals", "UPDATE approvals SET deadline_ms = deadline_ms + 1"),
        ("memories", "UPDATE memories SET label = 'none'"),
        ("memories", "UPDATE memories SET changed_ms = 9"),
        (
            "memories",
            "UPDATE memories SET person = 'anna', lookup = zeroblob(32) WHERE lookup = (SELECT lookup FROM memories LIMIT 1)",
        ),
        ("attachments", "UPDATE attachments SET label = 'none'"),
        ("inbox", "UPDATE inbox SET label = 'owner'"),
        ("inbox", "UPDATE inbox SET sent_ms = sent_ms + 1"),
        ("inbox", "UPDATE inbox SET conversation = zeroblob(32) WHERE rowid = (SELECT MIN(rowid) FROM inbox)"),
        ("inbox", "UPDATE inbox SET position = 9 WHERE rowid = (SELECT MIN(rowid) FROM inbox)"),
        ("outbox", "UPDATE outbox SET label = 'owner'"),
        ("outbox", "UPDATE outbox SET run = 'r-other'"),
        ("outbox", "UPDATE outbox SET conversation = zeroblob(32) WHERE rowid = (SELECT MIN(rowid) FROM outbox)"),
        ("rules", "INSERT INTO rules SELECT 'p-forged', session, terms, added_ms, last_used_ms FROM rules LIMIT 1"),
    ] {
        assert!(found(&fixture, table, sql.to_owned()).await, "{sql}");
    }
}
