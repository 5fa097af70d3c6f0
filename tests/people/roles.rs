//! What a role may use: tools, agent and model, with a model that does what it
//! is told.

use super::house::{House, Said, address};
use cara_authority::{PersonId, PersonRole};
use cara_control::config::CheckConfig;
use cara_records::Decision;

/// Whoever says so has the model call a tool, offered or not.
const SCRIPT: &str = r#"
order = "any"
[[turn]]
expect = "what time"
step = [{ tool-call = { name = "time_now", arguments = { zone = "Europe/Oslo" } } }]
[[turn]]
expect = "keep it"
step = [{ tool-call = { name = "memory_write", arguments = { key = "k", value = "kept" } } }]
[[turn]]
step = [{ text = "Done." }]
"#;

const ROLES: &str = "[role.guest]\ntools = [\"time\"]\nagent = \"porter\"\n[role.member]\ntools = [\"memory__memory_write\"]\n[agent.porter]\nsystem = \"Be brief.\"\n";

/// All messages of the session that changed last, as text; and its agent.
async fn last_session(house: &House) -> (String, String) {
    let records = house.records().await;
    let session = records.recent_sessions(None, 1).await.unwrap().remove(0);
    let messages = records.messages(&session.id, 1, 99).await.unwrap();
    (messages.iter().map(|message| message.body.to_string()).collect(), session.agent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_a_role_may_not_use_is_not_offered_and_a_call_of_it_is_refused() {
    let house = House::family(SCRIPT, ROLES).await;
    house.enables("memory").await;
    let records = house.records().await;
    for (user, allowed, refused, only, agent) in [
        ("gus", "what time is it?", "keep it", "time_", "porter"),
        ("anna", "keep it", "what time is it?", "memory_write", "main"),
    ] {
        assert_eq!(house.asks(Said::alone(user, refused)).await, "Done.");
        let (said, answering) = last_session(&house).await;
        assert!(said.contains("there is no tool `") && said.contains(&format!("there are: {only}")), "{user}: {said}");
        assert_eq!(answering, agent);
        assert!(records.waiting_approvals().await.unwrap().is_empty(), "{user}");
        house.says(Said::alone(user, allowed)).await;
        if user == "anna" {
            let asked = house.waits_for_approval().await;
            let owner = records.principal(&address("olga"), "chat:main").await.unwrap().unwrap();
            records.decide_approval(&asked, Decision::Allowed(None), &owner.deciding("chat:main")).await.unwrap();
        }
        let told = house.hears(if user == "gus" { 2 } else { 4 }).await.len();
        assert!(
            last_session(&house).await.0.contains(if user == "gus" { "Europe/Oslo" } else { "\"failed\":false" }),
            "{told}"
        );
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_not_made_for_somebody_whose_role_was_changed_while_it_was_asked_about() {
    let house = House::family(SCRIPT, "").await;
    house.enables("memory").await;
    let records = house.records().await;
    let anna = PersonId::parse("anna").unwrap();
    let owner = records.principal(&address("olga"), "chat:main").await.unwrap().unwrap().deciding("chat:main");
    house.says(Said::alone("anna", "keep it")).await;
    let asked = house.waits_for_approval().await;
    records.name_person(&anna, "Anna", PersonRole::Guest, "a test").await.unwrap();
    records.decide_approval(&asked, Decision::Allowed(None), &owner).await.unwrap();
    assert_eq!(house.hears(1).await[0].1, "Done.");
    let said = last_session(&house).await.0;
    assert!(said.contains("switched off meanwhile"), "{said}");
    assert!(records.memory(&anna).read("k").await.unwrap().is_none());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_answered_by_a_model_that_may_answer_it() {
    let house =
        House::family(SCRIPT, "[role.guest]\nmodels = [\"rehearsal:builtin\"]\n[role.member]\nmodels = []\n").await;
    let built_in = house.asks(Said::alone("gus", "hello")).await;
    assert!(built_in.contains("connect"), "{built_in}");
    assert_eq!(house.asks(Said::alone("olga", "hello")).await, "Done.");
    let none = house.asks(Said::alone("anna", "hello")).await;
    assert!(none.contains("something is not set up"), "{none}");
    house.close().await;
}

#[tokio::test]
async fn a_name_in_a_role_that_nothing_has_is_found_with_the_one_that_is_meant() {
    let house = House::new(SCRIPT, "").await;
    for (text, meant) in [
        ("[role.guest]\ntools = [\"tiem\"]", "`time`"),
        ("[role.guest]\ntools = [\"memory_read\"]", "`memory__memory_read`"),
        ("[role.member]\nmodels = [\"rehearsel\"]", "`rehearsal`"),
        ("[agent.porter]\nsystem = \"x\"\n[role.member]\nagent = \"portr\"", "`porter`"),
    ] {
        let error = house.does(CheckConfig { text: Some(text.into()), name: None }).await.unwrap_err();
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains(meant)), "{error}");
    }
    house.close().await;
}
