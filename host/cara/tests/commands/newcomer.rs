//! Where a newcomer stumbled: each error says what would change it, and
//! nothing is granted, asked or forgotten that nobody meant.

use super::doors::Holder;
use super::home::{COLD_START, HELLO, Home, text};
use super::readme::vendors;
use super::terminal::Terminal;
use super::watch::watch;
use std::io::Write;
use std::process::{Command, Stdio};

/// An answer that takes long.
const SLOW: &str = "[[turn]]\nstep = [{ text = \"Hello. \" }, { text = \"Bye.\", delay-ms = 60000 }]\n";

/// A question to it.
fn slow(home: &Home) -> Command {
    home.command(&["chat", "--model", "rehearsal:script", "--script", &home.script(SLOW), "--message", "hi"])
}

/// A conversation at a terminal with a model that a server of these variables has.
fn conversation(home: &Home) -> Command {
    let mut command = home.command(&["chat", "--model", "openai:my-model"]);
    command.env("TERM", "xterm").env("OPENAI_BASE_URL", format!("http://{}/v1", vendors()));
    command.env("OPENAI_API_KEY", "sk-of-a-terminal");
    command
}

#[test]
fn a_key_that_is_not_there_is_told_with_both_ways_to_give_one() {
    let told = Home::new().fails(&["chat", "--model", "openai", "-m", "hi"]);
    assert!(told.contains("error: no value is stored for secret `openai/api-key`"), "{told}");
    let cure = "hint: `cara secrets set openai/api-key` to store one, or `export OPENAI_API_KEY=…` for one terminal";
    assert!(told.contains(cure) && told.matches("hint: ").count() == 1, "{told}");
}

#[test]
fn another_model_in_a_conversation_grants_no_address_that_nobody_named() {
    let home = Home::new();
    let mut session = Terminal::new().starts(conversation(&home));
    session.until("› ");
    session.types("/model my-model\r");
    let told = session.until("did you mean `openai:my-model`?");
    assert!(!told.contains("granted to `openai`: http https://"), "{told}");
    session.until("› ");
    session.types("/model openai:other\r");
    let told = session.until("now openai:other");
    assert!(!told.contains("granted"), "{told}");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
    let granted = home.ok(&["grants", "openai"]);
    assert!(granted.contains("environment OPENAI_BASE_URL") && !granted.contains("http"), "{granted}");
}

#[test]
fn settings_of_the_command_line_stay_with_their_provider_when_another_model_is_named() {
    let home = Home::new();
    let url = format!("base-url=http://{}/v1", vendors());
    let mut command = home.command(&["chat", "--model", "openai:my-model", "--set", &url]);
    command.env("TERM", "xterm").env("OPENAI_API_KEY", "sk-of-a-terminal");
    let mut session = Terminal::new().starts(command);
    session.until("› ");
    session.types("/model openai:other\r");
    session.until("now openai:other");
    session.until("› ");
    session.types("hi\r");
    session.until("Good-day.");
    session.until("› ");
    session.types("/exit\r");
    session.ends();
    let granted = home.ok(&["grants", "openai"]);
    assert!(!granted.contains("api.openai.com"), "{granted}");
}

#[test]
fn an_address_that_a_setting_may_name_can_be_granted_and_it_is_said_when_it_counts() {
    let home = Home::new();
    let told = home.notes(&["grant", "openai", "http", "https://llm.example"]);
    assert!(told.contains("once its setting says so: `cara config set component.openai.settings.base-url"), "{told}");
    home.ok(&["config", "set", "component.openai.settings.base-url", "https://llm.example/v1"]);
    let told = home.notes(&["grant", "openai", "http", "https://llm.example", "--for", "30m"]);
    assert!(!told.contains("once its setting"), "{told}");
    // A host that is written out in the manifest is no setting's.
    let told = home.fails(&["grant", "time", "http", "https://evil.example"]);
    assert!(told.contains("does not ask for `http https://evil.example`") && told.contains("hint: "), "{told}");
    let told = home.notes(&["config", "set", "component.openai.settings.base-url", "http://10.0.0.5:80/v1"]);
    assert!(told.contains("`cara grant openai http://10.0.0.5 --plain --private`"), "{told}");
    let told = home.fails(&["grant", "ollama", "http", "http://169.254.169.254", "--plain", "--private"]);
    assert!(told.contains("hint: no grant opens it"), "{told}");
}

#[test]
fn a_first_start_without_a_terminal_says_at_once_what_takes_long() {
    let told = text(&COLD_START.0.stderr);
    assert!(told.starts_with("preparing components: ") && told.contains(", once; that takes some seconds\n"), "{told}");
}

#[test]
fn a_daemon_that_is_interrupted_says_what_it_waits_for_and_a_second_time_ends_at_once() {
    let home = Home::new();
    let mut daemon = Terminal::new().starts(home.command(&["start"]));
    daemon.until("Ctrl-C stops it");
    daemon.interrupts();
    let (status, rest) = daemon.ends();
    assert!(status.success() && rest.ends_with("the cara daemon stopped\u{1b}[0m\r\n"), "{rest:?}");

    let mut daemon = Terminal::new().starts(home.command(&["start"]));
    daemon.until("Ctrl-C stops it");
    let mut chat = Terminal::new().starts(slow(&home));
    chat.until("Hello.");
    daemon.interrupts();
    daemon.until("waits for 1 run, at most 30 s; Ctrl-C again stops at once");
    daemon.interrupts();
    daemon.until("runs that go on are left");
    assert!(daemon.ends().0.success());
}

