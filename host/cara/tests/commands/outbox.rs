//! Messages to a terminal that nobody sits at: they wait, and are shown once.

use super::doors::{Holder, posts};
use super::home::{HELLO, Home};
use serde_json::json;

const POLICY: &str = "[[policy.rule]]\ntool = \"message_send\"\nthen = \"allow\"\n";

/// Has a model send a message to the terminal, in a run that nobody follows.
fn told(home: &Home, run: &str, text: &str) {
    let script = format!(
        "[[turn]]\nstep = [{{ tool-call = {{ name = \"message_send\", arguments = {{ to = \"console:local:me\", text = \"{text}\" }} }} }}]\n\
         [[turn]]\nstep = [{{ text = \"Done.\" }}]\n"
    );
    let by = json!({ "model": "rehearsal:script", "settings": { "script": script } });
    let begin = json!({ "run": run, "by": by, "message": [{ "words": "typed", "text": "tell me later" }] });
    let (code, ended) = posts(home, "/control/v1/runs", &begin).join().unwrap();
    assert_eq!((code, ended["type"].as_str()), (200, Some("done")), "{ended}");
}

/// The lines of a chat that are messages.
fn shown(home: &Home) -> Vec<String> {
    let script = home.path("hello.toml");
    let said = home.ok(&["chat", "--model", "rehearsal:script", "--script", script.to_str().unwrap(), "-m", "hi"]);
    let messages = said.lines().filter_map(|line| line.strip_prefix("[message to console:local:me] "));
    messages.map(str::to_owned).collect()
}

#[test]
fn what_nobody_is_there_to_read_is_shown_once_by_the_next_chat() {
    let home = Home::new();
    home.configure(POLICY);
    home.write("hello.toml", HELLO.as_bytes());
    home.ok(&["tools", "enable", "message"]);
    let holder = Holder::of(&home);
    told(&home, "r-aaaaaaaaaa", "one");
    told(&home, "r-bbbbbbbbbb", "two");
    let waits = home.json(&["outbox", "list", "--json"]);
    let states: Vec<_> = waits.as_array().unwrap().iter().map(|row| (&row["state"], &row["text"])).collect();
    assert_eq!(states, [(&json!("waiting"), &json!("two")), (&json!("waiting"), &json!("one"))]);
    assert_eq!((&waits[1]["attempts"], &waits[1]["error"]), (&json!(0), &json!("nobody reads at a terminal")));
    // The next process has it as well.
    drop(holder);
    assert_eq!(shown(&home), ["one", "two"]);
    assert_eq!(shown(&home), [""; 0], "shown twice");
    assert_eq!(home.json(&["outbox", "list", "--json"]), json!([]));
}

#[test]
fn what_a_person_drops_is_shown_by_no_chat_and_what_they_retry_is() {
    let home = Home::new();
    home.configure(POLICY);
    home.write("hello.toml", HELLO.as_bytes());
    home.ok(&["tools", "enable", "message"]);
    let _holder = Holder::of(&home);
    told(&home, "r-aaaaaaaaaa", "one");
    let id = home.json(&["outbox", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    home.ok(&["outbox", "drop", &id]);
    assert_eq!(shown(&home), [""; 0]);
    assert_eq!(home.json(&["outbox", "show", &id, "--json"])["state"], "dropped");
    home.ok(&["outbox", "retry", &id]);
    assert_eq!(shown(&home), ["one"]);
    let kinds = home.json(&["audit", "show", "--limit", "9", "--json"]).to_string();
    assert!(kinds.contains("outbound-dropped") && kinds.contains("outbound-retried"), "{kinds}");
}
