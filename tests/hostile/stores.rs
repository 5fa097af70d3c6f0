//! Attacks on what is kept: others' state, settings and secrets.

use cara_authority::{Label, PersonId, Source};
use cara_harness::{Attack, Canary, Subject, component_of, manifest_of};
use cara_kernel::Labels;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// A turn that has seen something before the call, and remembers what the call reads.
struct Turn(Label, Mutex<Label>, PersonId);

impl Default for Turn {
    fn default() -> Self {
        Self(Label::NONE, Mutex::default(), PersonId::owner())
    }
}

impl Labels for Turn {
    fn person(&self) -> &PersonId {
        &self.2
    }

    fn label(&self) -> Label {
        self.0.clone()
    }

    fn saw(&self, label: &Label) {
        let mut seen = self.1.lock().unwrap();
        *seen = seen.join(label);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_put_into_state_after_a_page_comes_back_with_the_pages_label() {
    let attack = Attack::new().await;
    let mut subject = attack.load();
    let (clean, tainted) = (Label::of(Source::Owner), Label::of(Source::Web).private());
    for (key, label) in [("clean", clean.clone()), ("tainted", tainted.clone())] {
        subject.services.host_services.labels = Some(Arc::new(Turn(label, Mutex::default(), PersonId::owner())));
        subject.tool("write_state", json!({ "key": key, "value": "x" })).await.unwrap();
    }
    // Keys are words too: who lists them has seen what each was written after.
    let reader = Arc::new(Turn::default());
    subject.services.host_services.labels = Some(reader.clone());
    subject.tool("read_state", json!({ "key": "nothing" })).await.unwrap();
    assert_eq!(*reader.1.lock().unwrap(), clean.join(&tainted));
    // Outside a turn nobody knows what was seen.
    let mut other = attack.load();
    other.tool("write_state", json!({ "key": "clean", "value": "y" })).await.unwrap();
    let reader = Arc::new(Turn::default());
    other.services.host_services.labels = Some(reader.clone());
    other.tool("read_state", json!({ "key": "clean" })).await.unwrap();
    assert!(reader.1.lock().unwrap().includes(&Label::UNKNOWN));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_told_a_component_is_not_there_when_another_calls_it() {
    let attack = Attack::new().await;
    let mut subject = attack.load();
    for (person, seen) in [("anna", true), ("ben", false), ("group:1", false), ("local:owner", false), ("anna", true)] {
        let turn = Turn(Label::NONE, Mutex::default(), PersonId::parse(person).unwrap());
        subject.services.host_services.labels = Some(Arc::new(turn));
        if person == "anna" {
            subject.tool("write_state", json!({ "key": "diary", "value": "anna's" })).await.unwrap();
        }
        for key in ["diary", "anna\0diary", "\u{ff}anna\0diary"] {
            let told = subject.tool("read_state", json!({ "key": key })).await.unwrap();
            assert_eq!(told.text().contains("diary"), seen, "{person} {key}: {}", told.text());
        }
    }
}

/// The same code under another id, which keeps something.
async fn victim(attack: &Attack) -> Subject {
    let manifest = manifest_of("hostile").replace("id = \"hostile\"", "id = \"victim\"");
    attack.testbed.secrets.set("victim", "header-key", Canary::new("victim").value());
    let victim =
        attack.testbed.package(component_of("hostile", &manifest)).setting("base-url", attack.upstream.url()).load();
    victim.tool("write_state", json!({ "key": "diary", "value": "private" })).await.unwrap();
    victim
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_another_component_cannot_be_named() {
    let attack = Attack::new().await;
    let victim = victim(&attack).await;
    let subject = attack.load();
    for key in ["diary", "victim/diary", "../victim/diary", "victim\0diary", "%"] {
        let told = subject.tool("read_state", json!({ "key": key })).await.unwrap();
        assert_eq!(told.text(), "None []", "{key}");
    }
    subject.tool("write_state", json!({ "key": "diary", "value": "forged" })).await.unwrap();
    let told = victim.tool("read_state", json!({ "key": "diary" })).await.unwrap();
    assert_eq!(told.text(), r#"Some("private") ["diary"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_was_not_granted_is_refused() {
    let attack = Attack::new().await;
    let subject = attack.guest().without("state").load();
    let told = subject.tool("read_state", json!({ "key": "diary" })).await.unwrap();
    assert!(told.answer.is_err());
    assert_eq!(
        told.refusal(),
        "component `hostile` may not keep state\nhint: to allow it, run `cara grant hostile state`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_full_at_what_the_manifest_says() {
    let attack = Attack::new().await;
    let subject = attack.load();
    let told = subject.tool("fill_state", json!({})).await.unwrap();
    // Sixteen values of 4 KiB would be 64 KiB without their keys.
    assert!(told.text().starts_with("15 Refusal::Limit("), "{told:?}");
    assert_eq!(
        told.refusal(),
        "the state of component `hostile` would be 65638 bytes, the most is 65536\nhint: delete keys it no longer needs"
    );
    subject.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_others_undeclared_and_ungranted_ones_are_refused() {
    let attack = Attack::new().await;
    let _victim = victim(&attack).await;
    let subject = attack.load();
    for (name, refusal) in [
        (
            "victim/header-key",
            "component `hostile` declares no secret `victim/header-key`\nhint: only a new version, signed with another manifest, can ask for more",
        ),
        (
            "undeclared",
            "component `hostile` declares no secret `undeclared`\nhint: only a new version, signed with another manifest, can ask for more",
        ),
        (
            "withheld-key",
            "component `hostile` may not spend secret `withheld-key`\nhint: to allow it, run `cara secrets set hostile/withheld-key`",
        ),
    ] {
        let told = subject.tool("ask_secret", json!({ "name": name })).await.unwrap();
        assert_eq!(told.refusal(), refusal);
        assert!(told.text().lines().all(|line| line.starts_with("Err(Refusal::")), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_the_manifest_does_not_declare_has_no_value() {
    let attack = Attack::new().await;
    let subject = attack.load();
    for key in ["PATH", "HOME", "base_url", "../base-url", ""] {
        let told = subject.tool("read_setting", json!({ "key": key })).await.unwrap();
        assert_eq!(told.text(), "None", "{key}");
    }
}
