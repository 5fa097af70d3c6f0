//! People: known by addresses that were linked, and deciding what they may.

use super::*;
use cara_authority::{ApprovalId, Needed, PersonAddress, PersonRole};
use std::num::NonZeroU8;

fn address(text: &str) -> PersonAddress {
    PersonAddress::parse(text).unwrap()
}

/// A family: two members and a guest, each with an address.
async fn family(records: &Records) {
    for (name, role) in [
        ("anna", PersonRole::Member),
        ("ben", PersonRole::Member),
        ("gus", PersonRole::Guest),
        ("dora", PersonRole::Owner),
    ] {
        records.name_person(&person(name), name, role, "a test").await.unwrap();
        records.link_address(&person(name), &address(&format!("chat:main:{name}")), "a test").await.unwrap();
    }
}

/// Somebody as a door of a channel knows them.
async fn who(records: &Records, user: &str) -> Option<Principal> {
    records.principal(&address(&format!("chat:main:{user}")), "chat:main").await.unwrap()
}

async fn asked(fixture: &Fixture, of: &[&str], needed: Needed) -> ApprovalId {
    let persons = of.iter().map(|name| PersonId::parse(name).unwrap()).collect();
    let question = NewApproval { deciders: Deciders { persons, needed }, ..question(fixture, "c") };
    fixture.records.request_approval(&question).await.unwrap()
}

#[tokio::test]
async fn a_person_is_known_by_what_was_linked_and_by_nothing_like_it() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    family(records).await;
    let anna = who(records, "anna").await.unwrap();
    assert_eq!((anna.person().as_str(), anna.role(), anna.door()), ("anna", PersonRole::Member, "chat:main"));
    assert_eq!(who(records, "gus").await.unwrap().role(), PersonRole::Guest);
    // There is one owner: nobody is made a second one.
    assert_eq!(who(records, "dora").await.unwrap().role(), PersonRole::Member);
    for other in
        ["chat:main:Anna", "chat:main:ann", "chat:main:anna ", "chat:main:annaa", "chat:other:anna", "chet:main:anna"]
    {
        assert!(records.principal(&address(other), "x").await.unwrap().is_none(), "{other}");
    }
    // Two people have no address in common; the same link twice is one.
    let taken = records.link_address(&person("ben"), &address("chat:main:anna"), "a test").await.unwrap_err();
    assert!(matches!(&taken, LinkError::Taken { person, .. } if person.as_str() == "anna"), "{taken}");
    records.link_address(&person("anna"), &address("chat:main:anna"), "a test").await.unwrap();
    assert!(matches!(
        records.link_address(&person("nobody"), &address("chat:main:x"), "a test").await,
        Err(LinkError::NoSuch(_))
    ));
    // The owner is there without an entry, and can have addresses.
    records.link_address(&PersonId::owner(), &address("chat:main:me"), "a test").await.unwrap();
    assert_eq!(who(records, "me").await.unwrap().role(), PersonRole::Owner);
    let people = records_at(&fixture.place, 2_000).await.people().await.unwrap();
    let known: Vec<_> = people.iter().map(|person| (person.id.as_str(), person.addresses.len())).collect();
    assert_eq!(known, [("local:owner", 1), ("anna", 1), ("ben", 1), ("dora", 1), ("gus", 1)]);
    assert_eq!(records.unlink_address(&address("chat:main:anna"), "a test").await.unwrap(), Some(person("anna")));
    assert!(who(records, "anna").await.is_none());
    assert_eq!(records.unlink_address(&address("chat:main:anna"), "a test").await.unwrap(), None);
}

#[tokio::test]
async fn who_has_only_the_file_lets_nobody_in_and_makes_nobody_more() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    family(records).await;
    tamper(records.ledger(), "UPDATE person_addresses SET person = 'ben' WHERE person = 'gus'").await;
    let gus = records.principal(&address("chat:main:gus"), "x").await;
    assert!(matches!(gus, Err(LedgerError::Tampered { column: "address", .. })), "{gus:?}");
    tamper(
        records.ledger(),
        "UPDATE persons SET about = (SELECT about FROM persons WHERE id = 'anna') WHERE id = 'gus'",
    )
    .await;
    let anna = records.principal(&address("chat:main:anna"), "x").await;
    assert!(matches!(anna, Err(LedgerError::Tampered { column: "about", .. })), "{anna:?}");
}

