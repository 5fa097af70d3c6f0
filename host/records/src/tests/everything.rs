//! A person of whom something is kept in every kind of record, each with a
//! word of its own: `canary-…`.

use super::*;
use cara_authority::{Allowance, PersonAddress, PersonRole, Scope as CredentialScope};

/// Keeps something of each kind about `anna`, and nothing about anybody else.
pub(super) async fn keep_everything(records: &Records) {
    records.name_person(&person("anna"), "canary-name", PersonRole::Member, "a test").await.unwrap();
    let address = PersonAddress::parse("chat:main:canary-sender").unwrap();
    records.link_address(&person("anna"), &address, "a test").await.unwrap();
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
    let run = &run;
    let session = &session;
    let question = NewApproval { shown: json!({ "what": "canary-shown" }), ..question_in(session, run, "plain-call") };
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
    let origin =
        Origin { session: session.clone(), run: run.clone(), component: id("memory"), speaker: person("anna") };
    let memory = memory.from(origin);
    memory.write("canary-key", "canary-value", Label::NONE).await.unwrap();
    assert_eq!(memory.search("canary", 1).await.unwrap().len(), 1);
    let (media_type, name) = ("canary-file/x".into(), "canary-file".into());
    let file = NewAttachment { media_type, name, content: b"canary-file".to_vec(), label: Label::NONE };
    records.attach(session, &file).await.unwrap();
    let came = NewInbound {
        sender: address,
        sender_name: Some("canary-nick".into()),
        group: false,
        body: json!("canary-came"),
        ..inbox::came("canary-room", "canary-platform")
    };
    records.receive(&came).await.unwrap();
    let goes = NewOutbound { body: json!("canary-goes"), ..queued("canary-room", "canary-key") };
    outbox::sent(records, &records.enqueue(&goes).await.unwrap().id).await;
    let token = credential("anna", "canary-credential");
    records.keep_credential(&token, &[], ("credential-issued", json!({}))).await.unwrap();
    let reservation = Reservation {
        caller: Caller::Run(run.clone()),
        component: id("model"),
        model: "m-1".into(),
        tokens: 9,
        micros: None,
    };
    let reserved = records.reserve(&reservation, &[]).await.unwrap();
    records.settle(&reserved, Spent { input: 5, output: 2, micros: None }).await.unwrap();
    let (input, response) = (r#"["canary-input"]"#, r#""canary-response""#);
    let (anna, process) = (person("anna"), Some("plain-process"));
    let kept = NewResponse { id: "resp_plain", person: &anna, previous: None, input, response, process };
    records.keep_response(&kept).await.unwrap();
    records.end_response(&anna, "resp_plain", response, Some(r#"["canary-told"]"#)).await.unwrap();
    records.end_run(run, &[], RunState::Failed, Some("canary-reason"), &[]).await.unwrap();
    records.fork_session(session, 3).await.unwrap();
}

/// A credential of a person.
pub(super) fn credential(of: &str, name: &str) -> Credential {
    let about = AboutCredential {
        name: name.into(),
        proof: Proof::Shown { sha256: hex::encode([7; 32]), before: None },
        allowance: Allowance::of(&[CredentialScope::Chat]),
        csrf: Some("canary-csrf".into()),
    };
    Credential {
        id: Records::fresh_credential().unwrap(),
        kind: CredentialKind::Token,
        person: person(of),
        parent: None,
        about,
        added_ms: 1_000,
        expires_ms: None,
        used_day: None,
    }
}

/// A question about a call of a run.
fn question_in(session: &SessionId, run: &RunId, call: &str) -> NewApproval {
    NewApproval {
        binding: [9; 32],
        session: session.clone(),
        run: run.clone(),
        call_id: call.into(),
        person: person("anna"),
        deciders: Deciders::only(PersonId::owner()),
        shown: json!({}),
        deadline_ms: 60_000,
    }
}
