//! What lacks, is damaged or looks like something else is said, each with what
//! to do about it.

use super::home::{HELLO, Home};
use super::watch::watch;
use std::fs;

#[test]
fn a_search_without_an_index_says_how_to_name_one() {
    let told = Home::new().fails(&["plugin", "search", "clock"]);
    assert!(told.contains("no index is named") && told.contains("hint: `--index REF`"), "{told}");
    assert!(told.contains("CARA_PLUGIN_INDEX"), "{told}");
}

#[test]
fn a_project_is_not_named_like_what_is_built_in() {
    let home = Home::new();
    let make = |name: &str| home.command(&["plugin", "new", "tool", name]).current_dir(home.path("")).output().unwrap();
    let refused = make("opena1");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("looks like `openai`") && told.contains("hint: "), "{told}");
    assert!(!home.path("opena1").exists());
    let made = make("time");
    let told = String::from_utf8(made.stderr).unwrap();
    assert!(
        made.status.success() && told.contains("`time` is built in: once installed, yours takes its place"),
        "{told}"
    );
}

#[test]
fn a_damaged_component_is_said_in_a_conversation() {
    let (home, key) = Home::trusting();
    let file = home.signed("watch.wasm", &watch("1.0.0", &[]), &key);
    home.ok(&["plugin", "install", &file, "--yes"]);
    let digest = home.json(&["plugin", "list", "--json"]);
    let row = digest.as_array().unwrap().iter().find(|row| row["id"] == "watch").unwrap();
    let hex = row["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let stored = home.path("packages").join(format!("{hex}.wasm"));
    assert!(stored.exists(), "{row}");
    fs::write(stored, b"damaged").unwrap();
    let script = home.script(HELLO);
    let told = home.notes(&["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"]);
    assert!(told.contains("`watch` is left out: "), "{told}");
}

#[cfg(unix)]
#[test]
fn a_cache_that_cannot_be_written_is_said_once() {
    let home = Home::new();
    fs::remove_dir_all(home.path("cache")).unwrap();
    fs::write(home.path("cache"), b"in the way").unwrap();
    let script = home.script(HELLO);
    let told = home.notes(&["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"]);
    assert_eq!(told.matches("compiled code cannot be kept").count(), 1, "{told}");
}

#[test]
fn a_key_that_a_tool_needs_and_has_not_is_named_when_it_is_switched_on() {
    let told = Home::new().notes(&["tools", "enable", "search"]);
    assert!(
        told.contains("no key of `search` is stored") && told.contains("`cara secrets set search/brave-key`"),
        "{told}"
    );
}
