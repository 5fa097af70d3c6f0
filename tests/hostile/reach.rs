//! Attacks on where it may connect.

use cara_harness::{Attack, Reply, Upstream};
use serde_json::{Value, json};

async fn refusal(attack: &Attack, arguments: Value) -> String {
    let subject = attack.load();
    let told = subject.tool("request", arguments).await.unwrap();
    assert!(told.answer.is_err(), "{told:?}");
    let refusal = attack.named(told.refusal());
    subject.lives().await;
    refusal
}

async fn refused(url: &str) -> String {
    let attack = Attack::new().await;
    let refusal = refusal(&attack, json!({ "url": url })).await;
    assert!(dialed(&attack).is_empty(), "nothing was dialed: {:?}", dialed(&attack));
    refusal
}

fn dialed(attack: &Attack) -> Vec<String> {
    attack.testbed.dialed.addresses().iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_and_granted_server_is_reached() {
    let attack = Attack::new().await;
    let told = attack.load().tool("request", json!({ "url": attack.upstream.url() })).await.unwrap();
    assert_eq!(told.text(), r#"{"body":"hello","status":200}"#);
    assert!(told.refusals.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_lies_about_its_effects_does_not_have_them() {
    let attack = Attack::new().await;
    let subject = attack.load();
    let url = attack.upstream.url();
    let told = subject.tool("reading_request", json!({ "url": url })).await.unwrap();
    assert!(told.answer.is_ok(), "{told:?}");
    let sent = attack.upstream.requests().len();
    for (tool, arguments, effect) in [
        ("reading_request", json!({ "url": url, "method": "POST" }), "sends-outside"),
        ("private_request", json!({ "url": url }), "reads-untrusted"),
        ("private_request", json!({ "url": url, "method": "POST" }), "sends-outside"),
    ] {
        let told = subject.tool(tool, arguments).await.unwrap();
        assert!(told.answer.is_err(), "{told:?}");
        let says = format!("tool `{tool}` of component `hostile` may not ");
        assert!(told.refusal().starts_with(&says), "{told:?}");
        assert!(told.refusal().contains(&format!(": `{effect}` is not among its effects\nhint: ")), "{told:?}");
    }
    assert_eq!(attack.upstream.requests().len(), sent, "nothing of it was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeclared_host_is_not_reached() {
    assert_eq!(
        refused("https://evil.example/").await,
        "component `hostile` may not reach `https://evil.example`\nhint: only a new version, signed with another manifest, can ask for more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_host_that_was_not_granted_is_not_reached() {
    assert_eq!(
        refused("https://ungranted.example.org/").await,
        "component `hostile` may not reach `https://ungranted.example.org`\nhint: to allow it, run `cara grant hostile http https://ungranted.example.org`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_not_reached_even_where_the_manifest_names_it() {
    assert_eq!(
        refused("https://192.168.1.1/").await,
        "component `hostile` may not reach `https://192.168.1.1`: the address is private (RFC 1918)\nhint: to allow it, run `cara grant hostile https://192.168.1.1 --private`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_or_scheme_is_another_host() {
    assert_eq!(
        refused("http://rebind.example.com/").await,
        "component `hostile` may not reach `http://rebind.example.com`\nhint: only a new version, signed with another manifest, can ask for more"
    );
    assert_eq!(
        refused("https://rebind.example.com:8443/").await,
        "component `hostile` may not reach `https://rebind.example.com:8443`\nhint: only a new version, signed with another manifest, can ask for more"
    );
    assert_eq!(
        refused("http://127.0.0.1:9/").await,
        "component `hostile` may not reach `http://127.0.0.1:9`\nhint: only a new version, signed with another manifest, can ask for more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_the_manifest_does_not_name_is_refused() {
    let attack = Attack::new().await;
    let refusal = refusal(&attack, json!({ "url": attack.upstream.url(), "method": "DELETE" })).await;
    assert_eq!(
        refusal,
        "component `hostile` may not `DELETE` `http://<upstream>/`\nhint: its manifest asks for `GET|POST http://<upstream> below /`"
    );
    assert!(attack.upstream.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_resolves_to_a_private_address_is_not_reached() {
    for address in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"] {
        let attack = Attack::new().await;
        attack.testbed.names.set("inside.example.net", &[&[address]]);
        let refusal = refusal(&attack, json!({ "url": "https://inside.example.net/" })).await;
        let begin = format!(
            "component `hostile` may not reach `https://inside.example.net`: it resolves to `{address}`, which is "
        );
        assert!(refusal.starts_with(&begin), "{refusal}");
        assert!(dialed(&attack).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_private_address_among_public_ones_refuses_the_name() {
    let attack = Attack::new().await;
    attack.testbed.names.set("mixed.example.net", &[&["93.184.215.14", "10.0.0.1"]]);
    let refusal = refusal(&attack, json!({ "url": "https://mixed.example.net/" })).await;
    assert!(refusal.contains("it resolves to `10.0.0.1`, which is private (RFC 1918)"), "{refusal}");
    assert!(dialed(&attack).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_rebinds_is_dialed_only_at_the_address_that_was_judged() {
    let attack = Attack::new().await;
    attack.testbed.names.set("rebind.example.com", &[&["93.184.215.14"], &["127.0.0.1"]]);
    let subject = attack.load();
    let told = subject.tool("request", json!({ "url": "https://rebind.example.com/" })).await.unwrap();
    // No TLS server is there to answer; what counts is where the connection went.
    assert!(told.answer.is_err());
    assert_eq!(dialed(&attack), ["93.184.215.14:443"]);
    let told = subject.tool("request", json!({ "url": "https://rebind.example.com/" })).await.unwrap();
    assert!(told.refusal().contains("it resolves to `127.0.0.1`, which is loopback"), "{told:?}");
    assert_eq!(dialed(&attack).len(), 1, "the second answer was judged again, and not dialed");
    subject.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_given_to_the_guest_and_not_followed() {
    let mut attack = Attack::new().await;
    let inside = "http://169.254.169.254/latest/";
    attack.upstream = Upstream::start(move |_| Reply::ok("").status(302).header("location", inside)).await;
    let told = attack.load().tool("request", json!({ "url": attack.upstream.url() })).await.unwrap();
    assert_eq!(told.text(), r#"{"body":"location: http://169.254.169.254/latest/\n","status":302}"#);
    assert_eq!(dialed(&attack).len(), 1);
}
