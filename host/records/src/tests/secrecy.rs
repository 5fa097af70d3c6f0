//! No content stands in the file as it was given.

use super::*;
use std::fs;

const CANARIES: [&str; 21] = [
    "canary-title",
    "canary-renamed",
    "canary-said",
    "canary-summary",
    "canary-argument",
    "canary-destination",
    "canary-decision",
    "canary-result",
    "canary-shown",
    "canary-reason",
    "canary-rule",
    "canary-key",
    "canary-value",
    "canary-file",
    "canary-room",
    "canary-sender",
    "canary-nick",
    "canary-platform",
    "canary-came",
    "canary-goes",
    "canary-receipt",
];

/// Which of the words stand in any file of the ledger.
fn provenance(place: &Place, words: &[&'static str]) -> Vec<&'static str> {
    let files: Vec<Vec<u8>> =
        fs::read_dir(place.folder.path()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    let stands = |word: &&&str| files.iter().any(|file| file.windows(word.len()).any(|part| part == word.as_bytes()));
    words.iter().filter(stands).copied().collect()
}

#[tokio::test]
async fn no_content_is_found_in_any_file_of_the_ledger() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    let session = records.begin_session(&person("anna"), "plain-channel", "main", "canary-title").await.unwrap();
    records.rename_session(&session, "canary-renamed").await.unwrap();
    let run = records.begin_run(&session, "plain-process", &said("canary-said", Source::Owner)).await.unwrap();
    let new = NewCall {
        arguments: json!({ "canary-argument": ["canary-argument"] }),
        destinations: vec!["https://canary-destination".into()],
        decision: Some(json!("canary-decision")),
        state: CallState::Waiting,
        ..call("plain-call")
    };
    records.propose(&run, &said("canary-said", Source::Owner), &[new]).await.unwrap();
    let fixture = Fixture { place, records, session, run };
    let Fixture { place, records, session, run } = &fixture;
    let question = NewApproval { shown: json!({ "what": "canary-shown" }), ..question(&fixture, "plain-call") };
    let asked = records.request_approval(&question).await.unwrap();
    records.decide_approval(&asked, Decision::Denied(Some("canary-reason".into())), &desk("plain-by")).await.unwrap();
    let end = FinishedCall { result: json!("canary-result"), ..finished("plain-call", CallState::Denied) };
    records.end_calls(run, &[end], &said("canary-result", Source::Web)).await.unwrap();
    records.set_summary(session, 2, &json!("canary-summary"), Label::NONE).await.unwrap();
    let rule = NewRule {
        component: id("mailer"),
        tool: tool("send"),
        destinations: vec!["canary-rule".into()],
        servers: Vec::new(),
        arguments: Some(json!("canary-rule")),
        session: None,
        signer: None,
        person: person("anna"),
        by: "anna".into(),
    };
    add_rule(records, &rule).await;
    let memory = records.memory(&person("anna"));
    memory.write("canary-key", "canary-value", Label::NONE).await.unwrap();
    assert_eq!(memory.search("canary", 1).await.unwrap().len(), 1);
    let (media_type, name) = ("canary-file/x".into(), "canary-file".into());
    let file = NewAttachment { media_type, name, content: b"canary-file".to_vec(), label: Label::NONE };
    records.attach(session, &file).await.unwrap();
    let came = NewInbound {
        sender: cara_authority::PersonAddress::parse("chat:main:canary-sender").unwrap(),
        sender_name: Some("canary-nick".into()),
        body: json!("canary-came"),
        ..inbox::came("canary-room", "canary-platform")
    };
    records.receive(&came).await.unwrap();
    let goes = NewOutbound { body: json!("canary-goes"), ..queued("canary-room", "canary-key") };
    outbox::sent(records, &records.enqueue(&goes).await.unwrap().id).await;
    records.end_run(run, &[], RunState::Failed, Some("canary-reason"), &[]).await.unwrap();
    records.fork_session(session, 3).await.unwrap();

    // What is no content stands there: the search for the rest does look where it would be.
    let plain = ["plain-channel", "plain-process", "plain-call", "mailer", "owner"];
    assert_eq!(provenance(place, &plain), plain);
    assert!(place.folder.path().join("ledger.db-wal").exists());
    assert_eq!(provenance(place, &CANARIES), [""; 0]);
    tamper(records.ledger(), "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert_eq!(provenance(place, &plain), plain);
    assert_eq!(provenance(place, &CANARIES), [""; 0]);
}

#[tokio::test]
async fn what_was_deleted_is_not_left_in_the_file_even_sealed() {
    let fixture = Fixture::new().await;
    let ledger = fixture.records.ledger();
    let body: Vec<u8> = value(ledger, "SELECT body FROM messages").await;
    let stands = || fs::read(fixture.place.path()).unwrap().windows(body.len()).any(|part| part == body);
    tamper(ledger, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(stands());
    fixture.records.delete_session(&fixture.session).await.unwrap();
    tamper(ledger, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(!stands());
}
