//! What is kept about a person: all of it is given out, nothing of anybody
//! else, and a new table fails here until somebody says what is with it.

use super::house::{House, address};
use cara_assistant::outbound::MessageBody;
use cara_assistant::part::Part;
use cara_authority::{
    Allowance, ComponentId, ConversationAddress, Deciders, Label, PersonId, PersonRole, RunId, Scope, SessionId,
    Source, ToolName,
};
use cara_control::ErrorKind;
use cara_control::people::{ExportPerson, ForgetPerson};
use cara_records::{
    AboutCredential, CallState, Caller, Credential, CredentialKind, Decision, FinishedCall, NewApproval, NewAttachment,
    NewCall, NewInbound, NewMessage, NewOutbound, NewResponse, NewRule, Origin, Proof, Records, Reservation, Role,
    RunState, Spent,
};
use cara_services::ledger::sql::query_as;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where something of a person stands.
enum Kept {
    /// It is given out, by these words.
    GivenOut(&'static [&'static str]),
    /// It is not, for this reason.
    Not(&'static str),
}

use Kept::{GivenOut, Not};

/// Found by without content: a MAC, or a digest of code.
const FOUND_BY: Kept = Not("finds something again, or ties it to a call, and tells nothing");
const NOBODYS: Kept = Not("is of the home or of components, and of no person");
const COMPONENTS: Kept = Not("is a component's own, in a form that it alone knows; it is forgotten with its person");

/// All columns of the ledger that are bytes: whatever somebody said is sealed in one of them.
const COLUMNS: [(&str, Kept); 46] = [
    ("_sqlx_migrations.checksum", NOBODYS),
    ("approvals.agreed", Not("who agreed so far, while others have to: ids of people")),
    ("approvals.binding", FOUND_BY),
    ("approvals.shown", GivenOut(&["shown"])),
    ("approvals.verdict", GivenOut(&["denied"])),
    ("attachments.about", GivenOut(&["file"])),
    ("attachments.content", GivenOut(&["content"])),
    ("calls.arguments", GivenOut(&["argument"])),
    ("calls.binding", FOUND_BY),
    ("calls.decision", GivenOut(&["decision"])),
    ("calls.destination", GivenOut(&["destination"])),
    ("calls.digest", FOUND_BY),
    ("calls.result", GivenOut(&["result"])),
    ("component_state.key", COMPONENTS),
    ("component_state.value", COMPONENTS),
    ("content_key.proof", NOBODYS),
    ("conversations.lookup", FOUND_BY),
    ("credentials.about", GivenOut(&["credential"])),
    ("event_head.hash", NOBODYS),
    ("event_head.mac", NOBODYS),
    ("events.hash", NOBODYS),
    ("events.prev", NOBODYS),
    ("inbox.content", GivenOut(&["came", "nick", "room", "platform"])),
    ("inbox.conversation", FOUND_BY),
    ("inbox.lookup", FOUND_BY),
    ("inbox.sender", FOUND_BY),
    ("memories.entry", GivenOut(&["key", "value"])),
    ("memories.lookup", FOUND_BY),
    ("memories.origin", GivenOut(&["keeper"])),
    ("messages.body", GivenOut(&["said", "answered"])),
    ("messages.speaker", GivenOut(&["speaker"])),
    ("outbox.content", GivenOut(&["goes"])),
    ("outbox.conversation", FOUND_BY),
    ("outbox.lookup", FOUND_BY),
    ("outbox.outcome", Not("the receipt, which the channel chose")),
    ("person_addresses.address", GivenOut(&["address"])),
    ("person_addresses.lookup", FOUND_BY),
    ("persons.about", GivenOut(&["name"])),
    ("responses.events", Not("how the answer came, piece by piece; the answer itself is given out")),
    ("responses.input", GivenOut(&["asked"])),
    ("responses.response", GivenOut(&["responded"])),
    ("rules.terms", GivenOut(&["rule"])),
    ("runs.reason", GivenOut(&["reason"])),
    ("sessions.title", GivenOut(&["title"])),
    ("summaries.body", GivenOut(&["summary"])),
    // What a model used, by the person's id; no bytes, but kept.
    ("usage", GivenOut(&["model"])),
];

/// Tables without bytes, and what is with them.
const PLAIN: [(&str, &str); 7] = [
    ("component_state_total", "sizes"),
    ("component_versions", "versions of components"),
    ("grants", "rights of components"),
    ("memory_totals", "sizes"),
    ("reservations", "what a call under way may use; it becomes usage"),
    ("revisions", "how often something changed"),
    ("usage", "given out, see above"),
];

fn canary(person: &str, what: &str) -> String {
    format!("canary-{person}-{what}")
}

