//! `cara trust`: identities beside keys, and whose certificates count.

use super::home::Home;
use super::wasm::package;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const WORKFLOW: &str = "https://github.com/acme/watch/.github/workflows/release.yml@refs/tags/*";

#[test]
fn an_identity_is_trusted_listed_and_removed() {
    let home = Home::new();
    let told = home.notes(&["trust", "add", "acme", "--identity", WORKFLOW, "--issuer", ISSUER, "--may", "wat*"]);
    assert!(told.contains("may sign wat*") && told.contains("`cara trust root public-good`"), "{told}");
    let listed = home.json(&["trust", "list", "--json"]);
    assert_eq!((&listed["identities"][0]["identity"], &listed["root"]), (&WORKFLOW.into(), &false.into()));
    home.ok(&["trust", "root", "public-good"]);
    assert_eq!(home.json(&["trust", "list", "--json"])["root"], true);
    assert!(!home.notes(&["trust", "list"]).contains("no certificate counts"));
    super::home::fits_a_terminal(&home.ok(&["trust", "list"]));
    for (name, told) in [("acme", "is somebody else's name already"), ("аcme", "looks like `acme`")] {
        let identity = ["trust", "add", name, "--identity", "a@example.com", "--issuer", ISSUER, "--may", "*"];
        let refused = home.fails(&identity);
        assert!(refused.contains(told), "{refused}");
    }
    home.ok(&["trust", "remove", "acme"]);
    home.ok(&["trust", "root", "--remove"]);
    let listed = home.json(&["trust", "list", "--json"]);
    assert_eq!((listed["identities"].as_array().unwrap().len(), &listed["root"]), (0, &false.into()));
}

#[test]
fn who_is_trusted_already_may_be_let_sign_more_under_the_same_name_only() {
    let home = Home::new();
    let (_, public) = home.keygen("acme");
    let identity = ["--identity", WORKFLOW, "--issuer", ISSUER];
    for may in ["watch", "clock", "clock"] {
        home.ok(&["trust", "add", "acme", &public, "--may", may]);
        home.ok(&[&["trust", "add", "releases"], &identity[..], &["--may", may]].concat());
    }
    let listed = home.json(&["trust", "list", "--json"]);
    let both = serde_json::json!(["watch", "clock"]);
    assert_eq!((&listed["keys"][0]["may"], &listed["identities"][0]["may"]), (&both, &both));
    let refused = home.fails(&["trust", "add", "other", &public, "--may", "*"]);
    assert!(refused.contains("as `acme`") && refused.contains("cara trust add 'acme' KEYFILE"), "{refused}");
    let refused = home.fails(&[&["trust", "add", "other"], &identity[..], &["--may", "*"]].concat());
    assert!(refused.contains("as `releases`") && refused.contains("cara trust add 'releases'"), "{refused}");
    assert_eq!(home.json(&["trust", "list", "--json"]), listed);
}

#[test]
fn what_names_nobody_or_everybody_is_refused() {
    let home = Home::new();
    for (identity, issuer, told) in [
        ("*", ISSUER, "`*`"),
        ("https://github.com/acme/*", ISSUER, "https://github.com/acme/*"),
        ("a@example.com", "example.com", "example.com"),
    ] {
        let refused = home.fails(&["trust", "add", "acme", "--identity", identity, "--issuer", issuer, "--may", "*"]);
        assert!(refused.contains(told) && refused.contains("hint:"), "{refused}");
    }
    let file = home.path("root.json");
    std::fs::write(&file, "{}").unwrap();
    let refused = home.fails(&["trust", "root", file.to_str().unwrap()]);
    assert!(refused.contains("is no trust root"), "{refused}");
    assert_eq!(home.json(&["trust", "list", "--json"])["root"], false);
}

#[test]
fn signing_without_a_key_says_what_it_needs() {
    let home = Home::new();
    let file = home.path("time.wasm");
    std::fs::write(&file, package("time", &[])).unwrap();
    let file = file.to_str().unwrap();
    let refused = home.fails(&["plugin", "sign", file, "--keyless"]);
    assert!(refused.contains("hint: `cara trust root public-good`"), "{refused}");
    home.ok(&["trust", "root", "public-good"]);
    let refused = home.fails(&["plugin", "sign", file, "--keyless"]);
    assert!(refused.contains("SIGSTORE_ID_TOKEN"), "{refused}");
    let token = home.path("token");
    std::fs::write(&token, "no token").unwrap();
    let more = ["--token", token.to_str().unwrap()];
    let refused = home.fails(&[&["plugin", "sign", file, "--keyless"][..], &more].concat());
    assert!(refused.contains("token") && refused.contains("hint:"), "{refused}");
    let refused =
        home.fails(&[&["plugin", "sign", file, "--keyless", "--log", "http://127.0.0.1"][..], &more].concat());
    assert!(refused.contains("http://127.0.0.1"), "{refused}");
    assert!(!home.path("time.wasm.sigstore.json").exists());
}

