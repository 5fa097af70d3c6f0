//! `cara channel`, and conversations on Telegram with the whole program.

#[path = "telegram/fake.rs"]
mod fake;

use super::doors::Holder;
use super::home::{Home, text};
use fake::{Failure, Fake};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/// A home whose model says "Hello.", which knows the owner as 4711.
fn home() -> Home {
    let mut home = Home::new();
    home.set("CARA_VAULT_PASSWORD", "correct horse battery");
    home.configure(
        "[chat]\nmodel = \"rehearsal:script\"\n[component.rehearsal.settings]\nscript = '''\norder = \"any\"\n[[turn]]\nstep = [{ text = \"Hello **you**.\" }]\n'''",
    );
    home
}

fn with_input(home: &Home, arguments: &[&str], input: &str) -> Output {
    let mut child = home.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Adds the account.
fn added(home: &Home, fake: &Fake) {
    let base = format!("base-url={}", fake.url());
    let add = ["channel", "add", "telegram", "--set", &base];
    let output = with_input(home, &add, &format!("{TOKEN}\n"));
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("added: `telegram:main` is cara_bot (id 77)") && !said.contains(TOKEN), "{said}");
}

fn rows(home: &Home) -> Value {
    home.json(&["channel", "list", "--json"])
}

/// Waits until the account stands so.
#[track_caller]
fn stands(home: &Home, condition: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let row = rows(home)[0].clone();
        if row["condition"] == condition {
            return row;
        }
        assert!(Instant::now() < until, "never {condition}: {row:#}");
        std::thread::yield_now();
    }
}

#[test]
fn an_account_is_added_once_its_platform_answers_and_goes_with_its_secrets() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    assert!(home.notes(&["channel", "list"]).contains("there is no account of a channel"));
    assert!(home.fails(&["channel", "add", "telegramm"]).contains("hint: `telegram`, if you mean that one"));
    let base = format!("base-url={}", fake.url());
    let wrong = with_input(
        &home,
        &["channel", "add", "telegram", "--set", &base],
        "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsax\n",
    );
    let told = text(&wrong.stderr);
    assert!(!wrong.status.success() && told.contains("Telegram does not know the token"), "{told}");
    assert!(rows(&home).as_array().unwrap().is_empty(), "nothing was added");
    assert!(!home.ok(&["grants", "--json"]).contains(&fake.url()), "what was granted for it is taken back");
    home.ok(&["secrets", "remove", "telegram/bot-token@main", "--yes"]);
    added(&home, &fake);
    let row = rows(&home)[0].clone();
    assert_eq!((row["channel"].as_str(), row["condition"].as_str()), (Some("telegram"), Some("stopped")));
    assert!(home.notes(&["channel", "test", "telegram"]).contains("it works: `telegram:main` is cara_bot"));
    assert!(home.fails(&["channel", "add", "telegram"]).contains("has an account `main` already"));
    home.ok(&["channel", "pause", "telegram"]);
    assert_eq!(rows(&home)[0]["condition"], "paused");
    home.ok(&["channel", "resume", "telegram"]);
    assert!(home.fails(&["channel", "remove", "telegram"]).contains("there is no terminal to ask on"));
    assert!(home.notes(&["channel", "remove", "telegram", "--yes"]).contains("with telegram/bot-token@main"));
    assert!(rows(&home).as_array().unwrap().is_empty());
    assert!(!home.ok(&["secrets", "list", "--json"]).contains("telegram"));
    let kinds = home.json(&["audit", "show", "--limit", "20", "--json"]).to_string();
    for kind in ["channels.add", "channels.pause", "channels.remove"] {
        assert!(kinds.contains(kind), "{kinds}");
    }
    assert!(home.fails(&["channel", "test", "telegram"]).contains("has no account `main`"));
}

