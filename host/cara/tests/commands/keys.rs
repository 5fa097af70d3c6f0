//! Keys that are made here: printed again, trusted at once or later by name.

use super::home::{Home, text};
use std::process::Output;

const PASSWORD: &str = "correct horse battery";

impl Home {
    /// Runs it with the password of the vault.
    fn opened(&self, arguments: &[&str]) -> Output {
        self.command(arguments).env("CARA_VAULT_PASSWORD", PASSWORD).output().unwrap()
    }

    #[track_caller]
    fn opened_ok(&self, arguments: &[&str]) -> String {
        let output = self.opened(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn a_public_key_is_printed_again_by_a_second_keygen_and_nothing_is_lost() {
    let home = Home::new();
    let public = home.opened_ok(&["plugin", "keygen", "me"]);
    assert_eq!(home.opened_ok(&["plugin", "pubkey", "me"]), public);
    // As `cara plugin keygen me > me.pub` once more: the shell has emptied the file.
    let second = home.opened(&["plugin", "keygen", "me"]);
    assert_eq!((second.status.code(), text(&second.stdout)), (Some(0), public));
    let told = text(&second.stderr);
    assert!(told.contains("there was a key `me` already: this is its public part"), "{told}");
    let file = home.path("me.pem").to_str().unwrap().to_owned();
    let first = home.opened_ok(&["plugin", "keygen", "me", "--file", &file]);
    assert_eq!(home.opened_ok(&["plugin", "keygen", "me", "--file", &file]), first);
    let other = home.write("other.pem", b"no key");
    let told = home.opened(&["plugin", "keygen", "me", "--file", &other]);
    assert!(text(&told.stderr).contains("is there already, and is no key"), "{}", text(&told.stderr));
    let none = home.opened(&["plugin", "pubkey", "you"]);
    assert!(text(&none.stderr).contains("hint: `cara plugin keygen you` makes one"));
}

#[test]
fn a_key_made_here_is_trusted_at_once_or_by_its_name() {
    let home = Home::new();
    home.opened_ok(&["plugin", "keygen", "me", "--trust", "watch", "--trust", "my-*"]);
    let listed = home.json(&["trust", "list", "--json"]);
    assert_eq!(
        (&listed["keys"][0]["name"], &listed["keys"][0]["may"]),
        (&"me".into(), &serde_json::json!(["watch", "my-*"]))
    );
    home.opened_ok(&["plugin", "keygen", "mine"]);
    home.opened_ok(&["trust", "add", "mine", "--may", "clock"]);
    let listed = home.json(&["trust", "list", "--json"]);
    assert_eq!(listed["keys"][1]["name"], "mine");
    let nobody = home.opened(&["trust", "add", "nobody", "--may", "*"]);
    assert!(text(&nobody.stderr).contains("there is no key `nobody`"), "{}", text(&nobody.stderr));
    // A pattern that is none makes no key.
    assert_eq!(home.opened(&["plugin", "keygen", "other", "--trust", "A b"]).status.code(), Some(1));
    assert_eq!(home.opened(&["plugin", "pubkey", "other"]).status.code(), Some(1));
}
