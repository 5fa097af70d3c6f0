//! `cara audit`.

use crate::home::Home;
use std::fs;

#[test]
fn a_whole_log_is_counted_and_a_changed_event_is_named() {
    let home = Home::new();
    assert!(home.notes(&["audit", "show"]).contains("nothing was done yet"));
    home.ok(&["tools", "enable", "memory"]);
    home.ok(&["tools", "disable", "memory"]);
    assert_eq!(home.ok(&["audit", "verify"]), "2 events: ok\n");
    assert_eq!(home.json(&["audit", "verify", "--json"])["events"], 2);
    let shown = home.json(&["audit", "show", "--json"]);
    assert_eq!((shown[0]["kind"].as_str(), shown[1]["kind"].as_str()), (Some("revoke"), Some("grant")));
    let one = home.json(&["audit", "show", "--kind", "grant", "--limit", "5", "--json"]);
    assert_eq!((one.as_array().unwrap().len(), one[0]["seq"].as_u64()), (1, Some(1)));
    assert!(home.ok(&["audit", "show"]).contains("reason       cara tools enable"));
    assert!(home.notes(&["audit", "show", "--kind", "grand"]).contains("there are `grant`, `revoke`"));

    let ledger = home.path("ledger.db");
    let mut bytes = fs::read(&ledger).unwrap();
    let (wanted, forged) = (br#""reason":"cara tools enable""#, br#""reason":"kara tools enable""#);
    let places: Vec<usize> = (0..bytes.len() - wanted.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect();
    assert!(!places.is_empty(), "the event stands in the file");
    for at in places {
        bytes[at..at + forged.len()].copy_from_slice(forged);
    }
    fs::write(&ledger, bytes).unwrap();
    let error = home.fails(&["audit", "verify"]);
    assert!(error.contains("event 1 of the audit log was changed") && error.contains("hint: "), "{error}");
    let output = home.run(&["audit", "verify", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(crate::home::text(&output.stdout).contains("\"ok\": false"));
}