fn component(id: &str) -> ComponentId {
    ComponentId::parse(id).unwrap()
}

fn said(role: Role, text: String, speaker: Option<Value>) -> NewMessage {
    NewMessage { role, body: json!([Part::text(Source::Owner, text)]), label: Label::of(Source::Owner), speaker }
}

/// Keeps something of each kind about a person.
async fn keep(records: &Records, name: &str) {
    let (id, canary) = (PersonId::parse(name).unwrap(), |what: &str| canary(name, what));
    records.name_person(&id, &canary("name"), PersonRole::Member, "a test").await.unwrap();
    let own = address(&canary("address"));
    records.link_address(&id, &own, "a test").await.unwrap();
    let session = records.begin_session(&id, "chat", "main", &canary("title")).await.unwrap();
    let speaker = json!({ "person": name, "name": canary("speaker"), "address": "chat:main:x" });
    let run = records.begin_run(&session, "a test", &said(Role::User, canary("said"), Some(speaker))).await.unwrap();
    call(records, &id, &session, &run).await;
    records.set_summary(&session, 1, &json!(canary("summary")), Label::NONE).await.unwrap();
    let origin = Origin {
        session: session.clone(),
        run: run.clone(),
        component: component(&canary("keeper")),
        speaker: id.clone(),
    };
    let memory = records.memory(&id).from(origin);
    memory.write(&canary("key"), &canary("value"), Label::NONE).await.unwrap();
    let file = NewAttachment {
        media_type: "text/plain".into(),
        name: canary("file"),
        content: canary("content").into_bytes(),
        label: Label::NONE,
    };
    records.attach(&session, &file).await.unwrap();
    let room = ConversationAddress::parse(&format!("chat:main:{}", canary("room"))).unwrap();
    let came = NewInbound {
        address: room.clone(),
        sender: own,
        sender_name: Some(canary("nick")),
        platform_id: canary("platform"),
        group: false,
        mentioned: false,
        body: json!(MessageBody::text(canary("came"))),
        label: Label::NONE,
        sent_ms: 1,
    };
    records.receive(&came).await.unwrap();
    let about = AboutCredential {
        name: canary("credential"),
        proof: Proof::Shown { sha256: "0".repeat(64), before: None },
        allowance: Allowance::of(&[Scope::Chat]),
        csrf: None,
    };
    let token = Credential {
        id: Records::fresh_credential().unwrap(),
        kind: CredentialKind::Token,
        person: id.clone(),
        parent: None,
        about,
        added_ms: 1,
        expires_ms: None,
        used_day: None,
    };
    records.keep_credential(&token, &[], ("credential-issued", json!({}))).await.unwrap();
    let (asked, responded) = (json!(canary("asked")).to_string(), json!(canary("responded")).to_string());
    let response = NewResponse {
        id: &canary("response"),
        person: &id,
        previous: None,
        input: &asked,
        response: &responded,
        process: None,
    };
    records.keep_response(&response).await.unwrap();
    let goes = NewOutbound {
        address: room,
        by: "run".into(),
        key: name.into(),
        answers: None,
        run: Some(run.clone()),
        body: json!(MessageBody::text(canary("goes"))),
        label: Label::NONE,
    };
    records.enqueue(&goes).await.unwrap();
    let reservation = Reservation {
        caller: Caller::Run(run.clone()),
        component: component("model"),
        model: canary("model"),
        tokens: 9,
        micros: None,
    };
    let reserved = records.reserve(&reservation, &[]).await.unwrap();
    records.settle(&reserved, Spent { input: 5, output: 2, micros: None }).await.unwrap();
    let answer = said(Role::Assistant, canary("answered"), None);
    records.end_run(&run, &[answer], RunState::Failed, Some(&canary("reason")), &[]).await.unwrap();
}

