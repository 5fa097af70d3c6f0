//! The vault and the keys of a home: first starts at once, loss and damage,
//! machines without a keystore.

use super::doors::Holder;
use super::home::{HELLO, Home, text};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

/// What the vaults are made with.
const PASSWORD: &str = "correct horse";

/// Runs a command with a password in the environment, and with something on stdin.
fn run(home: &Home, password: Option<&str>, stdin: &str, arguments: &[&str]) -> Output {
    let mut command = home.command(arguments);
    command.stdin(Stdio::piped()).envs(password.map(|password| ("CARA_VAULT_PASSWORD", password)));
    let mut child = command.spawn().unwrap();
    // One that ends before it reads is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn ok(home: &Home, password: Option<&str>, stdin: &str, arguments: &[&str]) -> String {
    let output = run(home, password, stdin, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn fails(home: &Home, password: Option<&str>, arguments: &[&str]) -> String {
    let output = run(home, password, "", arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

/// A home with a conversation, a stored secret and a signing key: `sealed` has the key of the conversations in the vault, `open` in a file.
fn used(place: &str, words: &str) -> Home {
    let home = Home::new();
    home.chat(HELLO, words, &[]);
    ok(&home, Some(PASSWORD), "sk-a-stored-key", &["secrets", "set", "openai"]);
    ok(&home, Some(PASSWORD), "", &["plugin", "keygen", "me"]);
    if place == "sealed" {
        ok(&home, Some(PASSWORD), "", &["secrets", "seal"]);
    }
    home
}

fn sealed() -> Home {
    used("sealed", "remember the tulips")
}

fn open() -> Home {
    used("open", "remember the daffodils")
}

/// All that is in the folder of keys and in that of the vault.
fn files(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let folders = ["keys", "vault"].map(|folder| fs::read_dir(home.path(folder)).into_iter().flatten());
    let mut files: Vec<_> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.ends_with("vault.lock"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Fifty processes that each need the key of the conversations, ten of which hold one.
fn start_at_once(home: &Home) {
    let script = home.path("script.toml");
    fs::write(&script, HELLO).unwrap();
    let chat = ["chat", "--model", "rehearsal:script", "--script", script.to_str().unwrap(), "--message"];
    let start = |at: usize| -> Child {
        let message = format!("conversation {at}");
        let chat = [&chat[..], &[&message]].concat();
        let arguments = if at.is_multiple_of(5) { chat.as_slice() } else { &["sessions", "list"] };
        home.command(arguments).env("CARA_VAULT_PASSWORD", PASSWORD).spawn().unwrap()
    };
    let all: Vec<Child> = (0..50).map(start).collect();
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let listed = ok(home, Some(PASSWORD), "", &["sessions", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 10);
    for id in ids {
        let shown = ok(home, Some(PASSWORD), "", &["sessions", "show", id]);
        assert!(shown.contains("conversation ") && shown.contains("Hello."), "{shown}");
    }
}

#[test]
fn fifty_first_starts_at_once_end_with_one_key_and_every_conversation_is_readable() {
    start_at_once(&Home::new());
    // The same where a vault was made before the first conversation.
    let home = Home::new();
    ok(&home, Some(PASSWORD), "sk-a-stored-key", &["secrets", "set", "openai"]);
    start_at_once(&home);
}

#[track_caller]
fn is_whole(home: &Home, words: &str, key: &str) {
    let sessions = ok(home, Some(PASSWORD), "", &["sessions", "list"]);
    assert!(sessions.contains(words), "{sessions}");
    let secrets = ok(home, Some(PASSWORD), "", &["secrets", "list"]);
    assert!(secrets.contains("openai/api-key") && !secrets.contains("cara"), "{secrets}");
    let exists = fails(home, Some(PASSWORD), &["secrets", "remove", "anthropic"]);
    assert!(exists.contains("no value is stored"), "{exists}");
    assert_eq!(fs::read(home.path("keys/ledger-content")).unwrap().starts_with(b"in the vault"), key == "sealed");
}

#[test]
fn keys_of_the_host_are_neither_listed_nor_named_nor_removed() {
    let home = sealed();
    is_whole(&home, "remember the tulips", "sealed");
    let before = files(&home);
    for name in ["cara-host/ledger-content", "cara/ledger-content", "cara-signing/me", "cara", "cara-host"] {
        let error = fails(&home, Some(PASSWORD), &["secrets", "remove", "--yes", name]);
        assert!(error.contains("names keys of cara itself"), "{error}");
        assert_eq!(files(&home), before);
    }
    // What is a component's own is lost only by a word.
    let error = fails(&home, Some(PASSWORD), &["secrets", "remove", "openai"]);
    assert!(error.contains("would be lost") && error.contains("hint: `--yes`"), "{error}");
    ok(&home, Some(PASSWORD), "", &["secrets", "remove", "openai", "--yes"]);
    assert!(!ok(&home, None, "", &["secrets", "list"]).contains("openai"));
    assert!(ok(&home, Some(PASSWORD), "", &["sessions", "list"]).contains("remember the tulips"));
}

#[test]
fn a_start_that_fails_writes_nothing_and_a_vault_that_is_put_back_is_read() {
    let home = sealed();
    let away = |name: &str| fs::rename(home.path(&format!("vault/{name}")), home.path(name)).unwrap();
    let back = |name: &str| fs::rename(home.path(name), home.path(&format!("vault/{name}"))).unwrap();
    away("vault.json");
    let before = files(&home);
    let error = fails(&home, Some(PASSWORD), &["sessions", "list"]);
    assert!(error.contains("back from your backup") && error.contains("conversation"), "{error}");
    assert_eq!(files(&home), before);
    back("vault.json");
    is_whole(&home, "remember the tulips", "sealed");
}

#[test]
fn a_damaged_or_lost_key_says_what_is_lost_and_is_never_made_anew() {
    for name in ["audit", "ledger-content"] {
        let home = open();
        let path = home.path(&format!("keys/{name}"));
        let good = fs::read(&path).unwrap();
        for bad in [Some(&good[..16]), None] {
            match bad {
                Some(bytes) => cara_services::files::write_private_atomic(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let before = files(&home);
            let error = fails(&home, None, &["sessions", "list"]);
            assert!(
                error.contains("hint: put the file back from your backup") && error.contains("without it"),
                "{error}"
            );
            assert!(error.contains("conversation"), "{error}");
            assert_eq!(files(&home), before);
        }
        cara_services::files::write_private_atomic(&path, &good).unwrap();
        assert!(ok(&home, None, "", &["sessions", "list"]).contains("remember the daffodils"));
    }
}

#[test]
fn a_password_of_the_vault_has_8_characters_wherever_it_comes_from() {
    let home = Home::new();
    let output = run(&home, Some("x"), "sk-a-stored-key", &["secrets", "set", "openai"]);
    assert!(text(&output.stderr).contains("has at least 8 characters"), "{}", text(&output.stderr));
    assert!(!home.path("vault/vault.json").exists());
    ok(&home, Some(PASSWORD), "sk-a-stored-key", &["secrets", "set", "openai"]);
    let before = files(&home);
    let mut command = home.command(&["secrets", "rotate-password"]);
    command.env("CARA_VAULT_PASSWORD", PASSWORD).env("CARA_VAULT_NEW_PASSWORD", "x");
    let output = command.output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("has at least 8 characters"));
    assert_eq!(files(&home), before);
}

#[test]
fn a_machine_without_a_keystore_is_told_once_and_a_chat_never_needs_the_vault() {
    let home = Home::new();
    fs::write(home.path("config.toml"), "").unwrap();
    home.chat(HELLO, "before there is a vault", &[]);
    let told = run(&home, None, "sk-a-stored-key", &["secrets", "set", "openai"]);
    let told = text(&told.stderr);
    for cure in ["`CARA_VAULT_PASSWORD`", "`CARA_VAULT_PASSWORD_FILE`", "`--plain-key-file`", "at least 8 characters"] {
        assert!(told.contains(cure), "{told}");
    }
    assert!(!home.path("vault").exists());
    ok(&home, None, "sk-a-stored-key", &["secrets", "set", "openai", "--plain-key-file"]);
    // From here on nothing is said and nothing is set.
    ok(&home, None, "sk-another-key", &["secrets", "set", "anthropic"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(home.path("keys/vault")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    // Another machine, with a file for the password.
    let home = Home::new();
    cara_services::files::write_private_atomic(&home.path("password"), b"correct horse\n").unwrap();
    fs::write(home.path("config.toml"), format!("[vault]\npassword-file = \"{}\"\n", home.path("password").display()))
        .unwrap();
    ok(&home, None, "sk-a-stored-key", &["secrets", "set", "openai"]);
    ok(&home, None, "sk-another-key", &["secrets", "set", "anthropic"]);
    // With nobody to type and nothing set, a chat with another model does without the vault.
    fs::write(home.path("config.toml"), "# nothing\n").unwrap();
    home.chat(HELLO, "while the vault is locked", &[]);
    assert!(ok(&home, None, "", &["secrets", "list"]).contains("openai/api-key"));
    let locked = run(&home, None, "sk-third", &["secrets", "set", "openai"]);
    assert!(text(&locked.stderr).contains("is locked: there is no terminal"), "{}", text(&locked.stderr));
}

#[test]
fn a_daemon_says_that_its_vault_is_locked_and_a_word_opens_it() {
    let home = open();
    let _holder = Holder::of(&home);
    let status = || ok(&home, None, "", &["status"]);
    assert!(status().contains("locked; `cara secrets unlock` opens it"), "{}", status());
    assert!(fails(&home, None, &["secrets", "unlock"]).contains("is locked"));
    ok(&home, Some(PASSWORD), "", &["secrets", "unlock"]);
    assert!(!status().contains("locked"), "{}", status());
}

#[test]
fn the_key_of_the_conversations_is_sealed_and_unsealed_by_a_word() {
    let home = open();
    ok(&home, Some(PASSWORD), "", &["secrets", "seal"]);
    assert_eq!(fs::read(home.path("keys/ledger-content")).unwrap(), b"in the vault\n");
    assert!(fails(&home, None, &["sessions", "list"]).contains("is locked"));
    is_whole(&home, "remember the daffodils", "sealed");
    ok(&home, Some(PASSWORD), "", &["secrets", "unseal"]);
    assert!(ok(&home, None, "", &["sessions", "list"]).contains("remember the daffodils"));
}
