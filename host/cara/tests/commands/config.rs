//! `cara config` and `cara logs`: keys are read, set and checked; what runs
//! obeys; what was done is written down.

use super::home::{CLOCK, HELLO, Home, text};
use std::fs;

fn kept(home: &Home) -> String {
    fs::read_to_string(home.path("config.toml")).unwrap()
}

#[test]
fn a_key_is_set_shown_and_taken_away_and_comments_stay() {
    let home = Home::new();
    home.configure("# Mine.\n[run]\nturns = 7 # enough");
    assert_eq!(home.ok(&["config", "get", "run.turns"]), "7\n");
    assert_eq!(home.ok(&["config", "get", "run.wall"]), "15m\n");
    assert!(home.notes(&["config", "get", "run.wall"]).contains("the default"));
    home.ok(&["config", "set", "run.turns", "9"]);
    home.ok(&["config", "set", "run.wall", "2m"]);
    assert!(kept(&home).contains("# Mine.\n[run]\nturns = 9 # enough\nwall = \"2m\"\n"), "{}", kept(&home));
    let diff = home.json(&["config", "diff", "--json"]);
    let keys: Vec<&str> = diff.as_array().unwrap().iter().filter_map(|row| row["key"].as_str()).collect();
    assert_eq!(keys, ["run.turns", "run.wall", "vault.store"]);
    home.ok(&["config", "unset", "run.wall"]);
    assert_eq!(home.ok(&["config", "get", "run.wall"]), "15m\n");
    let before = kept(&home);
    for (arguments, told) in [
        (["set", "run.turns", "0"], "`run.turns` cannot be `0`"),
        (["set", "run.turn", "1"], "`run.turns`, if you mean that one"),
        (["set", "component.nobody.results", "trusted"], "which is not installed"),
        (["set", "budget", "1"], "`budget` is a table"),
    ] {
        let error = home.fails(&[&["config"], &arguments[..]].concat());
        assert!(error.contains(told) && error.contains("hint: "), "{error}");
    }
    assert_eq!(kept(&home), before);
}

#[test]
fn a_file_that_cannot_be_used_is_said_and_mended() {
    let home = Home::new();
    home.configure("[run]\nturns = 0");
    assert!(home.notes(&["config", "get", "run.turns"]).contains("0 is too few"));
    assert!(home.notes(&["config", "diff"]).contains("0 is too few"));
    assert!(home.fails(&["config", "check"]).contains("0 is too few"));
    home.ok(&["config", "set", "run.turns", "3"]);
    home.ok(&["config", "check"]);
    let other = home.path("other.toml");
    fs::write(&other, "[run]\nturn = 1\n").unwrap();
    assert!(home.fails(&["config", "check", other.to_str().unwrap()]).contains("other.toml"));
    assert!(home.json(&["config", "schema"])["properties"]["budget"].is_object());
}

#[test]
fn a_budget_for_somebody_whom_nobody_knows_is_said() {
    let home = Home::new();
    home.ok(&["people", "name", "anna"]);
    home.configure("[budget.person.ana]\ntokens = 5");
    let error = home.fails(&["config", "check"]);
    assert!(error.contains("`[budget.person.ana]`: nobody is known as `ana`"), "{error}");
    assert!(error.contains("hint: `anna`, if you mean that one"), "{error}");
    home.configure("[budget.person.anna]\ntokens = 5\n[budget.person.owner]\ntokens = 5");
    home.ok(&["config", "check"]);
}

#[test]
#[cfg(unix)]
fn an_editor_changes_the_file_only_to_what_can_be_used() {
    let mut home = Home::new();
    home.configure("[run]\nturns = 7");
    home.set("PATH", "/usr/bin:/bin");
    home.set("EDITOR", "sed -i s/7/8/");
    home.ok(&["config", "edit"]);
    assert!(kept(&home).contains("turns = 8"));
    assert!(home.notes(&["config", "edit"]).contains("nothing was changed"));
    home.set("EDITOR", "sed -i s/8/0/");
    let told = home.fails(&["config", "edit"]);
    assert!(told.contains("0 is too few") && told.contains("config.edit.toml"), "{told}");
    assert!(kept(&home).contains("turns = 8"));
    assert!(fs::read_to_string(home.path("config.edit.toml")).unwrap().contains("turns = 0"));
}

