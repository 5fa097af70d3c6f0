//! Who is forgotten, and what is left.

use super::everything::keep_everything;
use super::*;
use cara_authority::{PersonAddress, PersonRole};

async fn rows(records: &Records, table: &str, of: &str) -> i64 {
    value(records.ledger(), &format!("SELECT COUNT(*) FROM {table} WHERE {of}")).await
}

#[tokio::test]
async fn all_that_is_kept_about_somebody_goes_and_nothing_of_anybody_else() {
    let place = Place::new();
    let records = records_at(&place, 1_000).await;
    // Somebody else, with the like of it.
    records.name_person(&person("ben"), "Ben", PersonRole::Member, "a test").await.unwrap();
    let address = PersonAddress::parse("chat:main:ben").unwrap();
    records.link_address(&person("ben"), &address, "a test").await.unwrap();
    records.receive(&NewInbound { group: false, ..inbox::came("ben", "of ben") }).await.unwrap();
    records.enqueue(&queued("ben", "to ben")).await.unwrap();
    records.begin_session(&person("ben"), "chat", "main", "ben's").await.unwrap();
    records.memory(&person("ben")).write("k", "v", Label::NONE).await.unwrap();
    let of_ben = records.kept_about(&person("ben")).await.unwrap();
    assert_eq!((of_ben.sessions, of_ben.memories, of_ben.inbound, of_ben.outbound), (1, 1, 1, 1));

    keep_everything(&records).await;
    // What a component kept in conversations of the owner, of anna, and of ben.
    let kept = "INSERT INTO component_state (component, key, value, revision, label) VALUES \
                ('notes', x'6b', x'01', 1, 'tool'), ('notes', x'ff616e6e61006b', x'0102', 7, 'tool'), \
                ('notes', x'ff62656e006b', x'01', 2, 'tool')";
    tamper(records.ledger(), kept).await;
    tamper(records.ledger(), "INSERT INTO component_state_total (component, bytes, floor) VALUES ('notes', 18, 3)")
        .await;
    let of_anna = records.kept_about(&person("anna")).await.unwrap();
    let counts = [of_anna.addresses, of_anna.sessions, of_anna.messages, of_anna.attachments, of_anna.memories];
    assert_eq!(counts, [1, 2, 6, 2, 1]);
    assert_eq!([of_anna.rules, of_anna.inbound, of_anna.outbound, of_anna.uses, of_anna.credentials], [1; 5]);
    assert_eq!(records.forget_person(&person("anna"), "another", "a test").await.unwrap(), of_anna);
    assert_eq!(records.kept_about(&person("anna")).await.unwrap(), Kept::default());
    for table in [
        "sessions",
        "approvals",
        "reservations",
        "memories",
        "memory_totals",
        "usage",
        "person_addresses",
        "credentials",
    ] {
        assert_eq!(rows(&records, table, "person = 'anna'").await, 0, "{table}");
    }
    for table in ["runs", "messages", "summaries", "calls", "approvals", "attachments", "rules"] {
        assert_eq!(rows(&records, table, "1 = 1").await, 0, "{table}");
    }
    assert_eq!(rows(&records, "component_state", "revision <> 7").await, 2);
    assert_eq!(rows(&records, "component_state", "1 = 1").await, 2);
    assert_eq!(rows(&records, "component_state_total", "bytes = 9 AND floor = 7").await, 1);
    assert_eq!(rows(&records, "inbox", "content IS NOT NULL").await, 1);
    assert_eq!(rows(&records, "outbox", "1 = 1").await, 1);
    assert_eq!(records.memory(&person("anna")).search("canary", 9).await.unwrap(), []);
    // What was used stays counted.
    let used = records.usage(0, UsageBy::Person).await.unwrap();
    assert_eq!((used.len(), used[0].group.as_str(), used[0].input), (1, FORGOTTEN, 5));
    assert_eq!(records.kept_about(&person("ben")).await.unwrap(), of_ben);
    // A platform that repeats the message is told that it was here.
    let sender = PersonAddress::parse("chat:main:canary-sender").unwrap();
    let came = NewInbound { sender: sender.clone(), ..inbox::came("canary-room", "canary-platform") };
    assert!(records.receive(&came).await.unwrap().again);
    assert!(records.principal(&sender, "chat").await.unwrap().is_none());
    let events = events(records.ledger(), 1).await.unwrap();
    let told = serde_json::to_string(&events[0].detail).unwrap();
    assert!(
        events[0].kind == "person-forgotten"
            && events[0].subject == "anna"
            && told.contains("\"sessions\":2")
            && !told.contains("canary"),
        "{told}"
    );
}

#[tokio::test]
async fn nobody_is_forgotten_who_is_the_owner_or_unknown_or_being_answered() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    records.name_person(&person("anna"), "Anna", PersonRole::Member, "a test").await.unwrap();
    let forget = async |id: &PersonId, process: &str| records.forget_person(id, process, "a test").await;
    assert!(matches!(forget(&PersonId::owner(), "x").await, Err(ForgetError::Owner)));
    assert!(matches!(forget(&person("nobody"), "x").await, Err(ForgetError::NoSuch(_))));
    let busy = forget(&person("anna"), "process 1").await;
    assert!(matches!(&busy, Err(ForgetError::Busy { session, .. }) if *session == fixture.session), "{busy:?}");
    // So it is while a group is answered for somebody.
    records.name_person(&person("ben"), "Ben", PersonRole::Member, "a test").await.unwrap();
    let group = records.begin_session(&person("group:1"), "chat", "main", "a group").await.unwrap();
    let (run, asks) = (Records::fresh_run().unwrap(), said("x", Source::Owner));
    records.begin_run_for(&run, &group, "process 1", &asks, (Some(&person("ben")), None), &[]).await.unwrap();
    let busy = forget(&person("ben"), "process 1").await;
    assert!(matches!(&busy, Err(ForgetError::Busy { session, .. }) if *session == group), "{busy:?}");
    assert_eq!(records.messages(&fixture.session, 1, 9).await.unwrap().len(), 1);
    // The process of a run ended, and nobody takes the run up.
    forget(&person("anna"), "process 2").await.unwrap();
    assert!(records.session(&fixture.session).await.unwrap().is_none());
}
