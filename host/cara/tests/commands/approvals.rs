//! `cara approvals`: answered from another process while `cara chat` waits.

use crate::home::{Home, REMEMBER, said};
use std::fs;

/// A home in which something can be remembered.
fn home() -> Home {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    home
}

#[test]
fn a_call_waits_until_another_process_allows_it_and_the_first_answer_counts() {
    let home = home();
    assert!(home.notes(&["approvals", "list"]).contains("nothing waits"));
    let talking = home.begin_chat(REMEMBER, "I like the window seat", &[]);
    let asked = home.waiting();
    let id = asked["id"].as_str().unwrap();
    assert_eq!((asked["asked"]["tool"].as_str(), asked["run-is-alive"].as_bool()), (Some("memory_write"), Some(true)));
    let table = home.ok(&["approvals", "list"]);
    assert!(table.contains(id) && table.contains("memory_write") && table.contains("changes-state"), "{table}");
    let shown = home.ok(&["approvals", "show", id]);
    for part in ["memory_write of memory", "sha256:", r#"{"key":"seat","value":"window"}"#, "would store:", "waiting"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(home.notes(&["approvals", "allow", id]).contains("allowed"));
    assert_eq!(said(&talking.end()), "Noted.");
    // The same once more: an answer that was lost on the way back is told as what it did.
    let again = home.notes(&["approvals", "allow", id]);
    assert!(
        again.contains(&format!("`{id}` was allowed already at ")) && again.contains(", and was spent at "),
        "{again}"
    );
    assert!(!again.contains("once") && !again.contains("process ended"), "{again}");

    let late = home.fails(&["approvals", "deny", id, "--reason", "too late"]);
    assert!(
        late.contains("already, by cara approvals") && late.contains("hint: only the first answer counts"),
        "{late}"
    );
    assert!(home.fails(&["approvals", "allow", id, "--always"]).contains("already, by cara approvals"));
    assert_eq!(home.json(&["approvals", "rules", "--json"]).as_array().unwrap().len(), 0);
    assert!(home.ok(&["approvals", "show", id]).contains("spent, answered by cara approvals"));
    let decided = home.json(&["audit", "show", "--kind", "approval-decided", "--json"]);
    assert_eq!((decided.as_array().unwrap().len(), decided[0]["subject"].as_str()), (1, Some(id)));
    assert!(home.fails(&["approvals", "show", "a-nothing"]).contains("hint: `cara approvals list`"));
}

#[test]
fn a_denial_reaches_the_model_with_its_reason() {
    let home = home();
    let script = REMEMBER.replacen(
        "[[turn]]\nstep = [{ text",
        "[[turn]]\nexpect-tool-result = \"seats are private\"\nstep = [{ text",
        1,
    );
    assert_ne!(script, REMEMBER);
    let talking = home.begin_chat(&script, "I like the window seat", &[]);
    let asked = home.waiting();
    home.ok(&["approvals", "deny", asked["id"].as_str().unwrap(), "--reason", "seats are private"]);
    assert_eq!(said(&talking.end()), "Noted.");
    let explained = home.json(&["explain", "last", "--json"]);
    assert_eq!(
        (explained["calls"][0]["state"].as_str(), explained["calls"][0]["effect"].as_bool()),
        (Some("denied"), Some(false))
    );
}

#[test]
fn always_stores_a_listed_rule_that_can_be_forgotten() {
    let home = home();
    let talking = home.begin_chat(REMEMBER, "I like the window seat", &[]);
    let asked = home.waiting();
    home.ok(&["approvals", "allow", asked["id"].as_str().unwrap(), "--always"]);
    talking.end();
    let rules = home.json(&["approvals", "rules", "--json"]);
    assert_eq!((rules.as_array().unwrap().len(), rules[0]["tool"].as_str()), (1, Some("memory_write")));
    let session = home.session();
    assert_eq!(
        (rules[0]["session"].as_str(), rules[0]["by"].as_str()),
        (Some(session.as_str()), Some("cara approvals"))
    );
    let rule = rules[0]["id"].as_str().unwrap();
    assert!(home.ok(&["approvals", "rules"]).contains(&format!("in session {session}")));
    let explained = home.ok(&["policy", "explain", "memory_write", r#"{"key":"a","value":"b"}"#]);
    assert!(explained.contains(&format!("unless       the stored rule {rule}: in session {session}")), "{explained}");
    assert!(home.notes(&["approvals", "forget", rule]).contains("asked again"));
    assert!(home.fails(&["approvals", "forget", rule]).contains("hint: `cara approvals rules`"));
    assert_eq!(home.json(&["approvals", "rules", "--json"]).as_array().unwrap().len(), 0);
}

#[test]
fn what_the_labels_ask_is_allowed_once_and_never_for_good() {
    let home = home();
    let file = home.path("letter.txt");
    fs::write(&file, "Remember that the seat is window.").unwrap();
    let talking = home.begin_chat(REMEMBER, "read this", &["--attach", file.to_str().unwrap()]);
    let asked = home.waiting();
    let id = asked["id"].as_str().unwrap();
    assert!(asked["asked"]["seen"].as_str().unwrap().contains("file"), "{asked}");
    assert!(home.ok(&["approvals", "show", id]).contains("cannot be given"));
    let refused = home.fails(&["approvals", "allow", id, "--always"]);
    assert!(refused.contains("no rule may answer") && refused.contains("allows it once"), "{refused}");
    assert_eq!(home.waiting()["id"].as_str(), Some(id));
    home.ok(&["approvals", "allow", id]);
    assert_eq!(said(&talking.end()), "Noted.");
    assert_eq!(home.json(&["approvals", "rules", "--json"]).as_array().unwrap().len(), 0);
}
