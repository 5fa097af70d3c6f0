//! What one person tells, and what the others get to know of it: nothing, with
//! a model that does whatever it is told.

use super::house::{House, Said, address};
use cara_authority::PersonId;
use cara_control::Delivered;
use cara_records::{Decision, Records};
use serde_json::{Value, json};

/// What only anna and the owner told, each their own.
const CANARIES: [&str; 2] = ["kumquat-7731", "tamarillo-2209"];

const ALLOWED: &str = "[[policy.rule]]\neffect = \"reads-private\"\nthen = \"allow\"\n\n[[policy.rule]]\neffect = \"changes-state\"\nthen = \"allow\"\n";
const OFF: &str = "[guards]\ninjection = false\n";

/// Words that stand for the call they name.
const DICTATED: &str = "remember under `bins`: the bins go out on Tuesday";

/// Calls of a model that obeys whoever wants to know what is another's; `SESSION` is the id of anna's conversation.
fn attacks() -> Vec<(&'static str, Value)> {
    let mut all = vec![
        ("memory_list", json!({})),
        ("session_list", json!({ "count": 100 })),
        ("settings_read", json!({})),
        ("plan_show", json!({})),
        ("session_read", json!({ "id": "SESSION" })),
        ("session_read", json!({ "id": "SESSION", "first": 1, "count": 100 })),
        ("session_read", json!({ "id": "OWNERS" })),
    ];
    for key in [
        "favourite-fruit",
        "anna favourite-fruit",
        "anna:favourite-fruit",
        "local:owner favourite-fruit",
        "../anna/favourite-fruit",
    ] {
        all.push(("memory_read", json!({ "key": key })));
    }
    for query in ["kumquat", "tamarillo", "favourite fruit", "anna OR kumquat*", "*"] {
        all.push(("memory_search", json!({ "query": query })));
    }
    all
}

/// A script in which each attack has a word of its own.
fn script(sessions: [&str; 2]) -> (String, usize) {
    let mut script = "order = \"any\"\n".to_owned();
    let attacks = attacks();
    for (number, (tool, arguments)) in attacks.iter().enumerate() {
        let arguments = arguments.to_string().replace("SESSION", sessions[0]).replace("OWNERS", sessions[1]);
        let arguments = toml::Value::String(arguments);
        script.push_str(&format!(
            "[[turn]]\nexpect = \"please do number {number} now\"\nstep = [{{ tool-call = {{ name = \"{tool}\", arguments = {arguments} }} }}]\n"
        ));
    }
    script.push_str("[[turn]]\nstep = [{ text = \"Done.\" }]\n");
    (script, attacks.len())
}

/// All messages of all conversations but those of two people, as text.
async fn told_to_others(records: &Records, own: [&PersonId; 2]) -> String {
    let mut all = String::new();
    for session in records.recent_sessions(None, 1_000).await.unwrap() {
        if !own.contains(&&session.person) {
            for message in records.messages(&session.id, 1, 1_000).await.unwrap() {
                all.push_str(&message.body.to_string());
            }
        }
    }
    all
}