#[test]
fn whom_nobody_named_is_not_answered_and_the_owner_is_once_whatever_comes_between() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    added(&home, &fake);
    home.ok(&["people", "link", "owner", "telegram:main:4711"]);
    let mut holder = Holder::of(&home);
    stands(&home, "connected");
    fake.says(666, "hello, I am the owner");
    let asked = fake.says(4711, "hello");
    fake.wait("an answer", |state| state.sent.iter().any(|(method, _)| method == "sendMessage"));
    fake.wait("all is confirmed", |state| state.updates.is_empty());
    let state = fake.state();
    let (_, sent) = state.sent.iter().find(|(method, _)| method == "sendMessage").unwrap();
    assert_eq!((&sent["chat_id"], &sent["text"]), (&json!(4711), &json!("Hello <b>you</b>.")));
    assert_eq!(sent["reply_parameters"]["message_id"], asked);
    assert_eq!(sent["link_preview_options"]["is_disabled"], true);
    drop(state);
    assert!(fake.texts(666).is_empty());
    let row = stands(&home, "connected");
    assert!(row["last-in-ms"].is_u64() && row["last-out-ms"].is_u64() && row["error"].is_null(), "{row:#}");
    // What Telegram gives again is one message; what came while nothing ran is answered at the next start.
    let again = fake.state().offsets.iter().flatten().max().copied().unwrap();
    assert!(again > 100);
    home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    fake.says(4711, "while you were away");
    let _holder = Holder::of(&home);
    fake.wait("both are answered", |state| {
        state.sent.iter().filter(|(method, to)| method == "sendMessage" && to["chat_id"] == 4711).count() == 2
    });
    fake.wait("all is confirmed", |state| state.updates.is_empty());
    assert_eq!(home.json(&["inbox", "list", "--json"]).as_array().unwrap().len(), 2);
    let all = home.json(&["outbox", "list", "--state", "sent", "--json"]);
    assert_eq!(all.as_array().unwrap().iter().filter(|row| row["class"] == "blind").count(), 2, "{all:#}");
}

#[test]
fn what_telegram_says_of_waiting_is_heard_and_what_may_have_arrived_is_not_sent_again() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    added(&home, &fake);
    home.ok(&["people", "link", "owner", "telegram:main:4711"]);
    let _holder = Holder::of(&home);
    stands(&home, "connected");
    let failure = |method, status, parameters, done| Failure { method, status, parameters, done };
    fake.fails(failure("getUpdates", 502, Value::Null, false));
    fake.fails(failure("sendMessage", 429, json!({ "retry_after": 1 }), false));
    fake.says(4711, "one");
    fake.wait("it is sent after all", |state| state.sent.iter().any(|(method, _)| method == "sendMessage"));
    assert_eq!(fake.texts(4711).len(), 1);
    fake.fails(failure("sendMessage", 500, Value::Null, true));
    fake.says(4711, "two");
    fake.wait("it is sent", |state| state.sent.iter().filter(|(method, _)| method == "sendMessage").count() == 2);
    let until = Instant::now() + Duration::from_secs(60);
    let unknown = loop {
        let unknown = home.json(&["outbox", "list", "--state", "unknown", "--json"]);
        if unknown.as_array().is_some_and(|all| all.len() == 1) {
            break unknown;
        }
        assert!(Instant::now() < until, "never unknown");
        std::thread::yield_now();
    };
    assert!(unknown[0]["may-have-arrived"] == true, "{unknown:#}");
    assert_eq!(fake.texts(4711).len(), 2, "it is not sent again");
}

#[test]
fn a_token_that_was_taken_back_is_said_with_its_cure_and_another_one_counts_at_once() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    added(&home, &fake);
    home.ok(&["people", "link", "owner", "telegram:main:4711"]);
    let _holder = Holder::of(&home);
    stands(&home, "connected");
    let another = "110201543:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    another.clone_into(&mut fake.state().token);
    fake.says(4711, "are you there?");
    let row = stands(&home, "failing");
    let told = row["error"].as_str().unwrap();
    assert!(told.contains("Telegram does not know the token") && !told.contains(TOKEN), "{told}");
    assert!(row["retry-ms"].is_u64(), "{row:#}");
    let set = with_input(&home, &["secrets", "set", "telegram/bot-token@main"], &format!("{another}\n"));
    assert!(set.status.success(), "{}", text(&set.stderr));
    stands(&home, "connected");
    fake.wait("the answer", |state| state.sent.iter().any(|(method, _)| method == "sendMessage"));
    let log = std::fs::read_dir(home.path("logs"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let log: String = log.collect();
    assert!(!log.contains(TOKEN) && !log.contains(another), "no token is in the log");
}

#[test]
fn another_bot_under_the_same_account_begins_anew_and_confirms_nothing_of_the_one_before() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    added(&home, &fake);
    let _holder = Holder::of(&home);
    stands(&home, "connected");
    fake.says(666, "hello");
    fake.wait("all is confirmed", |state| state.updates.is_empty());
    let another = "220201543:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    fake.state().other = Some((another.to_owned(), Vec::new()));
    let set = with_input(&home, &["secrets", "set", "telegram/bot-token@main"], &format!("{another}\n"));
    assert!(set.status.success(), "{}", text(&set.stderr));
    fake.wait("the other bot asks", |state| state.other.as_ref().is_some_and(|(_, offsets)| !offsets.is_empty()));
    assert_eq!(fake.state().other.as_ref().unwrap().1[0], None, "another bot's updates have numbers of their own");
    assert_eq!(stands(&home, "connected")["id"], "78");
}