/// A call that was asked about and denied, and a rule.
async fn call(records: &Records, id: &PersonId, session: &SessionId, run: &RunId) {
    let canary = |what: &str| canary(id.as_str(), what);
    let tool = || ToolName::parse("send").unwrap();
    let new = NewCall {
        call_id: "call".into(),
        component: component("mailer"),
        digest: [3; 32],
        tool: tool(),
        arguments: json!({ "text": canary("argument") }),
        destinations: vec![canary("destination")],
        binding: [9; 32],
        lasting: true,
        state: CallState::Waiting,
        decision: Some(json!(canary("decision"))),
    };
    records.propose(run, &said(Role::Assistant, "calls".into(), None), &[new]).await.unwrap();
    let question = NewApproval {
        binding: [9; 32],
        session: session.clone(),
        run: run.clone(),
        call_id: "call".into(),
        person: id.clone(),
        deciders: Deciders::only(id.clone()),
        shown: json!(canary("shown")),
        deadline_ms: u64::MAX / 4,
    };
    let asked = records.request_approval(&question).await.unwrap();
    let own = records.principal(&address(&canary("address")), "chat:main").await.unwrap().unwrap();
    let denied = Decision::Denied(Some(canary("denied")));
    records.decide_approval(&asked, denied, &own.deciding("chat:main")).await.unwrap();
    let ended = FinishedCall {
        call_id: "call".into(),
        state: CallState::Denied,
        result: json!(canary("result")),
        label: Label::NONE,
    };
    records.end_calls(run, &[ended], &said(Role::Tool, canary("result"), None)).await.unwrap();
    let rule = NewRule {
        component: component("mailer"),
        tool: tool(),
        destinations: vec![canary("rule")],
        servers: Vec::new(),
        arguments: None,
        session: None,
        signer: None,
        person: id.clone(),
        by: "chat".into(),
    };
    let mut change = records.ledger().change().await.unwrap();
    records.add_rule(&mut change, &rule).await.unwrap();
    change.commit().await.unwrap();
}

/// The export of somebody as text, with files as they are; nothing where nobody is known.
async fn exported(house: &House, name: &str) -> Option<Value> {
    match house.does(ExportPerson { id: name.to_owned() }).await {
        Ok(export) => {
            let mut export = serde_json::to_value(export).unwrap();
            export.as_object_mut().unwrap().remove("exported_ms");
            export.as_object_mut().unwrap().remove("exported-ms");
            Some(export)
        }
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
            None
        }
    }
}

fn has(export: &Value, word: &str) -> bool {
    use base64::Engine as _;
    let content = base64::engine::general_purpose::STANDARD.encode(word);
    let text = export.to_string();
    text.contains(word) || text.contains(&content)
}

/// All words that are given out of a person.
fn words() -> impl Iterator<Item = &'static str> {
    COLUMNS
        .iter()
        .flat_map(|(_, kept)| match kept {
            GivenOut(words) => *words,
            Not(_) => &[],
        })
        .copied()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_kept_about_somebody_is_given_out_and_nothing_of_anybody_else() {
    let house = House::new("order = \"any\"\n[[turn]]\nstep = [{ text = \"Hello.\" }]\n", "").await;
    let records = house.records().await;
    for name in ["anna", "ben"] {
        keep(&records, name).await;
    }
    house.hears(2).await;
    let (anna, ben) = (exported(&house, "anna").await.unwrap(), exported(&house, "ben").await.unwrap());
    assert!(words().count() > 20);
    for word in words() {
        assert!(has(&anna, &canary("anna", word)), "`{word}` is not given out");
        assert!(has(&ben, &canary("ben", word)), "`{word}` is not given out");
    }
    assert!(!has(&anna, "canary-ben") && !has(&ben, "canary-anna"));
    assert!(anna["outbox"][0]["platform-id"].is_string(), "{anna}");

    house.does(ForgetPerson { id: "anna".into() }).await.unwrap();
    assert_eq!(exported(&house, "anna").await, None);
    assert_eq!(exported(&house, "ben").await, Some(ben));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_every_table_and_sealed_column_it_is_said_what_an_export_does_with_it() {
    let house = House::new("order = \"any\"\n[[turn]]\nstep = [{ text = \"Hello.\" }]\n", "").await;
    let records = house.records().await;
    let mut reader = records.ledger().reader().await.unwrap();
    let columns = query_as::<(String, String, String)>(
        "SELECT m.name, c.name, c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    );
    let columns = reader.sql().all(columns).await.unwrap();
    drop(reader);
    let bytes: BTreeSet<String> = columns
        .iter()
        .filter(|(_, _, kind)| kind == "BLOB")
        .map(|(table, column, _)| format!("{table}.{column}"))
        .collect();
    let said: BTreeSet<String> =
        COLUMNS.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name.contains('.')).collect();
    assert_eq!(bytes, said, "what an export does with each column of bytes");
    let unsaid = |kept: &Kept| matches!(kept, Not(why) if why.is_empty());
    assert!(!COLUMNS.iter().any(|(_, kept)| unsaid(kept)) && !PLAIN.iter().any(|(_, why)| why.is_empty()));
    let with_bytes: BTreeSet<&str> = bytes.iter().filter_map(|name| name.split('.').next()).collect();
    let tables: BTreeSet<&str> = columns.iter().map(|(table, ..)| table.as_str()).collect();
    let plain: BTreeSet<&str> = tables.difference(&with_bytes).copied().collect();
    assert_eq!(plain, PLAIN.iter().map(|(name, _)| *name).collect(), "what is with each other table");
    house.close().await;
}