#[test]
#[cfg(unix)]
fn what_runs_obeys_a_changed_file_and_a_bad_one_changes_nothing() {
    let home = Home::new();
    let _holder = super::doors::Holder::of(&home);
    home.chat(HELLO, "hi", &[]);
    home.configure("[budget.day]\ntokens = 1");
    let refused = home.chat_output(HELLO, "hi");
    assert!(!refused.status.success(), "{}", text(&refused.stdout));
    // Not to be used: the budget of before counts, and everybody is told.
    home.configure("[budget.day]\ntokens = \"many\"");
    let refused = home.chat_output(HELLO, "hi");
    let told = format!("{}{}", text(&refused.stdout), text(&refused.stderr));
    assert!(!refused.status.success() && told.contains("the previous configuration stays in use"), "{told}");
    home.configure("[[policy.rule]]\ntool = \"time_now\"\nthen = \"deny\"");
    let events = home.chat_output(CLOCK, "what time is it?");
    assert!(text(&events.stdout).contains("policy.rule 1"), "{}", text(&events.stdout));
}

#[test]
fn what_the_configuration_names_has_to_exist_before_it_counts() {
    let home = Home::new();
    let before = kept(&home);
    for (key, value, told) in [
        ("component.openai.settings.nope", "1", "has no setting `nope`"),
        ("component.openai.settings.base-url", "[1]", "base-url"),
        ("chat.model", "nope:x", "`chat.model`: there is no provider `nope`"),
        ("chat.model", "opneai:x", "`openai`, if you mean that one"),
        ("chat.model", "memory", "offers no models"),
        ("agent.clerk.model", "nope:x", "`agent.clerk.model`: there is no provider `nope`"),
        ("guards.classifier", "nope:x", "there is no provider `nope`"),
        (
            "policy.private-destinations",
            "https://a",
            "it takes a list, as in `cara config set policy.private-destinations '[",
        ),
        ("run.turns", "many", "`many` is not a whole number from 0 to"),
        ("run.turns", "many", "as in `cara config set run.turns 30`"),
        ("policy.rule", "[{ }]", "hint: `cara config edit`"),
    ] {
        let error = home.fails(&["config", "set", key, value]);
        assert!(error.contains(told) && error.contains("hint: "), "{key} {value}: {error}");
    }
    assert_eq!(kept(&home), before);
    home.configure("[component.openai.settings]\nnope = 1");
    assert!(home.fails(&["config", "check"]).contains("has no setting `nope`"));
    home.configure("[chat]\nmodel = \"nope:x\"");
    assert!(home.fails(&["config", "check"]).contains("there is no provider `nope`"));
    home.configure("[run]\nturn = 1");
    let error = home.fails(&["config", "check"]);
    assert!(
        error.contains("config.toml:4: unknown key `turn`") && error.contains("hint: `cara config edit`"),
        "{error}"
    );
}

/// What `cara status --json` says of the configuration.
#[cfg(unix)]
fn configuration(home: &Home) -> serde_json::Value {
    home.json(&["status", "--json"])["configuration"].clone()
}

