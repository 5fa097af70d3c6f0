//! `cara people` and `cara memory`.

use crate::home::{Home, REMEMBER, text};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// A home in which something is remembered about its owner.
fn remembering() -> Home {
    let home = Home::new();
    home.configure("[[policy.rule]]\ntool = \"memory_write\"\nthen = \"allow\"");
    home.chat(REMEMBER, "I like the window seat", &["--tool", "memory"]);
    home
}

#[test]
fn people_are_added_linked_changed_and_shown() {
    let home = Home::new();
    home.chat(crate::home::HELLO, "hi", &[]);
    assert!(home.notes(&["people", "list"]).contains("nobody else is known"));
    let told = home.notes(&["people", "name", "anna", "Anna Berg"]);
    assert!(told.contains("`anna` is Anna Berg, a guest; `cara people link anna ADDRESS`"), "{told}");
    let told = home.notes(&["people", "link", "anna", "chat:main:4711"]);
    assert!(told.contains("who writes from `chat:main:4711` is `anna` (Anna Berg), a guest"), "{told}");
    // What is left out stays.
    home.ok(&["people", "name", "anna", "--role", "member"]);
    let anna = home.json(&["people", "show", "anna", "--json"]);
    assert_eq!((anna["name"].as_str(), anna["role"].as_str()), (Some("Anna Berg"), Some("member")));
    assert_eq!(anna["addresses"][0], "chat:main:4711");
    home.ok(&["people", "link", "owner", "chat:main:1"]);
    let table = home.ok(&["people", "list"]);
    assert!(table.starts_with("ID ") && table.contains("chat:main:4711") && table.contains("local:owner"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let told = home.notes(&["people", "unlink", "chat:main:4711"]);
    assert!(told.contains("not an address of `anna` any more"), "{told}");
    for (refused, cure) in [
        (&["people", "show", "ana"][..], "hint: `anna`, if you mean that one"),
        (&["people", "name", "Anna"], "hint: use 1 to 63 lower-case letters"),
        (&["people", "name", "ben", "a\nb"], "hint: write one line"),
        (&["people", "name", "owner", "--role", "guest"], "hint: leave `--role` out"),
        (&["people", "link", "anna", "chat:main:1"], "hint: `cara people unlink chat:main:1`"),
        (&["people", "link", "anna", "4711"], "hint: write `channel:account:id`"),
        (&["people", "link", "nobody", "chat:main:2"], "hint: `cara people list`"),
        (&["people", "unlink", "chat:main:9"], "hint: `cara people list`"),
        (&["people", "forget", "owner", "--yes"], "hint: `cara sessions delete`"),
        (&["people", "forget", "nobody", "--yes"], "hint: `cara people list`"),
    ] {
        let told = home.fails(refused);
        assert!(told.contains(cure), "{refused:?}: {told}");
    }
}

#[test]
fn what_is_kept_about_somebody_is_given_out_whole_and_replaces_nothing_unasked() {
    let home = remembering();
    let file = home.path("mine.json");
    let name = file.to_str().unwrap();
    home.ok(&["people", "export", "owner", name]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let document: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&document["form"], &document["person"]["role"]), (&"cara-person-1".into(), &"owner".into()));
    assert_eq!(document["sessions"][0]["messages"][0]["parts"][0]["text"], "I like the window seat");
    assert_eq!(document["sessions"][0]["calls"][0]["tool"], "memory_write");
    assert_eq!(document["memory"][0]["origin"]["component"], "memory");
    assert!(!document["usage"].as_array().unwrap().is_empty());
    assert!(home.fails(&["people", "export", "owner", name]).contains("add `--force`"));
    fs::write(&file, "old").unwrap();
    home.ok(&["people", "export", "owner", name, "--force"]);
    assert!(fs::read_to_string(&file).unwrap().contains("cara-person-1"));
    for full in
        [&["people", "export", "owner", "/dev/full"][..], &["people", "export", "owner", "/dev/full", "--force"]]
    {
        assert!(home.fails(full).contains("`/dev/full` is no file that could be replaced"));
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command(&["people", "export", "owner"]).stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn somebody_is_forgotten_only_by_who_says_so() {
    let home = Home::new();
    home.ok(&["people", "name", "gus"]);
    home.ok(&["people", "link", "gus", "chat:main:gus"]);
    let refused = home.fails(&["people", "forget", "gus"]);
    assert!(
        refused.contains("kept about `gus` (gus): nothing") && refused.contains("hint: to forget them"),
        "{refused}"
    );
    let told = home.notes(&["people", "forget", "gus", "--yes"]);
    assert!(told.contains("forgot `gus`"), "{told}");
    assert_eq!(home.json(&["people", "list", "--json"]).as_array().unwrap().len(), 1);
    let events = home.json(&["audit", "show", "--json"]).to_string();
    assert!(events.contains("person-forgotten") && !events.contains("chat:main:gus"), "{events}");
}

#[test]
fn memory_says_what_is_remembered_and_where_it_came_from() {
    let home = remembering();
    let session = home.session();
    let listed = home.json(&["memory", "list", "--json"]);
    let key = listed[0]["key"].as_str().unwrap();
    let origin = &listed[0]["origin"];
    assert_eq!((origin["session"].as_str(), origin["speaker"].as_str()), (Some(session.as_str()), Some("local:owner")));
    let table = home.ok(&["memory", "list"]);
    assert!(table.contains(&session) && table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let shown = home.ok(&["memory", "show", key]);
    assert!(shown.contains("component    memory\n") && shown.contains(&session), "{shown}");
    assert_eq!(home.json(&["memory", "search", "window", "--json"]).as_array().unwrap().len(), 1);
    assert!(home.notes(&["memory", "search", "aisle"]).contains("no entry has all these words"));
    assert!(home.fails(&["memory", "show", "no such key"]).contains("hint: `cara memory list`"));
    assert!(home.fails(&["memory", "forget", key]).contains("add `--yes`"));
    home.ok(&["people", "name", "anna"]);
    assert!(home.notes(&["memory", "list", "--person", "anna"]).contains("nothing is remembered"));
    assert!(
        home.fails(&["memory", "forget", key, "--person", "anna", "--yes"]).contains("nothing is remembered under")
    );
    home.ok(&["memory", "forget", key, "--yes"]);
    assert!(home.notes(&["memory", "list"]).contains("nothing is remembered"));
}
