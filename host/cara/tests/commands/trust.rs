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
