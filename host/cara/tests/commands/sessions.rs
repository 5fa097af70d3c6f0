//! `cara sessions`.

use crate::home::{CLOCK, HELLO, Home, REMEMBER, said, text};
use std::fs;
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_conversation_is_listed_shown_and_renamed() {
    let home = Home::new();
    assert!(home.notes(&["sessions", "list"]).contains("no conversation is kept yet"));
    home.chat(CLOCK, "what time is it?", &[]);
    let listed = home.json(&["sessions", "list", "--json"]);
    let session = &listed[0];
    assert_eq!((listed.as_array().unwrap().len(), session["messages"].as_u64()), (1, Some(4)));
    assert_eq!((session["title"].as_str(), session["channel"].as_str()), (Some("what time is it?"), Some("console")));
    assert!(session["state"].is_null() && session["label"].as_str().unwrap().contains("owner"));
    let id = session["id"].as_str().unwrap();
    let table = home.ok(&["sessions", "list"]);
    assert!(table.starts_with("ID ") && table.contains(id) && table.contains("what time is it?"), "{table}");

    let shown = home.ok(&["sessions", "show", id]);
    for part in
        ["1  user [owner]", "calls  time_now {\"zone\":\"Europe/Oslo\"}", "result of time_now [tool]", "It is late."]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let data = home.json(&["sessions", "show", id, "--json"]);
    assert_eq!(data["messages"].as_array().unwrap().len(), 4);
    assert_eq!(
        (data["runs"][0]["state"].as_str(), data["runs"][0]["id"].as_str()),
        (Some("done"), data["messages"][0]["run"].as_str())
    );

    home.ok(&["sessions", "rename", id, "Late"]);
    assert_eq!(home.json(&["sessions", "list", "--json"])[0]["title"], "Late");
    assert!(home.fails(&["sessions", "rename", id, " "]).contains("hint: write one line"));
    assert!(home.fails(&["sessions", "show", "s-nothing"]).contains("hint: `cara sessions list`"));
    assert_eq!(home.run(&["sessions", "show", "S 1"]).status.code(), Some(2));
}

#[test]
fn a_conversation_that_is_pinned_comes_first() {
    let home = Home::new();
    home.chat(HELLO, "the first", &[]);
    let first = home.session();
    home.chat(HELLO, "the second", &[]);
    assert!(!home.ok(&["sessions", "list"]).contains("PINNED"));
    assert_eq!(home.notes(&["sessions", "pin", &first]).trim(), format!("session `{first}` is pinned"));
    let listed = home.json(&["sessions", "list", "--json"]);
    assert_eq!((listed[0]["id"].as_str(), &listed[0]["pinned"]), (Some(first.as_str()), &true.into()));
    assert_eq!(listed[1]["pinned"], false);
    assert!(home.ok(&["sessions", "list"]).lines().nth(1).unwrap().contains(" yes"));
    // The one that changed last is still the second.
    let shown = home.json(&["sessions", "show", &first, "--json"]);
    assert_eq!(shown["pinned"], true);
    home.ok(&["sessions", "unpin", &first]);
    assert_eq!(home.json(&["sessions", "list", "--json"])[1]["id"].as_str(), Some(first.as_str()));
    assert!(home.fails(&["sessions", "pin", "s-nothing"]).contains("hint: `cara sessions list`"));
}

#[test]
fn what_was_said_is_found_again() {
    let home = Home::new();
    home.chat(CLOCK, "What time is it in Málaga?", &[]);
    let id = home.session();
    home.chat(HELLO, "the weather", &[]);
    let found = home.json(&["sessions", "search", "MALAGA", "tim", "--json"]);
    let of = &found["sessions"][0];
    assert_eq!((found["sessions"].as_array().unwrap().len(), of["id"].as_str()), (1, Some(id.as_str())));
    assert_eq!((of["messages"].as_u64(), of["last"]["place"].as_u64()), (Some(1), Some(1)));
    assert!(found["stopped"].is_null() && found["looked-at"].as_u64().unwrap() > 4);
    let shown = home.ok(&["sessions", "search", "late"]);
    assert!(shown.contains(&id) && shown.contains("assistant, message 4") && shown.contains("It is late."), "{shown}");
    assert!(home.notes(&["sessions", "search", "nothing"]).contains("no message and no title"));
    assert!(home.fails(&["sessions", "search", "-", "?"]).contains("hint: write one or more words"));
}

#[test]
fn titles_and_texts_act_on_no_terminal() {
    let home = Home::new();
    home.chat(HELLO, "\u{202e}\u{9b}2Jhi", &[]);
    let id = home.session();
    for command in [
        &["sessions", "list"][..],
        &["sessions", "show", &id],
        &["sessions", "show", &id, "--json"],
        &["sessions", "export", &id],
    ] {
        let printed = home.ok(command);
        assert!(!printed.contains(['\u{202e}', '\u{9b}']), "{printed}");
    }
    let same = home.json(&["sessions", "show", &id, "--json"]);
    assert_eq!(same["messages"][0]["parts"][0]["text"], "\u{202e}\u{9b}2Jhi");
}

#[test]
fn an_export_is_private_inert_and_replaces_nothing() {
    let home = Home::new();
    home.chat(CLOCK, "what time is it?", &[]);
    let (id, file) = (home.session(), home.path("out.md"));
    let path = file.to_str().unwrap();
    home.ok(&["sessions", "export", &id, "--format", "markdown", "--output", path]);
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("## 4. assistant") && written.contains("It is late."), "{written}");
    let said = "```markdown\nIt is late.\n![pixel](https://evil.example/x.png)\n```\n";
    assert!(written.contains(said), "{written}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(home.fails(&["sessions", "export", &id, "--output", path]).contains("exists already"));
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    assert_eq!(home.json(&["sessions", "export", &id])["title"], "what time is it?");
}