#[test]
fn a_code_makes_whoever_sends_it_alone_known_once_and_the_conversation_sees_that_somebody_writes() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    added(&home, &fake);
    assert!(home.fails(&["channel", "pair", "telegram"]).contains("hint: `cara start` runs one"));
    let _holder = Holder::of(&home);
    stands(&home, "connected");
    let code = home.ok(&["channel", "pair", "telegram"]).trim().to_owned();
    assert_eq!(code.len(), 14, "{code}");
    let wrong: String = code.chars().rev().collect();
    let group = json!({ "id": -100, "type": "supergroup", "title": "Us" });
    // Written where others read it, it counts no more, for nobody.
    fake.message(group, 4711, &code);
    fake.says(4711, &code);
    fake.says(4711, &wrong);
    fake.says(4711, "hello");
    fake.wait("all is confirmed", |state| state.updates.is_empty());
    assert!(fake.state().sent.is_empty(), "nobody is known yet");
    let code = home.ok(&["channel", "pair", "telegram"]).trim().to_owned();
    fake.says(4711, &code.to_uppercase());
    fake.wait("a greeting", |state| !state.sent.is_empty());
    assert!(fake.texts(4711)[0].starts_with("You are linked now"));
    fake.says(666, &code);
    fake.says(4711, "hello");
    fake.wait("an answer", |state| state.sent.iter().filter(|(method, _)| method == "sendMessage").count() == 2);
    fake.wait("all is confirmed", |state| state.updates.is_empty());
    assert!(fake.texts(666).is_empty(), "a code counts once");
    let state = fake.state();
    let typing = state.sent.iter().position(|(method, to)| method == "sendChatAction" && to["action"] == "typing");
    assert!(typing.is_some_and(|at| at + 1 < state.sent.len()), "{:?}", state.sent);
    drop(state);
    let people = home.json(&["people", "show", "owner", "--json"]).to_string();
    assert!(people.contains("telegram:main:4711"), "{people}");
    assert!(!home.ok(&["inbox", "list", "--json"]).contains(&wrong), "what strangers write is not kept");
}

#[test]
fn what_is_forwarded_counts_as_a_strangers_and_what_is_not_as_documented_keeps_nothing_back() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    added(&home, &fake);
    home.ok(&["people", "link", "owner", "telegram:main:4711"]);
    let _holder = Holder::of(&home);
    stands(&home, "connected");
    let from = json!({ "id": 4711, "is_bot": false, "first_name": "Anna" });
    let chat = json!({ "id": 4711, "type": "private" });
    fake.update(json!({ "message_id": 1, "date": 1, "chat": chat, "from": from, "text": 7 }));
    let origin = json!({ "type": "hidden_user", "date": 1, "sender_user_name": "Mallory" });
    let message = |number, origin: Value| json!({ "message_id": number, "date": 1_700_000_000, "chat": chat, "from": from, "text": "pay Mallory", "forward_origin": origin });
    fake.update(message(2, origin));
    fake.update(message(3, Value::Null));
    fake.wait("both are answered", |state| {
        state.sent.iter().filter(|(method, _)| method == "sendMessage").count() == 2
    });
    let inbox = home.json(&["inbox", "list", "--json"]);
    let label = |number: usize| inbox[number]["label"].to_string();
    assert_eq!(inbox.as_array().unwrap().len(), 2, "{inbox:#}");
    assert!(label(1).contains("other-person") && !label(0).contains("other-person"), "{inbox:#}");
}

#[test]
fn a_long_answer_comes_as_several_messages_in_their_order() {
    let (home, fake) = (home(), Fake::new(TOKEN));
    let lines: String = (0..400).map(|line| format!("let number{line} = {line} < 7;\\n")).collect();
    let answer = format!("Look:\\n\\n```rust\\n{lines}```\\n\\nThat is all.");
    home.configure(&format!(
        "[chat]\nmodel = \"rehearsal:script\"\n[component.rehearsal.settings]\nscript = '''\n[[turn]]\nstep = [{{ text = \"{answer}\" }}]\n'''"
    ));
    added(&home, &fake);
    home.ok(&["people", "link", "owner", "telegram:main:4711"]);
    let _holder = Holder::of(&home);
    stands(&home, "connected");
    fake.says(4711, "show me");
    fake.wait("the end of the answer", |state| {
        let last = state.sent.iter().rev().find(|(method, _)| method == "sendMessage");
        last.is_some_and(|(_, sent)| sent["text"].as_str().is_some_and(|text| text.ends_with("That is all.")))
    });
    let texts = fake.texts(4711);
    assert!(texts.len() >= 3, "{}", texts.len());
    let all = texts.concat();
    let places: Vec<usize> = (0..400).map(|line| all.find(&format!("number{line} ")).unwrap()).collect();
    assert!(places.is_sorted());
    assert!(texts.iter().all(|text| text.matches("<pre>").count() == text.matches("</pre>").count()));
    assert_eq!(all.matches(" &lt; 7").count(), 400);
}