#[tokio::test]
async fn only_those_decide_whom_the_request_names_and_the_registry_still_knows() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    family(records).await;
    fixture.propose(NewCall { state: CallState::Waiting, ..call("c") }).await;
    let (ben, gus) = (who(records, "ben").await.unwrap(), who(records, "gus").await.unwrap());
    let anna = who(records, "anna").await.unwrap();
    let id = asked(&fixture, &["anna"], Needed::Any).await;
    // Somebody of the group, a guest, the owner, whom this request does not name, and a stranger.
    let stranger = Principal::of_address(person("nobody"), PersonRole::Owner, "x");
    for other in [&ben, &gus, &Principal::of_account("account"), &stranger] {
        for decision in [Decision::Allowed(None), Decision::Denied(None)] {
            let refused = records.decide_approval(&id, decision, &other.deciding("x")).await;
            assert!(matches!(refused, Err(DecideError::NotYours { .. })), "{other:?}: {refused:?}");
        }
    }
    // A name of somebody who was never let in decides nothing, even where a request has it.
    let nobodys = asked(&fixture, &["nobody"], Needed::Any).await;
    let refused = records.decide_approval(&nobodys, Decision::Allowed(None), &stranger.deciding("x")).await;
    assert!(matches!(refused, Err(DecideError::NotYours { .. })), "{refused:?}");
    // Nor does a guest.
    let guests = asked(&fixture, &["gus"], Needed::Any).await;
    let gus = who(records, "gus").await.unwrap();
    let refused = records.decide_approval(&guests, Decision::Allowed(None), &gus.deciding("x")).await;
    assert!(matches!(refused, Err(DecideError::NotYours { .. })), "{refused:?}");
    // Dora agreed first, and is a guest before what both agreed to is spent.
    let both = asked(&fixture, &["dora", "ben"], Needed::All).await;
    for by in [who(records, "dora").await.unwrap(), ben.clone()] {
        records.decide_approval(&both, Decision::Allowed(None), &by.deciding("x")).await.unwrap();
    }
    records.name_person(&person("dora"), "dora", PersonRole::Guest, "a test").await.unwrap();
    let refused = records.start(&fixture.run, "c", By::Approval(&both, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::Approval(ApprovalState::Withdrawn))), "{refused:?}");
    // Anna was authenticated, and is forgotten before she answers.
    let mut change = records.ledger().change().await.unwrap();
    assert!(records.remove_person(&mut change.sql(), &person("anna")).await.unwrap());
    change.commit().await.unwrap();
    let refused = records.decide_approval(&id, Decision::Allowed(None), &anna.deciding("x")).await;
    assert!(matches!(refused, Err(DecideError::NotYours { .. })), "{refused:?}");
    // Ben says yes, and is forgotten before that is spent.
    let id = asked(&fixture, &["ben"], Needed::Any).await;
    records.decide_approval(&id, Decision::Allowed(None), &ben.deciding("chat")).await.unwrap();
    let mut change = records.ledger().change().await.unwrap();
    records.remove_person(&mut change.sql(), &person("ben")).await.unwrap();
    change.commit().await.unwrap();
    let refused = records.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await;
    assert!(matches!(refused, Err(StartRefused::Approval(ApprovalState::Withdrawn))), "{refused:?}");
}