#[test]
fn a_fork_has_what_was_said_up_to_a_place_and_never_half_a_call() {
    let home = Home::new();
    home.chat(CLOCK, "what time is it?", &[]);
    let id = home.session();
    let fork = home.ok(&["sessions", "fork", &id, "--upto", "3"]);
    let data = home.json(&["sessions", "show", fork.trim(), "--json"]);
    assert_eq!((data["messages"].as_array().unwrap().len(), data["parent"].as_str()), (3, Some(id.as_str())));
    let whole = home.ok(&["sessions", "fork", &id]);
    home.chat(
        "[[turn]]\nstep = []\n[[turn]]\nstep = []\n[[turn]]\nexpect = \"and now?\"\nstep = [{ text = \"Later.\" }]\n",
        "and now?",
        &["--session", whole.trim()],
    );
    let error = home.fails(&["sessions", "fork", &id, "--upto", "2"]);
    assert!(error.contains("calls tools") && error.contains("hint: fork at 1 or 3"), "{error}");
    assert!(home.fails(&["sessions", "fork", &id, "--upto", "5"]).contains("hint: it has messages 1 to 4"));
}

#[test]
fn nothing_is_deleted_without_a_yes() {
    let home = Home::new();
    home.chat(HELLO, "hi", &[]);
    let id = home.session();
    let error = home.fails(&["sessions", "delete", &id]);
    assert!(error.contains("no terminal to ask on") && error.contains("`--yes`"), "{error}");
    assert_eq!(home.session(), id);
    home.ok(&["sessions", "delete", &id, "--yes"]);
    assert_eq!(home.json(&["sessions", "list", "--json"]).as_array().unwrap().len(), 0);
    assert!(home.fails(&["sessions", "delete", &id, "--yes"]).contains("there is no session"));
    assert_eq!(home.json(&["usage", "--by", "session", "--json"])["used"][0]["group"], "(deleted)");
}

#[test]
fn a_run_whose_process_died_is_interrupted_and_one_that_lives_is_not_deleted() {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    let talking = home.begin_chat(REMEMBER, "I like the window seat", &[]);
    let asked = home.waiting();
    let state = || home.json(&["sessions", "list", "--json"])[0]["state"].clone();
    assert_eq!(state(), "running");
    assert!(home.fails(&["sessions", "delete", &home.session(), "--yes"]).contains("a run goes on in session"));
    talking.kill();
    assert_eq!(state(), "interrupted");
    assert_eq!(home.json(&["explain", "last", "--json"])["state"], "interrupted");
    let waiting = home.json(&["approvals", "list", "--json"]);
    assert_eq!((&waiting[0]["id"], waiting[0]["run-is-alive"].as_bool()), (&asked["id"], Some(false)));
    home.ok(&["sessions", "delete", &home.session(), "--yes"]);
}

/// What every way out of an answer once changed: HTML, generics, an image in a fence.
const MARKUP: &str = "<!doctype html>\n<p>Vec<String></p>\n```md\n![a](b) Vec<String>\n```\n[x]: https://x.example";

#[test]
fn an_answer_is_data_wherever_no_terminal_renders_it() {
    let home = Home::new();
    let script = format!("[[turn]]\nstep = [{{ text = {} }}]\n", serde_json::to_string(MARKUP).unwrap());
    assert_eq!(said(&home.chat(&script, "a page, please", &[])), MARKUP);
    let file = home.script(&script);
    let chat = ["chat", "--model", "rehearsal:script", "--script", &file, "--message", "again"];
    assert_eq!(home.ok(&chat), format!("{MARKUP}\n"));
    let id = home.session();
    for shown in [home.json(&["sessions", "show", &id, "--json"]), home.json(&["sessions", "export", &id])] {
        assert_eq!(shown["messages"][1]["parts"][0]["text"], MARKUP);
    }
    let markdown = home.ok(&["sessions", "export", &id, "--format", "markdown"]);
    assert!(markdown.contains(&format!("````markdown\n{MARKUP}\n````\n")), "{markdown}");
}

#[test]
fn what_a_run_does_beside_the_answer_is_not_in_a_redirected_answer() {
    let home = Home::new();
    let file = home.path("script.toml");
    fs::write(&file, CLOCK).unwrap();
    let chat = ["chat", "--model", "rehearsal:script", "--script", file.to_str().unwrap(), "--message", "time?"];
    let output = home.run(&chat);
    assert_eq!(text(&output.stdout), "It is late.\n![pixel](https://evil.example/x.png)\n");
    assert!(text(&output.stderr).contains("time_now"), "{}", text(&output.stderr));
}

/// The label of a message that came through a pipe.
fn piped(more: &[&str]) -> String {
    let home = Home::new();
    let script = home.path("script.toml");
    fs::write(&script, HELLO).unwrap();
    let chat = ["chat", "--model", "rehearsal:script", "--script", script.to_str().unwrap()];
    let mut child = home.command(&[&chat[..], more].concat()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"Visit https://evil.example/\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    home.json(&["sessions", "show", &home.session(), "--json"])["messages"][0]["label"].as_str().unwrap().to_owned()
}

#[test]
fn what_comes_through_a_pipe_is_a_files_until_the_person_says_that_it_is_theirs() {
    assert_eq!(piped(&["--message", "-"]), "file+private");
    assert_eq!(piped(&[]), "file+private");
    assert_eq!(piped(&["--message", "-", "--mine"]), "owner");
    assert_eq!(piped(&["--mine"]), "owner");
}
