//! The bench works: every figure comes out beside its floor.
//!
//! How fast it was is no matter here.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn every_figure_comes_out_beside_its_floor() {
    let output = Command::new(env!("CARGO_BIN_EXE_cara-bench")).arg("smoke").output().unwrap();
    let (table, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{table}{said}");
    let own = ["start", "homeless", "daemon", "door", "memory", "cold"];
    for subject in own.iter().chain(&[
        "sandbox", "stream", "turn", "ledger", "run", "boxes", "people", "sessions", "load", "plugin", "gateway",
    ]) {
        let mut rows = table.lines().filter(|line| line.starts_with(&format!("{subject}: ")));
        assert!(rows.next().is_some_and(|row| row.contains('x')), "{subject}:\n{table}");
    }
}

#[test]
fn what_cannot_be_measured_is_named_with_what_can() {
    let output = Command::new(env!("CARGO_BIN_EXE_cara-bench")).arg("speed").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`speed`") && said.contains("start, homeless"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_crowd_of_chats_websockets_and_half_open_connections_is_served() {
    let output = Command::new(env!("CARGO_BIN_EXE_cara-bench")).args(["soak", "3", "12", "6", "300"]).output().unwrap();
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{said}");
    for line in
        ["chats: 12 at once", "WebSockets: 6 without", "memory of a stream", "half-open: 300 begun, 0 not accepted"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
}