#[tokio::test]
async fn as_many_agree_as_the_request_needs_and_one_no_denies() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    family(records).await;
    fixture.propose(NewCall { state: CallState::Waiting, ..call("c") }).await;
    let (anna, ben) = (who(records, "anna").await.unwrap(), who(records, "ben").await.unwrap());
    let dora = who(records, "dora").await.unwrap();
    let two = Needed::Number(NonZeroU8::new(2).unwrap());
    let id = asked(&fixture, &["anna", "ben", "dora"], two).await;
    let yes = |by: &Principal| (id.clone(), by.deciding("chat"));
    for _ in 0..2 {
        // One person's yes counts once.
        let (id, by) = yes(&anna);
        assert!(records.decide_approval(&id, Decision::Allowed(None), &by).await.unwrap().verdict.is_none());
        let refused = records.start(&fixture.run, "c", By::Approval(&id, &[9; 32])).await;
        assert!(matches!(refused, Err(StartRefused::Approval(ApprovalState::Waiting))), "{refused:?}");
    }
    assert_eq!(records.approval(&id).await.unwrap().unwrap().agreed, [person("anna")].into());
    let (_, by) = yes(&dora);
    let verdict = records.decide_approval(&id, Decision::Allowed(None), &by).await.unwrap().verdict.unwrap();
    assert_eq!((verdict.what, verdict.person), (ApprovalState::Allowed, Some(person("dora"))));
    let late = records.decide_approval(&id, Decision::Denied(None), &ben.deciding("chat")).await;
    assert!(matches!(late, Err(DecideError::AlreadyDecided { .. })), "{late:?}");
    // All of them; one no is enough.
    let id = asked(&fixture, &["anna", "ben"], Needed::All).await;
    assert!(
        records.decide_approval(&id, Decision::Allowed(None), &anna.deciding("x")).await.unwrap().verdict.is_none()
    );
    let denied = records.decide_approval(&id, Decision::Denied(None), &ben.deciding("x")).await.unwrap();
    assert_eq!(denied.verdict.unwrap().what, ApprovalState::Denied);
}

#[tokio::test]
async fn who_may_decide_cannot_be_changed_in_the_file() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    family(records).await;
    fixture.propose(NewCall { state: CallState::Waiting, ..call("c") }).await;
    for (harm, of) in [
        ("UPDATE approvals SET deciders = NULL", "taken out"),
        ("UPDATE approvals SET deciders = '{\"persons\":[\"anna\"],\"needed\":\"any\"}'", "made less"),
        ("UPDATE approvals SET agreed = shown", "put in"),
    ] {
        let id = asked(&fixture, &["anna", "ben"], Needed::All).await;
        tamper(records.ledger(), harm).await;
        let anna = who(records, "anna").await.unwrap().deciding("x");
        let refused = records.decide_approval(&id, Decision::Allowed(None), &anna).await;
        assert!(matches!(refused, Err(DecideError::Ledger(LedgerError::Tampered { .. }))), "{of}: {refused:?}");
        tamper(records.ledger(), "DELETE FROM approvals").await;
    }
}

#[tokio::test]
async fn a_rule_answers_for_nobody_but_who_made_it_and_nothing_that_several_decide() {
    let fixture = Fixture::new().await;
    let records = &fixture.records;
    family(records).await;
    fixture.propose(NewCall { state: CallState::Waiting, ..call("c") }).await;
    let rule = |of: &str| {
        let rule = NewRule {
            component: id("mailer"),
            tool: tool("send"),
            destinations: vec!["https://mail.example".into()],
            servers: Vec::new(),
            arguments: None,
            session: None,
            signer: None,
            person: person(of),
            by: "x".into(),
        };
        Decision::Allowed(Some(Box::new(rule)))
    };
    let (anna, ben) = (who(records, "anna").await.unwrap(), who(records, "ben").await.unwrap());
    let id = asked(&fixture, &["anna", "ben"], Needed::Any).await;
    let refused = records.decide_approval(&id, rule("ben"), &anna.deciding("x")).await;
    assert!(matches!(refused, Err(DecideError::NoRule(_))), "{refused:?}");
    records.decide_approval(&id, rule("ben"), &ben.deciding("x")).await.unwrap();
    let id = asked(&fixture, &["anna", "ben"], Needed::All).await;
    let refused = records.decide_approval(&id, rule("anna"), &anna.deciding("x")).await;
    assert!(matches!(refused, Err(DecideError::NoRule(_))), "{refused:?}");
    assert_eq!(records.rules().await.unwrap().len(), 1);
}