#[test]
fn an_agent_that_is_not_there_answers_in_no_conversation_and_the_configuration_names_none() {
    let home = Home::new();
    let told = home.fails(&["config", "set", "chat.agent", "clerk"]);
    assert!(told.contains("`cara config set agent.clerk.system TEXT` makes it"), "{told}");
    home.ok(&["config", "set", "agent.clerk.system", "Be exact."]);
    home.ok(&["config", "set", "chat.agent", "clerk"]);
    let told = home.fails(&["config", "unset", "agent.clerk"]);
    assert!(told.contains("`cara config unset chat.agent`"), "{told}");
    home.configure("[chat]\nagent = \"clerk\"");
    let told = home.fails(&["chat", "--model", "rehearsal", "-m", "hi"]);
    assert!(told.contains("`cara config unset chat.agent`"), "{told}");
    home.ok(&["config", "unset", "chat.agent"]);
    home.ok(&["chat", "--model", "rehearsal", "-m", "hi"]);
}

#[test]
fn who_holds_the_home_is_told_with_how_it_ends() {
    let home = Home::new();
    let mut chat = Terminal::new().starts(slow(&home));
    chat.until("Hello.");
    let told = home.fails(&["start"]);
    assert!(told.contains("(`cara chat`)") && told.contains("hint: it ends when its person leaves it"), "{told}");
    let told = home.fails(&["stop"]);
    assert!(told.contains("hint: it ends when its person leaves it"), "{told}");
    drop(chat);
    let _holder = Holder::of(&home);
    assert!(home.fails(&["start"]).contains("hint: `cara stop` ends it"));
}

#[test]
fn what_is_named_and_is_not_there_is_told_with_what_to_do() {
    let home = Home::new();
    let folder = home.path("");
    let folder = folder.to_str().unwrap();
    for (typed, cure) in [
        (&["chat", "--attach", folder, "-m", "x", "--model", "rehearsal"][..], "hint: name a file"),
        (&["chat", "--attach", "/nope", "-m", "x", "--model", "rehearsal"], "hint: name a file as it is found from"),
        (&["trust", "revoke", "x"], "hint: write the id of a key, as `cara trust list` shows it"),
        (&["trust", "remove", "nope"], "no key or identity is called `nope`"),
        (&["revoke", "nope"], "component `nope` is not installed\nhint: installed are"),
        (&["grants", "nope"], "component `nope` is not installed\nhint: installed are"),
        (&["policy", "explain", "memory_write", "{"], "hint: write them as JSON, in quotes for the shell"),
        (&["config", "set", "vault.store", "foo"], "expected one of `auto`, `keystore`, `file`, `key-file`, `session`"),
    ] {
        let told = home.fails(typed);
        assert!(told.contains(cure), "{typed:?}: {told}");
    }
    for typed in [
        &["chat", "--session", "n p", "-m", "x"][..],
        &["explain", "n p"],
        &["plugin", "inspect", "n p"],
        &["secrets", "set", "n p"],
        &["sessions", "show", "n p"],
        &["approvals", "show", "n p"],
    ] {
        let output = home.run(typed);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{typed:?}: {told}");
        assert!(told.contains("`n p` is not a") && !told.contains("not a approval"), "{told}");
    }
}

#[test]
fn what_only_looks_makes_no_home() {
    let home = Home::new();
    let missing = home.path("none");
    for typed in [
        "status",
        "stop",
        "logs",
        "grants",
        "secrets list",
        "trust list",
        "tools list",
        "plugin list",
        "plugin inspect time",
        "sessions list",
        "sessions show s-nobody",
        "sessions export s-nobody",
        "approvals list",
        "approvals show a-nobody",
        "approvals rules",
        "policy show",
        "policy explain time_now",
        "explain r-nobody",
        "usage",
        "audit show",
        "audit verify",
        "config get",
        "config diff",
    ] {
        let arguments: Vec<&str> = typed.split(' ').collect();
        let output = home.command(&arguments).env("CARA_HOME", &missing).output().unwrap();
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains("hint: correct CARA_HOME"), "{typed}: {told}");
        assert!(!missing.exists(), "{typed}");
    }
}

#[test]
fn what_is_switched_on_is_in_the_json_and_not_beside_it() {
    let home = Home::new();
    let output = home.run(&["tools", "enable", "memory", "--json"]);
    assert_eq!(text(&output.stderr), "");
    let switched: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(switched[0]["capabilities"][0], "memory", "{switched}");
    assert!(home.notes(&["tools", "disable", "memory"]).contains("taken from `memory`: memory"));
}

#[test]
fn whatever_is_answered_with_no_ends_with_1() {
    let (home, key) = Home::trusting();
    home.chat(HELLO, "hi", &[]);
    let file = home.signed("watch.wasm", &watch("1.0.0", &[]), &key);
    let mut set = home.command(&["secrets", "set", "openai", "--plain-key-file"]);
    let mut set = set.stdin(Stdio::piped()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(b"sk-x").unwrap();
    set.wait().unwrap();
    let session = home.session();
    for (typed, told) in [
        (&["sessions", "delete", &session][..], "nothing was deleted"),
        (&["secrets", "remove", "openai"], "nothing was removed"),
        (&["plugin", "install", &file], "nothing was installed"),
    ] {
        let mut asked = Terminal::new().starts(home.command(typed));
        asked.until("[y/N]");
        asked.types("n\n");
        let (status, rest) = asked.ends();
        assert_eq!(status.code(), Some(1), "{rest}");
        assert!(rest.contains(told) && !rest.contains("error:"), "{rest}");
    }
}
