//! `kill -9` at any moment of an install, an update or a rollback:
//! always one whole version is in use.

use super::home::Home;
use super::watch::watch;
use std::time::{Duration, Instant};

const KILLS: u32 = 60;

fn version_of(home: &Home) -> Option<String> {
    let rows = home.json(&["plugin", "list", "--json"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["id"] == "watch")?.clone();
    assert!(row["problem"].is_null(), "{row}");
    Some(row["version"].as_str().unwrap().to_owned())
}

#[test]
fn always_one_whole_version_is_in_use() {
    let (home, key) = Home::trusting();
    let files =
        [home.signed("old.wasm", &watch("1.0.0", &[]), &key), home.signed("new.wasm", &watch("1.0.1", &[]), &key)];
    let install = |file: &str| ["plugin", "install", file, "--yes", "--allow-downgrade"].map(str::to_owned);
    let words = |step: u32| match step % 3 {
        2 => ["plugin", "rollback", "watch"].map(str::to_owned).to_vec(),
        which => install(&files[which as usize]).to_vec(),
    };
    // How long a whole one takes; the kills are spread over that, and some come too late.
    let began = Instant::now();
    for file in &files {
        let arguments = install(file);
        home.ok(&arguments.each_ref().map(String::as_str));
    }
    let whole = began.elapsed() / 2;
    let mut seen = std::collections::BTreeSet::new();
    for kill in 0..KILLS {
        let arguments = words(kill);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Not at random: each part of the time is met, whatever the machine's load is.
        home.killed(&arguments, whole * (kill * 7 % KILLS) / KILLS + Duration::from_millis(5));
        let version = version_of(&home).expect("a version is in use");
        assert!(["1.0.0", "1.0.1"].contains(&version.as_str()), "{version}");
        seen.insert(version);
    }
    assert_eq!(seen.len(), 2, "no kill was late enough for a change");
    let arguments = install(&files[1]);
    home.ok(&arguments.each_ref().map(String::as_str));
    assert_eq!(version_of(&home).unwrap(), "1.0.1");
    home.ok(&["audit", "verify"]);
    let mut left = home.stored();
    left.retain(|name| name.ends_with(".tmp") || name.starts_with('.'));
    assert!(left.is_empty(), "the last change swept away what the kills left, but not {left:?}");
}