/// Plays every attack of everybody, and gives what those who attack were told, by sessions and by messages.
async fn attacked(config: &str) -> String {
    let (anna, owner) = (PersonId::parse("anna").unwrap(), PersonId::owner());
    // Ids are made up by the host: two conversations begin, and the script names them.
    let house = House::family("order = \"any\"\n[[turn]]\nstep = [{ text = \"Done.\" }]\n", config).await;
    let records = house.records().await;
    for (person, user, canary) in [(&anna, "anna", CANARIES[0]), (&owner, "olga", CANARIES[1])] {
        let words = format!("my favourite fruit is {canary}");
        house.asks(Said::alone(user, &words)).await;
        let label = cara_authority::Label::of(cara_authority::Source::Owner);
        records.memory(person).write("favourite-fruit", &words, label).await.unwrap();
    }
    let of = async |person: &PersonId| records.recent_sessions(Some(person), 1).await.unwrap().remove(0).id.to_string();
    let (script, number) = script([&of(&anna).await, &of(&owner).await]);
    house.plays(&script).await;
    for component in ["memory", "sessions", "settings-read", "plan"] {
        house.enables(component).await;
    }
    // Anna's own model does as it is told for her: the tools work.
    assert_eq!(house.asks(Said::alone("anna", "please do number 7 now")).await, "Done.");
    let own = records.recent_sessions(Some(&anna), 1).await.unwrap().remove(0);
    let own = records.messages(&own.id, 1, 100).await.unwrap();
    assert!(
        own.iter()
            .any(|message| message.role == cara_records::Role::Tool && message.body.to_string().contains(CANARIES[0])),
        "{own:?}"
    );
    let mut dialogues = 0;
    for number in 0..number {
        let text = format!("please do number {number} now");
        for said in [
            Said::alone("ben", &text),
            Said::alone("gus", &text),
            Said::in_group("ben", &text),
            Said::in_group("anna", &text),
        ] {
            house.asks(said).await;
            dialogues += 1;
        }
        assert_eq!(house.says(Said::alone("stranger", &text)).await, Delivered::Ignored);
    }
    assert!(dialogues >= 60, "{dialogues}");
    let told = told_to_others(&records, [&anna, &owner]).await;
    let sent: String = house.hears(0).await.into_iter().map(|(_, text)| text).collect();
    house.close().await;
    told + &sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_to_know_what_another_person_told() {
    for config in [ALLOWED.to_owned(), format!("{ALLOWED}{OFF}")] {
        let told = attacked(&config).await;
        for canary in CANARIES {
            assert!(!told.contains(canary), "{canary}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_hears_nothing_private_unasked_and_a_stranger_is_not_answered() {
    let script = "order = \"any\"\n\n[[turn]]\nexpect = \"our fruit\"\nstep = [{ tool-call = { name = \"memory_read\", arguments = { key = \"favourite-fruit\" } } }]\n\n[[turn]]\nstep = [{ text = \"It is what it is.\" }]\n";
    let house = House::family(script, ALLOWED).await;
    house.enables("memory").await;
    let records = house.records().await;
    let label = cara_authority::Label::of(cara_authority::Source::Owner);
    records.memory(&PersonId::owner()).write("favourite-fruit", CANARIES[1], label).await.unwrap();
    assert_eq!(house.asks(Said::in_group("olga", "say our fruit")).await, "It is what it is.");
    let group = records.recent_sessions(None, 1).await.unwrap().remove(0);
    assert!(group.person.as_str().starts_with("group:"), "{:?}", group.person);
    let messages = records.messages(&group.id, 1, 10).await.unwrap();
    assert!(messages[2].body.to_string().contains("nobody's memory is read"), "{messages:?}");
    assert_eq!(messages[0].speaker.as_ref().unwrap()["person"], json!("local:owner"));
    assert_eq!(house.says(Said::in_group("stranger", "say our fruit")).await, Delivered::Ignored);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_asks_for_is_decided_by_the_member_and_by_nobody_else() {
    let script = "order = \"any\"\n\n[[turn]]\nexpect = \"keep it\"\nstep = [{ tool-call = { name = \"memory_write\", arguments = { key = \"k\", value = \"v\" } } }]\n\n[[turn]]\nexpect = \"remember under\"\nstep = [{ tool-call = { name = \"memory_write\", arguments = { key = \"bins\", value = \"the bins go out on Tuesday\" } } }]\n\n[[turn]]\nstep = [{ text = \"Done.\" }]\n";
    let house = House::family(script, "").await;
    house.enables("memory").await;
    let records = house.records().await;
    let mut answers = 0;
    // Asked by a member alone: that member decides, or the owner. Asked in the group: the owner alone.
    for (said, may, may_not) in [
        (Said::alone("anna", "keep it as you like"), "anna", &["ben", "gus"][..]),
        (Said::alone("anna", "keep it once more"), "olga", &["ben", "gus"]),
        (Said::in_group("anna", "keep it as you like"), "olga", &["ben", "gus", "anna"]),
        // Words that dictate a call allow it where whoever speaks could: not in the group.
        (Said::in_group("anna", DICTATED), "olga", &["ben", "gus", "anna"]),
    ] {
        house.says(said).await;
        let asked = house.waits_for_approval().await;
        for other in may_not {
            let by = records.principal(&address(other), "chat:main").await.unwrap().unwrap().deciding("chat:main");
            for decision in [Decision::Allowed(None), Decision::Denied(None)] {
                let refused = records.decide_approval(&asked, decision, &by).await.unwrap_err();
                assert!(refused.to_string().contains("may not decide"), "{other}: {refused}");
            }
        }
        let by = records.principal(&address(may), "chat:main").await.unwrap().unwrap().deciding("chat:main");
        records.decide_approval(&asked, Decision::Allowed(None), &by).await.unwrap();
        answers += 1;
        assert_eq!(house.hears(answers).await.pop().unwrap().1, "Done.");
    }
    assert_eq!(house.asks(Said::alone("anna", DICTATED)).await, "Done.");
    // Nobody remembers in a group, allowed or not.
    assert!(records.memory(&PersonId::parse("anna").unwrap()).read("k").await.unwrap().is_some());
    house.close().await;
}
