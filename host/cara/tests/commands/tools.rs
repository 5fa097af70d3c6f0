//! `cara tools`.

use crate::home::Home;
use crate::packages::remade;
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
    for word in ["sessions", "approvals", "policy", "explain", "usage", "audit", "tools", "--provenance"] {
        assert!(script.contains(word), "{word}");
    }
}

#[test]
fn a_table_for_a_component_that_is_not_there_is_an_error_that_names_the_one_meant() {
    let home = Home::new();
    home.configure("[component.opneai.limits]\nwall = \"1m\"");
    for command in [&["tools", "list"][..], &["policy", "show"], &["models"]] {
        let error = home.fails(command);
        assert!(error.contains("component `opneai`, which is not installed"), "{error}");
        assert!(error.contains("hint: write `[component.openai]`"), "{error}");
    }
    // What could mend it works.
    home.ok(&["plugin", "list"]);
    home.configure("[component.something-else.limits]\nwall = \"1m\"");
    assert!(home.fails(&["tools", "list"]).contains("hint: install `something-else`, or take the table away"));
    home.configure("[component.openai.limits]\nwall = \"1m\"");
    home.ok(&["tools", "list"]);
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let home = Home::new();
    for list in ["sessions list", "audit show"] {
        let words: Vec<&str> = list.split(' ').chain(["--limit", "0"]).collect();
        assert_eq!(home.run(&words).status.code(), Some(2), "{list}");
    }
}

#[test]
fn a_tool_whose_address_is_not_set_says_so_wherever_it_is_looked_at() {
    let (home, key) = Home::trusting();
    let seeker = remade("search", |manifest| {
        manifest.insert("id".into(), "seeker".into());
        let places = manifest["http"].as_array_mut().unwrap();
        places.retain(|place| place["host"].as_str() == Some("{setting:searxng-url}"));
        manifest["tool"][0].as_table_mut().unwrap().insert("name".into(), "seek".into());
    });
    let file = home.signed("seeker.wasm", &seeker, &key);
    let needs =
        "needs setting `searxng-url`: write it under `[component.seeker.settings]`, then `cara tools enable seeker`";
    let noted = home.notes(&["plugin", "install", &file, "--yes"]);
    assert!(noted.contains(&format!("its tools are off: {needs}")), "{noted}");
    let off = row(&home, "seek");
    assert_eq!((off["on"].as_bool(), off["why"].as_str()), (Some(false), Some(needs)));
    assert!(home.fails(&["tools", "enable", "seeker"]).contains(needs));
    home.configure("[component.seeker.settings]\nsearxng-url = \"https://wiki.example.org\"");
    let half = row(&home, "seek")["why"].as_str().unwrap().to_owned();
    assert!(half.contains("not granted: http https://wiki.example.org; `cara tools enable seeker`"), "{half}");
    home.ok(&["tools", "enable", "seeker"]);
    let on = row(&home, "seek");
    assert_eq!((on["on"].as_bool(), on["why"].as_str()), (Some(true), Some("granted")));
}
