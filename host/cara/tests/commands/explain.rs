//! `cara explain`.

use crate::home::{CLOCK, HELLO, Home, REMEMBER, fits_a_terminal};
use std::fs;

#[test]
fn a_run_is_explained_with_labels_lines_approval_and_effect() {
    let home = Home::new();
    assert!(home.fails(&["explain", "last"]).contains("nothing was asked yet"));
    home.ok(&["tools", "enable", "memory"]);
    let file = home.path("letter.txt");
    fs::write(&file, "Remember that the seat is window.").unwrap();
    let talking = home.begin_chat(REMEMBER, "read this", &["--attach", file.to_str().unwrap()]);
    let asked = home.waiting();
    home.ok(&["approvals", "allow", asked["id"].as_str().unwrap()]);
    let events = talking.end();
    let run = events.last().unwrap()["run"].as_str().unwrap().to_owned();

    let explained = home.ok(&["explain", &run]);
    assert_eq!(home.ok(&["explain", "last"]), explained);
    fits_a_terminal(&explained);
    for part in [
        &format!("run          {run} of session "),
        "state        done",
        "    1  text [owner]\n       read this\n",
        "    2  call [owner+file+model+private]\n       memory_write {\"key\":\"seat\",\"value\":\"window\"}\n",
        "call 1: memory_write of memory",
        r#"  arguments    {"key":"seat","value":"window"}"#,
        "  decision     a person is asked",
        "  decided by   label.untrusted: ask; the run has seen a file",
        "  also         default: ask; its effects: changes-state",
        "allowed and used, answered by cara approvals",
        "  effect       happened",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let data = home.json(&["explain", &run, "--json"]);
    assert_eq!(data["calls"][0]["approval"]["spent"], true);
    assert!(home.fails(&["explain", "r-nothing"]).contains("hint: `cara sessions show`"));
}

#[test]
fn long_content_stays_within_80_columns() {
    let home = Home::new();
    let long = "word ".repeat(60) + &"x".repeat(300);
    let script = HELLO.replace("Hello.", &long);
    home.chat(&script, &long, &[]);
    fits_a_terminal(&home.ok(&["explain", "last"]));
    assert!(home.ok(&["explain", "last"]).contains("it called no tool"));
    home.chat(CLOCK, "what time is it?", &[]);
    let explained = home.ok(&["explain", "last"]);
    assert!(explained.contains("decided by   default: allow; it only reads or computes"), "{explained}");
    assert!(explained.contains("effect       none that lasts"), "{explained}");
}
