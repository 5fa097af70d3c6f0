//! Budgets and roles hold for programs as they do for conversations.

use super::served::Served;
use crate::people::house::token;
use cara_authority::{PersonId, PersonRole, Principal, Scope};
use cara_control::tokens::CreateToken;
use http::StatusCode;
use serde_json::json;

/// The same home, asked by a member, with a token that is for talking.
async fn of_anna(served: Served) -> Served {
    let records = served.application.records().await.unwrap();
    let (anna, role) = (PersonId::parse("anna").unwrap(), PersonRole::Member);
    records.name_person(&anna, "Anna", role, "a test").await.unwrap();
    let router = served.shown(CreateToken { person: Some("anna".into()), ..token(&[Scope::Chat]) }).await;
    Served { router, ..served }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_the_day_is_used_up_by_calls_and_says_so() {
    let served = Served::with("[budget.day]\ntokens = 1000").await;
    let (status, whole) = served.chat("say hello", json!({ "max_tokens": 100 })).await;
    assert_eq!(status, StatusCode::OK, "{whole}");
    let (status, error) = served.chat(&"x".repeat(6000), json!({ "max_tokens": 100 })).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("insufficient_quota")));
    assert!(error["error"]["message"].as_str().unwrap().contains("hint: "), "{error}");
    // What was reserved for the call that ended is given back once it is kept.
    served.calls(1).await;
    let (status, whole) = served.chat("say hello", json!({ "max_tokens": 900 })).await;
    assert_eq!(status, StatusCode::OK, "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_has_the_budget_of_a_run() {
    let served = Served::with("[budget.run]\ntokens = 500").await;
    let (status, error) = served.chat("say hello", json!({ "max_tokens": 600 })).await;
    assert_eq!(
        (status, &error["error"]["type"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("insufficient_quota")),
        "{error}"
    );
    assert_eq!(served.chat("say hello", json!({ "max_tokens": 100 })).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_has_the_models_and_the_agent_that_the_configuration_says() {
    let config = "[role.member]\nmodels = ['openai:m-1']\nagent = 'clerk'\n[agent.clerk]\nsystem = 'be brief'";
    let served = of_anna(Served::with(config).await).await;
    let ask = |model: &str| {
        served.ask("/v1/chat/completions", json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] }))
    };
    let (status, error) = ask("rehearsal:script").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{error}");
    assert_eq!(ask("openai:m-1").await.0, StatusCode::OK);
    // Of those of the same name, one alone is for the role.
    assert_eq!(ask("m-1").await.0, StatusCode::OK);
    let (status, error) = ask("agent:main").await;
    assert!(
        status == StatusCode::NOT_FOUND && error["error"]["message"].as_str().unwrap().contains("`agent:clerk`"),
        "{error}"
    );
    let (_, text) = served.send(http::Method::GET, "/v1/models", &[], None).await;
    assert!(text.contains("openai:m-1") && text.contains("agent:clerk") && !text.contains("rehearsal"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_prompt_is_the_operators_where_the_credential_may_say_so_and_fenced_where_not() {
    let body = json!({ "model": "rehearsal:script", "messages": [
        { "role": "system", "content": "answer like a pirate" }, { "role": "user", "content": "who instructs" },
    ] });
    let served = Served::new().await;
    let (_, own) = served.ask("/v1/chat/completions", body.clone()).await;
    assert_eq!(own["choices"][0]["message"]["content"], "the operator", "{own}");
    let served = of_anna(served).await;
    let (_, fenced) = served.ask("/v1/chat/completions", body).await;
    assert_eq!(fenced["choices"][0]["message"]["content"], "nobody", "{fenced}");
    let calls = served.calls(2).await;
    let seen: Vec<&str> = calls.iter().map(|call| call["did"]["seen"].as_str().unwrap()).collect();
    assert!(seen.iter().any(|seen| seen.contains("operator") && !seen.contains("web")), "{seen:?}");
    assert!(
        seen.iter().any(|seen| seen.contains("web") && seen.contains("private:anna") && !seen.contains("operator")),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_and_configured_counts_from_the_next_call_on() {
    use cara_control::Prepared;
    let served = Served::new().await;
    let ask = || {
        served.ask(
            "/v1/chat/completions",
            json!({ "model": "openai:m-1", "messages": [{ "role": "user", "content": "x" }] }),
        )
    };
    assert_eq!(ask().await.0, StatusCode::OK);
    let granted = served.application.records().await.unwrap().ledger().grants().await.unwrap();
    let capabilities: Vec<String> = granted
        .iter()
        .filter(|grant| grant.component.as_str() == "openai")
        .map(|grant| grant.capability.to_string())
        .collect();
    let revoke = cara_control::grants::RevokeGrants { component: "openai".into(), capabilities };
    let by = Principal::of_account("account");
    Prepared::of(revoke).run(served.application.clone(), by, cara_control::Events::nobody()).await.unwrap();
    let (status, error) = ask().await;
    assert!(
        status == StatusCode::FORBIDDEN
            && error["error"]["message"].as_str().unwrap().contains("cara models --model openai"),
        "{error}"
    );
}