/// A script that asks the clock, waits for a person, and asks the clock again.
const TWICE: &str = r#"
[[turn]]
step = [{ tool-call = { name = "time_now", arguments = { zone = "Europe/Oslo" } } }]
[[turn]]
expect-tool-result = "Europe/Oslo"
step = [{ tool-call = { name = "memory_write", arguments = { key = "seat", value = "window" } } }]
[[turn]]
step = [{ tool-call = { name = "time_now", arguments = { zone = "Europe/Oslo" } } }]
[[turn]]
expect-tool-result = "there is no tool `time_now`"
step = [{ text = "No clock any more." }]
"#;

fn problem(home: &Home, id: &str) -> Option<String> {
    let rows = home.json(&["plugin", "list", "--json"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    row["problem"].as_str().map(str::to_owned)
}

#[test]
fn a_built_in_component_that_is_revoked_is_refused_at_the_next_call_and_nothing_else_is() {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    let digest = home.json(&["plugin", "inspect", "time", "--json"])["digest"].as_str().unwrap().to_owned();
    // In a process that runs already.
    let talking = home.begin_chat(TWICE, "what time is it?", &[]);
    let asked = home.waiting();
    home.ok(&["trust", "revoke", &digest]);
    home.ok(&["approvals", "allow", asked["id"].as_str().unwrap()]);
    assert_eq!(super::home::said(&talking.end()), "No clock any more.");
    // In every one after it.
    let listed = home.ok(&["tools", "list"]);
    assert!(!listed.contains("time_now") && listed.contains("memory_write"), "{listed}");
    assert!(problem(&home, "time").unwrap().contains("was revoked"));
    assert!(home.fails(&["plugin", "inspect", "time"]).contains("was revoked"));
    assert_eq!(problem(&home, "memory"), None);
    assert_eq!(home.json(&["trust", "list", "--json"])["revoked"][0].as_str(), Some(digest.as_str()));
}

#[test]
fn the_key_of_what_is_built_in_can_be_revoked_and_every_command_still_works() {
    let home = Home::new();
    let key = home.json(&["plugin", "inspect", "time", "--json"])["key"].as_str().unwrap().to_owned();
    home.ok(&["trust", "revoke", &key]);
    for command in [
        &["trust", "list"][..],
        &["plugin", "list"],
        &["tools", "list"],
        &["sessions", "list"],
        &["grants"],
        &["audit", "verify"],
        &["secrets", "list"],
        &["policy", "show"],
    ] {
        home.ok(command);
    }
    for id in ["time", "memory", "rehearsal"] {
        assert!(problem(&home, id).unwrap().contains("was revoked"), "{id}");
    }
    assert_eq!(home.json(&["tools", "list", "--json"]).as_array().unwrap().len(), 0);
    let script = home.write("script.toml", super::home::HELLO.as_bytes());
    let refused = home.fails(&["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"]);
    assert!(refused.contains("was revoked"), "{refused}");
}

#[test]
fn a_key_is_revoked_by_the_digits_that_a_list_shows() {
    let home = Home::new();
    let file = home.path("acme.pem");
    home.ok(&["plugin", "keygen", "acme", "--file", file.to_str().unwrap(), "--trust", "acme-*"]);
    let id = home.json(&["trust", "list", "--json"])["keys"][0]["key"].as_str().unwrap().to_owned();
    assert!(home.ok(&["trust", "list"]).contains(&format!(" {} ", &id[..16])), "{id}");
    assert!(home.fails(&["trust", "revoke", "0000000000000000"]).contains("hint: write all 64 digits of the id"));
    assert!(home.notes(&["trust", "revoke", &id[..16]]).contains(&format!("revoked {id}")));
    assert_eq!(home.json(&["trust", "list", "--json"])["revoked"][0].as_str(), Some(&*id));
    // What is built in is signed by a key that no list of trust has.
    let built_in = home.json(&["plugin", "inspect", "time", "--json"])["key"].as_str().unwrap().to_owned();
    home.ok(&["trust", "revoke", &built_in[..16]]);
    assert!(problem(&home, "time").unwrap().contains("was revoked"));
}

#[test]
fn the_key_of_what_is_built_in_may_be_trusted_for_more() {
    let home = Home::new();
    let key = home.json(&["plugin", "inspect", "time", "--json"])["key"].as_str().unwrap().to_owned();
    let file = home.write("cara.pub", cara_bundle::public_key().as_bytes());
    home.ok(&["trust", "add", "cara-people", &file, "--may", "watch"]);
    assert_eq!(problem(&home, "time"), None);
    assert_eq!(home.json(&["trust", "list", "--json"])["keys"][0]["key"].as_str(), Some(key.as_str()));
}
