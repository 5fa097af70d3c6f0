//! Where the ledger is: a file or a server, and the way back.

use crate::doors::Holder;
use crate::home::Home;

const ADDRESS: &str = "postgres://cara@db.example/cara";

#[test]
fn an_address_that_is_no_good_is_refused_with_the_cure_and_a_password_is_not_told() {
    let home = Home::new();
    for (address, told, cure) in [
        ("ledger.db", "is not an address", "write it as `postgres://user@host/database`"),
        ("mysql://u@h/d", "begins with `mysql:`", "write it as"),
        ("postgres://cara:correct-horse@h/d", "has a password in it", "`~/.pgpass` (chmod 600)"),
        ("postgres://cara@h/d?password=correct-horse", "has a password in it", "`~/.pgpass` (chmod 600)"),
        ("postgres://cara@db.example/d?sslmode=disable", "reaches another machine", "`sslmode=verify-full`"),
    ] {
        let error = home.fails(&["config", "set", "ledger.url", address]);
        assert!(error.contains(told) && error.contains(&format!("hint: {cure}")) || error.contains(cure), "{error}");
        assert!(!error.contains("correct-horse"), "{error}");
        home.configure(&format!("[ledger]\nurl = \"{address}\""));
        for command in [&["config", "check"][..], &["config", "get"], &["grants"], &["status"], &["ledger", "show"]] {
            let output = home.run(command);
            let all = crate::home::text(&output.stdout) + &crate::home::text(&output.stderr);
            assert!(!all.contains("correct-horse"), "{command:?}: {all}");
        }
        home.configure("");
    }
    home.ok(&["config", "set", "ledger.url", ADDRESS]);
    assert_eq!(home.ok(&["config", "get", "ledger.url"]), format!("{ADDRESS}\n"));
}

#[test]
fn a_configuration_that_cannot_be_read_leads_to_no_other_ledger() {
    let home = Home::new();
    home.configure(&format!("[ledger]\nurl = \"{ADDRESS}\"\n[run"));
    let error = home.fails(&["ledger", "show"]);
    assert!(error.contains("not known where the ledger is") && error.contains("hint: `cara config check`"), "{error}");
    assert!(!home.path("ledger.db").exists());
}

#[test]
fn the_ledger_goes_back_to_an_older_version_and_comes_forward_again() {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    let shown = home.json(&["ledger", "show", "--json"]);
    let newest = shown["versions"].as_array().unwrap().len();
    assert_eq!((shown["store"].as_str(), newest >= 7), (Some("sqlite"), true));
    let refused = home.fails(&["ledger", "downgrade"]);
    assert!(refused.contains("no terminal to ask on") && refused.contains("hint: to take it back, add `--yes`"));
    let none = home.fails(&["ledger", "downgrade", "--to", "3", "--yes"]);
    assert!(none.contains("there is no way back from version 5"), "{none}");
    let told = home.notes(&["ledger", "downgrade", "--to", "5", "--yes"]);
    assert!(told.contains("version 6, people: ") && told.contains("the ledger is at version 5"), "{told}");
    // What this cara does next brings it forward, with all that every version knows.
    let kinds = home.ok(&["audit", "show"]);
    assert!(kinds.contains("ledger-downgraded") && kinds.contains("grant"), "{kinds}");
    assert_eq!(home.ok(&["audit", "verify"]), "2 events: ok\n");
    let _holder = Holder::of(&home);
    let busy = home.fails(&["ledger", "downgrade", "--yes"]);
    assert!(busy.contains("in use by `cara start`") && busy.contains("hint: `cara stop` ends it"), "{busy}");
}

#[test]
fn a_home_keeps_its_ledger_on_a_server_and_has_it_alone() {
    let Some(postgres) = cara_postgres::server() else { return };
    let (one, other) = (Home::new(), Home::new());
    let url = postgres.url(&postgres.user());
    for home in [&one, &other] {
        home.ok(&["config", "set", "ledger.url", &url]);
    }
    one.ok(&["tools", "enable", "memory"]);
    assert!(!one.path("ledger.db").exists());
    let shown = one.json(&["ledger", "show", "--json"]);
    assert_eq!((shown["store"].as_str(), shown["place"].as_str()), (Some("postgresql"), Some(url.as_str())));
    assert!(one.ok(&["grants"]).contains("memory"));
    let holder = Holder::of(&one);
    one.ok(&["tools", "disable", "memory"]);
    let busy = other.fails(&["grants"]);
    assert!(
        busy.contains("held by another process") && busy.contains("hint: another cara uses that database"),
        "{busy}"
    );
    // A change of the address counts from the next start, and that is said.
    one.ok(&["config", "unset", "ledger.url"]);
    assert_eq!(one.json(&["status", "--json"])["configuration"]["from-next-start"], serde_json::json!(["ledger.url"]));
    drop(holder);
    one.ok(&["config", "set", "ledger.url", &url]);
    one.ok(&["ledger", "downgrade", "--to", "5", "--yes"]);
    assert_eq!(one.ok(&["audit", "verify"]), "4 events: ok\n");
    // Whose key is another one, finds that out.
    assert!(other.fails(&["tools", "enable", "memory"]).contains("the head of the audit log"));
    let wrong = format!("{}-none", postgres.url("nobody"));
    one.ok(&["config", "set", "ledger.url", &wrong]);
    let error = one.fails(&["grants"]);
    assert!(error.contains("cannot be used") && error.contains("hint: check that the server runs"), "{error}");
}
