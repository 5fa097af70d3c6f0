//! Attacks with placeholders: wrong host, wrong place, other forms, kept ones.

use super::unseen;
use cara_harness::{Attack, Canary, captured};
use serde_json::{Value, json};

/// The refusal that a request earns. Nothing of the value may have gone out or been seen.
async fn refused(attack: &Attack, arguments: Value) -> String {
    captured();
    let subject = attack.load();
    let told = subject.tool("request", arguments).await.unwrap();
    assert!(told.answer.is_err(), "{told:?}");
    for secret in ["header-key", "anywhere-key"] {
        let canary = Canary::new(secret);
        assert_eq!(canary.seen_in(&format!("{told:?}")), None);
        for sent in attack.upstream.requests().iter().chain(&attack.other.requests()) {
            assert_eq!(canary.seen_in(&sent.text()), None, "on the wire");
        }
        unseen(&canary, &attack.world);
    }
    subject.lives().await;
    attack.named(told.refusal())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_in_its_place_is_exchanged_on_the_wire_only() {
    captured();
    let attack = Attack::new().await;
    let (header, anywhere) = (Canary::new("header-key"), Canary::new("anywhere-key"));
    let subject = attack.load();
    let url = attack.upstream.url();
    let arguments = json!({ "url": url, "secret": "header-key", "headers": [["authorization", "Bearer {secret}"]] });
    let told = subject.tool("request", arguments).await.unwrap();
    assert_eq!(told.text(), r#"{"body":"hello","status":200}"#);
    let arguments = json!({
        "url": format!("{url}/bot{{secret}}/send?key={{secret}}"), "secret": "anywhere-key",
        "headers": [["x-key", "{secret}"]], "body": "key={secret}",
    });
    let told = subject.tool("request", arguments).await.unwrap();
    assert!(told.text().contains("200"), "{}", told.text());
    let sent = attack.upstream.requests();
    assert_eq!(sent[0].header("authorization"), format!("Bearer {}", header.value()));
    let value = anywhere.value();
    assert_eq!(sent[1].target, format!("/bot{value}/send?key={value}"));
    assert_eq!((sent[1].header("x-key"), &*sent[1].body), (value, format!("key={value}").as_bytes()));
    unseen(&header, &attack.world);
    unseen(&anywhere, &attack.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_basic_credential_is_made_by_the_host() {
    captured();
    let attack = Attack::new().await;
    let arguments = json!({
        "url": attack.upstream.url(), "secret": "header-key", "form": "basic",
        "headers": [["authorization", "Basic {secret}"]],
    });
    let told = attack.load().tool("request", arguments).await.unwrap();
    assert!(told.text().contains("200"), "{}", told.text());
    let sent = attack.upstream.requests();
    // base64("user:sk-canary-header-key-…")
    let basic = sent[0].header("authorization");
    assert!(basic.starts_with("Basic dXNlcjpzay1jYW5hcnktaGVhZGVyLWtleS1"), "{basic}");
    unseen(&Canary::new("header-key"), &attack.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_toward_another_host_fails_the_request() {
    let attack = Attack::new().await;
    let arguments =
        json!({ "url": attack.other.url(), "secret": "header-key", "headers": [["authorization", "Bearer {secret}"]] });
    assert_eq!(
        refused(&attack, arguments).await,
        "secret `header-key` of component `hostile` may not go to `http://<other>`\nhint: its manifest names `http://<upstream>`"
    );
    assert!(attack.other.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_in_the_wrong_place_fails_the_request() {
    for (place, url, body) in
        [("path", "/{secret}", None), ("query", "/?q={secret}", None), ("body", "/", Some("{secret}"))]
    {
        let attack = Attack::new().await;
        let arguments =
            json!({ "url": format!("{}{url}", attack.upstream.url()), "secret": "header-key", "body": body });
        let refusal = refused(&attack, arguments).await;
        assert_eq!(
            refusal,
            format!(
                "secret `header-key` of component `hostile` may not be put into the {place} of a request\nhint: its manifest names `header`"
            )
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_as_a_headers_name_fails_the_request() {
    let attack = Attack::new().await;
    let arguments = json!({ "url": attack.upstream.url(), "secret": "header-key", "headers": [["{secret}", "x"]] });
    assert_eq!(
        refused(&attack, arguments).await,
        "component `hostile` put a placeholder into the name of a header\nhint: put what `secrets.placeholder` gives where the value belongs, unchanged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_in_disguise_fails_the_request() {
    for form in ["base64", "hex", "percent"] {
        let attack = Attack::new().await;
        let arguments = json!({
            "url": attack.upstream.url(), "secret": "header-key", "form": form, "headers": [["x-key", "{secret}"]],
        });
        assert_eq!(
            refused(&attack, arguments).await,
            "component `hostile` encoded a placeholder\nhint: put it in as it is; for `Authorization: Basic` use `secrets.basic`",
            "{form}"
        );
        let attack = Attack::new().await;
        let arguments =
            json!({ "url": attack.upstream.url(), "secret": "anywhere-key", "form": form, "body": "x{secret}y" });
        assert_eq!(
            refused(&attack, arguments).await,
            "component `hostile` encoded a placeholder\nhint: put it in as it is; for `Authorization: Basic` use `secrets.basic`",
            "{form} in the body"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_that_was_cut_fails_the_request() {
    let attack = Attack::new().await;
    let arguments = json!({ "url": attack.upstream.url(), "secret": "header-key", "form": "cut", "headers": [["x-key", "{secret}"]] });
    assert_eq!(
        refused(&attack, arguments).await,
        "component `hostile` used a placeholder that is not of this call\nhint: ask for a new one in each call; it means nothing afterwards"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_placeholder_any_more_buys_nothing() {
    for form in ["reversed", "upper"] {
        let attack = Attack::new().await;
        let arguments = json!({ "url": attack.upstream.url(), "secret": "header-key", "form": form, "headers": [["x-key", "{secret}"]] });
        attack.load().tool("request", arguments).await.unwrap();
        for sent in attack.upstream.requests() {
            assert_eq!(Canary::new("header-key").seen_in(&sent.text()), None, "{form}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_of_an_earlier_call_fails_the_request() {
    captured();
    let attack = Attack::new().await;
    let subject = attack.load();
    let kept = subject.tool("keep_placeholder", json!({ "name": "header-key" })).await.unwrap().text().to_owned();
    assert!(kept.starts_with("cara-secret-"), "{kept}");
    for fresh in [None, Some("header-key")] {
        let plan =
            json!({ "url": attack.upstream.url(), "secret": fresh, "headers": [["authorization", "Bearer {secret}"]] });
        let told = subject.tool("send_kept", plan).await.unwrap();
        assert!(told.answer.is_err());
        assert_eq!(
            told.refusal(),
            "component `hostile` used a placeholder that is not of this call\nhint: ask for a new one in each call; it means nothing afterwards"
        );
    }
    assert!(attack.upstream.requests().is_empty());
    let again = subject.tool("keep_placeholder", json!({ "name": "header-key" })).await.unwrap().text().to_owned();
    assert_ne!(kept, again, "every call has its own");
    unseen(&Canary::new("header-key"), &attack.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_the_clear_fails_the_request() {
    let attack = Attack::new().await;
    // A guest that learnt the value elsewhere cannot send it where it may go anywhere either.
    // It has a value of its own, for the log of this process shows what a guest knows.
    let canary = Canary::new("told-key");
    attack.world.secrets.set("hostile", "anywhere-key", canary.value());
    let value = canary.value().to_owned();
    let subject = attack.load();
    for arguments in [
        json!({ "url": attack.other.url(), "secret": "anywhere-key", "headers": [["x-key", value]] }),
        json!({ "url": attack.other.url(), "secret": "anywhere-key", "body": format!("{{\"a\":\"{value}\"}}") }),
        json!({ "url": format!("{}/{value}", attack.other.url()), "secret": "anywhere-key" }),
    ] {
        let told = subject.tool("request", arguments).await.unwrap();
        assert!(told.answer.is_err());
        assert_eq!(
            told.refusal(),
            "the request of component `hostile` holds a stored secret in the clear\nhint: put what `secrets.placeholder` gives where the value belongs, unchanged"
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
    let arguments = json!({
        "plan": { "url": attack.upstream.url(), "secret": "header-key", "headers": [["authorization", "Bearer {secret}"]] },
        "masked": canary.masked(),
    });
    let told = attack.load().tool("spend_and_search", arguments).await.unwrap();
    assert_eq!(told.text(), "found 0, control true, sent true");
    assert_eq!(attack.upstream.requests()[0].header("authorization"), format!("Bearer {}", canary.value()));
    unseen(&canary, &attack.world);
}
