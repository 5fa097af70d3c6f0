//! `cara tools`.

use crate::home::Home;
use serde_json::Value;

fn row(home: &Home, tool: &str) -> Value {
    let rows = home.json(&["tools", "list", "--json"]);
    rows.as_array().unwrap().iter().find(|row| row["tool"] == tool).unwrap().clone()
}

#[test]
fn tools_are_switched_on_and_off_by_grants_that_are_recorded() {
    let home = Home::new();
    let off = row(&home, "memory_write");
    assert_eq!((off["on"].as_bool(), off["then"].as_str()), (Some(false), Some("ask")));
    assert_eq!(off["why"], "nothing is granted: `cara tools enable memory`");
    let clock = row(&home, "time_now");
    assert_eq!((clock["on"].as_bool(), clock["why"].as_str()), (Some(true), Some("asks for nothing")));

    let noted = home.notes(&["tools", "enable", "memory"]);
    assert!(noted.contains("granted to `memory`: memory (cara tools enable)"), "{noted}");
    assert_eq!(row(&home, "memory_write")["on"], true);
    assert!(home.notes(&["tools", "enable", "memory"]).contains("on already"));
    assert!(home.notes(&["tools", "enable", "time"]).contains("always on"));
    let table = home.ok(&["tools", "list"]);
    assert!(table.contains("memory_write") && table.contains("changes-state"), "{table}");

    let noted = home.notes(&["tools", "disable", "memory"]);
    assert!(noted.contains("taken from `memory`: memory"), "{noted}");
    assert_eq!(row(&home, "memory_write")["on"], false);
    assert!(home.notes(&["tools", "disable", "memory"]).contains("off already"));
    let events = home.json(&["audit", "show", "--json"]);
    assert_eq!((events[0]["kind"].as_str(), events[1]["kind"].as_str()), (Some("revoke"), Some("grant")));
}

#[test]
fn what_cannot_be_switched_says_what_can_be_done() {
    let home = Home::new();
    let error = home.fails(&["tools", "disable", "memory", "time"]);
    for part in ["`time` asks for nothing", "[[policy.rule]]", "component = \"time\"", "then = \"deny\""] {
        assert!(error.contains(part), "{part}: {error}");
    }
    home.configure("[[policy.rule]]\ncomponent = \"time\"\nthen = \"deny\"");
    assert_eq!(row(&home, "time_now")["then"], "deny");
    assert!(home.fails(&["tools", "enable", "rehearsal"]).contains("offers no tools"));
    assert!(home.fails(&["tools", "enable", "memory", "nothing"]).contains("is not installed"));
    assert_eq!(row(&home, "memory_write")["on"], false);
    assert_eq!(home.run(&["tools", "enable"]).status.code(), Some(2));
}

#[test]
fn the_commands_can_be_completed() {
    let home = Home::new();
    let script = home.ok(&["completion", "bash"]);
    for word in ["sessions", "approvals", "policy", "explain", "usage", "audit", "tools", "--destination-standing"] {
        assert!(script.contains(word), "{word}");
    }
}