#[test]
#[cfg(unix)]
fn a_holder_says_that_its_configuration_cannot_be_used_and_what_counts_from_its_next_start() {
    use std::io::{BufRead, BufReader};
    let home = Home::new();
    home.configure("[run]\nturns = 0");
    let mut start = home.command(&["start"]);
    let mut holder = super::doors::Holder(start.stdout(std::process::Stdio::null()).spawn().unwrap());
    let mut told = BufReader::new(holder.0.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(told.any(|line| line.contains("config.toml:4: 0 is too few")));
    let said = configuration(&home);
    assert!(said["problem"]["message"].as_str().unwrap().contains("0 is too few"), "{said}");
    assert!(home.ok(&["status"]).contains("0 is too few"));
    let log = home.ok(&["logs"]);
    assert_eq!(log.matches("the configuration cannot be used").count(), 1, "{log}");
    home.configure("[pool]\ncalls = 7");
    let said = configuration(&home);
    assert!(
        said["problem"].is_null() && said["from-next-start"] == serde_json::json!(["vault.store", "pool.calls"]),
        "{said}"
    );
    // Where a new vault belongs was not known when this process began.
    let mut set = home.command(&["secrets", "set", "openai"]);
    let refused = set.env("CARA_VAULT_PASSWORD", "correct horse").output().unwrap();
    assert!(text(&refused.stderr).contains("counts from its next start"), "{}", text(&refused.stderr));
    assert!(!home.path("vault/vault.json").exists());
}

#[test]
#[cfg(unix)]
fn a_file_that_names_what_is_not_there_changes_nothing_and_is_seen_by_itself() {
    use std::time::{Duration, Instant};
    let home = Home::new();
    let _holder = super::doors::Holder::of(&home);
    home.configure("[run]\nturns = 7\n[[policy.rule]]\ntool = \"nowhere\"\nthen = \"deny\"");
    // Nobody asks for it: the file is watched.
    let log = || fs::read_to_string(home.path("logs/cara.log")).unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(60);
    while !log().contains("the configuration cannot be used") {
        assert!(Instant::now() < until, "{}", log());
        std::thread::yield_now();
    }
    let said = configuration(&home);
    assert!(said["problem"]["message"].as_str().unwrap().contains("nowhere"), "{said}");
    let answered = home.chat_output(HELLO, "hi");
    let told = format!("{}{}", text(&answered.stdout), text(&answered.stderr));
    assert!(answered.status.success() && told.contains("the previous configuration stays in use"), "{told}");
    assert_eq!(home.ok(&["config", "get", "run.turns"]), "30\n");
    home.configure("[run]\nturns = 7");
    assert_eq!(home.ok(&["config", "get", "run.turns"]), "7\n");
    assert!(configuration(&home)["problem"].is_null());
}

#[test]
#[cfg(unix)]
fn what_the_holder_did_is_written_down_and_read_without_it() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    assert!(home.notes(&["logs"]).contains("nothing was logged yet"));
    let mut holder = super::doors::Holder::of(&home);
    home.ok(&["tools", "enable", "memory"]);
    home.ok(&["stop"]);
    holder.0.wait().unwrap();
    let told = home.ok(&["logs"]);
    assert!(told.contains("INFO  the daemon runs") && told.contains("INFO  tools.enable done"), "{told}");
    assert!(
        !told.contains("cara_control") && told.lines().all(|line| line.len() <= 80 && !line.contains('Z')),
        "{told}"
    );
    assert_eq!(home.ok(&["logs", "--level", "error"]), "");
    assert!(home.notes(&["logs", "--level", "error"]).contains("no line of level `error` or above"));
    assert!(home.notes(&["logs", "--component", "openai"]).contains("no line about component `openai`"));
    assert_eq!(home.notes(&["logs", "-n", "0"]), "");
    assert_eq!(home.ok(&["logs", "--lines", "1"]).lines().count(), 1);
    let line = home.ok(&["logs", "--lines", "1", "--json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["message"].is_string());
    let mode = fs::metadata(home.path("logs/cara.log")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
#[cfg(unix)]
fn a_followed_log_tells_what_comes() {
    use std::io::{BufRead, BufReader};
    let home = Home::new();
    let mut follow = home.command(&["logs", "--follow"]).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let holder = super::doors::Holder::of(&home);
    // It was watched, or read, whichever came first.
    assert!(lines.next().unwrap().unwrap().contains("the daemon runs"));
    home.ok(&["tools", "enable", "memory"]);
    assert!(lines.any(|line| line.unwrap().contains("tools.enable done")));
    drop(holder);
    follow.kill().unwrap();
    follow.wait().unwrap();
}
