//! Attacks with the marker of a secret: outside its spots it is plain text.

use super::unseen;
use cara_authority::AccountId;
use cara_harness::{Attack, Canary, Recorded, Subject, Testbed, Told, captured};
use serde_json::{Value, json};

const MARKER: &str = "cara-secret--anywhere-key";

/// An attack whose guest has the key that may stand in several spots.
async fn attack() -> (Attack, Canary) {
    captured();
    let (attack, canary) = (Attack::new().await, Canary::new("anywhere-key"));
    attack.testbed.secrets.set("hostile", "anywhere-key", canary.value());
    (attack, canary)
}

/// What a request looked like on the wire. Nothing of the value may have been seen.
async fn sent(attack: &Attack, canary: &Canary, arguments: Value) -> Recorded {
    let told = attack.load().tool("request", arguments).await.unwrap();
    assert!(told.text().contains("200"), "{told:?}");
    assert_eq!(canary.seen_in(&format!("{told:?}")), None, "what the guest saw");
    unseen(canary, &attack.testbed);
    attack.upstream.requests().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_fills_headers_and_query_keys_that_are_left_out() {
    let (attack, canary) = attack().await;
    let url = format!("{}/a?b=1", attack.upstream.url());
    let wire = sent(&attack, &canary, json!({ "url": url })).await;
    assert_eq!(wire.header("authorization"), format!("Bearer {}", Canary::new("header-key").value()));
    assert_eq!(wire.header("x-key"), canary.value());
    assert_eq!(wire.target, format!("/a?b=1&key={}", canary.value()));
    // What the component wrote there itself stays.
    let own = json!({ "url": format!("{url}&key=own"), "headers": [["x-key", "own"], ["authorization", "own"]] });
    let wire = sent(&attack, &canary, own).await;
    assert_eq!((wire.header("x-key"), wire.header("authorization"), &*wire.target), ("own", "own", "/a?b=1&key=own"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marker_in_a_declared_spot_becomes_the_value_on_the_wire_only() {
    let (attack, canary) = attack().await;
    let (url, value) = (attack.upstream.url(), canary.value());
    let wire = sent(
        &attack,
        &canary,
        json!({ "url": format!("{url}/bot{MARKER}/send?key={MARKER}"), "headers": [["x-key", MARKER]] }),
    )
    .await;
    assert_eq!((wire.header("x-key"), wire.target.clone()), (value, format!("/bot{value}/send?key={value}")));
    let form =
        json!({ "url": url, "body": format!("a=1&key={MARKER}&b=2"), "type": "application/x-www-form-urlencoded" });
    assert_eq!(sent(&attack, &canary, form).await.body, format!("a=1&key={value}&b=2").as_bytes());
    let body = format!("{{\"n\":1.5,\"login\":{{\"user\":\"{MARKER}\",\"key\":\"{MARKER}\"}}}}");
    let login = json!({ "url": format!("{url}/login"), "body": body, "type": "application/json" });
    let filled: Value = serde_json::from_slice(&sent(&attack, &canary, login).await.body).unwrap();
    assert_eq!(filled, json!({ "n": 1.5, "login": { "user": MARKER, "key": value } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marker_anywhere_else_is_text() {
    let (attack, canary) = attack().await;
    let url = attack.upstream.url();
    let json = |path: &str, body: String| json!({ "url": format!("{url}{path}"), "body": body, "type": "application/json", "headers": [["x-key", ""]] });
    for plan in [
        json!({ "url": format!("{url}/{MARKER}/send"), "headers": [["x-key", ""]] }),
        json!({ "url": format!("{url}/x/bot{MARKER}/send"), "headers": [["x-key", ""]] }),
        json!({ "url": format!("{url}/?q={MARKER}"), "headers": [["x-key", ""]] }),
        json!({ "url": format!("{url}/?{MARKER}=q"), "headers": [["x-key", ""]] }),
        json!({ "url": url, "headers": [["x-other", MARKER], ["x-key", ""]] }),
        json!({ "url": url, "headers": [[MARKER, "1"], ["x-key", ""]] }),
        json!({ "url": url, "headers": [["x-key", format!("{MARKER} {MARKER}")]] }),
        json!({ "url": url, "headers": [["cookie", format!("a={MARKER}")], ["x-key", ""]] }),
        json!({ "url": url, "body": MARKER, "type": "text/plain", "headers": [["x-key", ""]] }),
        json!({ "url": url, "body": format!("key={MARKER}"), "type": "text/plain", "headers": [["x-key", ""]] }),
        json!({ "url": url, "body": format!("other={MARKER}"), "type": "application/x-www-form-urlencoded", "headers": [["x-key", ""]] }),
        json("/elsewhere", format!("{{\"login\":{{\"key\":\"{MARKER}\"}}}}")),
        json("/login", format!("{{\"key\":\"{MARKER}\",\"login\":[\"{MARKER}\"]}}")),
        json("/login", format!("{{\"login\":{{\"key\":\"x{MARKER}\"}}}}")),
        json("/login", format!("[{{\"login\":{{\"key\":\"{MARKER}\"}}}}]")),
    ] {
        let mut plan = plan;
        let with_key = format!(
            "{}{}key=",
            plan["url"].as_str().unwrap(),
            if plan["url"].as_str().unwrap().contains('?') { "&" } else { "?" }
        );
        plan["url"] = with_key.into();
        let wire = sent(&attack, &canary, plan.clone()).await;
        assert_eq!(canary.seen_in(&wire.text()), None, "{plan}");
        assert!(wire.text().contains(MARKER), "the text arrives: {plan}: {}", wire.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_gets_the_text() {
    let (attack, canary) = attack().await;
    let url = attack.other.url();
    for plan in [
        json!({ "url": format!("{url}/bot{MARKER}/send?key={MARKER}"), "headers": [["x-key", MARKER]] }),
        json!({ "url": format!("{url}/login"), "body": format!("{{\"login\":{{\"key\":\"{MARKER}\"}}}}"), "type": "application/json" }),
    ] {
        attack.load().tool("request", plan).await.unwrap();
    }
    for wire in attack.other.requests() {
        assert!(wire.text().contains(MARKER) && wire.header("authorization").is_empty(), "{}", wire.text());
        assert_eq!(canary.seen_in(&wire.text()), None);
        assert_eq!(Canary::new("header-key").seen_in(&wire.text()), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_to_be_filled_is_small() {
    let (attack, _) = attack().await;
    let body = format!("{{\"login\":{{\"key\":\"{MARKER}\"}},\"more\":\"{}\"}}", "x".repeat(70_000));
    let plan = json!({ "url": format!("{}/login", attack.upstream.url()), "body": body, "type": "application/json" });
    let told = attack.load().tool("request", plan).await.unwrap();
    assert!(told.answer.is_err() && attack.upstream.requests().is_empty());
    assert_eq!(
        told.refusal(),
        "a body that a secret may be put into is at most 65536 bytes\nhint: name the `path` of such requests beside `json` or `form` in the manifest"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_basic_credential_is_made_by_the_host() {
    captured();
    let (attack, canary) = (Attack::new().await, Canary::new("basic-key"));
    attack.testbed.secrets.set("hostile", "basic-key", canary.value());
    let wire = sent(&attack, &canary, json!({ "url": attack.upstream.url() })).await;
    // base64("user:sk-canary-basic-key-…")
    let basic = wire.header("x-basic");
    assert!(basic.starts_with("Basic dXNlcjpzay1jYW5hcnktYmFzaWMta2V5L"), "{basic}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_a_value_stays_out_or_is_a_refusal_with_the_cure() {
    captured();
    let attack = Attack::new().await;
    let url = attack.upstream.url();
    let told = attack.load().tool("request", json!({ "url": url })).await.unwrap();
    assert!(told.text().contains("200") && told.refusals.is_empty(), "optional: {told:?}");
    assert_eq!(attack.upstream.requests()[0].header("x-key"), "");
    let told = attack.load().tool("request", json!({ "url": format!("{url}/bot{MARKER}/x") })).await.unwrap();
    assert!(told.refusal().starts_with("no value is stored for secret `hostile/anywhere-key`"), "marked: {told:?}");

    let testbed = Testbed::new().await;
    let provider = testbed.guest("hostile-provider").setting("base-url", attack.upstream.url()).load();
    let completed = provider.complete("echo").await;
    assert_eq!(completed.refusals, ["no value is stored for secret `hostile-provider/api-key`"]);
    assert_eq!(attack.upstream.requests().len(), 1, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_has_its_own_value() {
    captured();
    let attack = Attack::new().await;
    let (work, home) = (Canary::new("work"), Canary::new("home"));
    attack.testbed.secrets.set("hostile", "anywhere-key@work", work.value());
    attack.testbed.secrets.set("hostile", "anywhere-key@home", home.value());
    for (account, canary) in [("work", &work), ("home", &home)] {
        let mut subject = attack.load();
        subject.services.account = Some(AccountId::parse(account).unwrap());
        subject.tool("request", json!({ "url": attack.upstream.url() })).await.unwrap();
        assert_eq!(attack.upstream.requests().last().unwrap().header("x-key"), canary.value());
    }
    attack.load().tool("request", json!({ "url": attack.upstream.url() })).await.unwrap();
    assert_eq!(attack.upstream.requests().last().unwrap().header("x-key"), "", "no account, no account's key");
}

async fn signs(subject: &Subject, name: &str, data: &str) -> Told {
    subject.tool("ask_secret", json!({ "name": name, "data": data })).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_for_a_header_signs_nothing_and_a_key_only_what_its_manifest_says() {
    let (attack, canary) = attack().await;
    let subject = attack.load();
    for name in ["header-key", "anywhere-key"] {
        let told = signs(&subject, name, "anything").await;
        assert_eq!(
            told.refusal(),
            format!(
                "secret `{name}` of component `hostile` is no key\nhint: its manifest places it in requests; what is sent signs nothing"
            )
        );
    }
    let told = signs(&subject, "signing-key", "anything").await;
    assert!(told.refusals.is_empty() && told.text().contains("signed 32"), "{told:?}");
    let told = signs(&subject, "aws-key", "anything").await;
    assert!(told.refusal().starts_with("the key signs strings of AWS Signature Version 4 only"), "{told:?}");
    let text = format!("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n{}", "0".repeat(64));
    let told = signs(&subject, "aws-key", &text).await;
    assert!(told.refusals.is_empty() && told.text().contains("signed 32"), "{told:?}");
    unseen(&canary, &attack.testbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_into_no_request() {
    captured();
    let attack = Attack::new().await;
    let canary = Canary::new("signing-key");
    let marker = "cara-secret--signing-key";
    let plan = json!({ "url": format!("{}/bot{marker}/x?key={marker}", attack.upstream.url()), "headers": [["x-key", marker]] });
    let wire = sent(&attack, &canary, plan).await;
    assert_eq!((canary.seen_in(&wire.text()), wire.header("x-key")), (None, marker));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_the_clear_fails_the_request() {
    captured();
    let attack = Attack::new().await;
    // A guest that learnt the value elsewhere cannot send it where it may go anywhere either. It was never spent here:
    // what is stored is known from the start.
    let canary = Canary::new("told-key");
    let stored = cara_services::vault::SecretValue::new(canary.value().as_bytes().to_vec()).unwrap();
    attack.testbed.services.egress.known().register_all([&std::sync::Arc::new(stored)]);
    let value = canary.value().to_owned();
    let escaped: String = value.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
    let subject = attack.load();
    for plan in [
        json!({ "url": attack.other.url(), "headers": [["x-key", value]] }),
        json!({ "url": attack.other.url(), "body": format!("{{\"a\":\"{value}\"}}"), "type": "application/json" }),
        json!({ "url": attack.other.url(), "body": format!("{{\"a\":\"{escaped}\"}}"), "type": "application/json" }),
        json!({ "url": format!("{}/{value}", attack.other.url()) }),
        json!({ "url": format!("{}/{}", attack.other.url(), value.replace('-', "%2d")) }),
    ] {
        let told = subject.tool("request", plan).await.unwrap();
        assert!(told.answer.is_err());
        assert_eq!(
            told.refusal(),
            "the request of component `hostile` holds a stored secret in the clear\nhint: write `cara-secret--NAME` in a spot that the manifest names; the host puts the value there"
        );
    }
    for sent in attack.other.requests() {
        assert_eq!(canary.seen_in(&sent.text()), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_not_in_the_guests_memory_after_it_was_spent() {
    captured();
    let mut attack = Attack::new().await;
    let canary = Canary::new("header-key");
    attack.upstream = super::echo::echoing().await;
    let arguments = json!({ "plan": { "url": attack.upstream.url() }, "masked": canary.masked() });
    let told = attack.load().tool("spend_and_search", arguments).await.unwrap();
    assert_eq!(told.text(), "found 0, control true, sent true");
    assert_eq!(attack.upstream.requests()[0].header("authorization"), format!("Bearer {}", canary.value()));
    unseen(&canary, &attack.testbed);
}
