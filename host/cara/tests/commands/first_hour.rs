//! What a person sees at a terminal while an answer comes,
//! and what becomes of what they type meanwhile.
//!
//! What stood in the way of a newcomer, by the numbers of the review (N rows), and the test that shows it mended:
//!
//! | row | test |
//! |---|---|
//! | 1 README says where the binary is | `readme::the_readme_can_be_typed…` |
//! | 2 a pipe is one message, or goes with `-m` | `sessions::what_comes_through_a_pipe_is_a_files…`, `readme` (`git diff \| …`) |
//! | 3 a sign of life, retries, typed-ahead lines | `while_a_model_is_silent…`, `what_is_tried_again…`, `what_is_typed_while_an_answer_comes…` |
//! | 4 words wrap, tables fit | `an_answer_breaks_between_words…`, `tables_fit_a_terminal…` |
//! | 5 models are found and suggested by name | `a_model_is_found_by_what_the_server_has…` |
//! | 8 `chat -c` says what it goes on with | `a_conversation_that_is_taken_up_shows…` |
//! | 9 the vault explains itself once | `vault::a_machine_without_a_keystore_is_told_once…`, `readme` on both machines |
//! | 10 files, pipes, keys | `keys::a_public_key_is_printed_again…`, `tools::a_tool_whose_address_is_not_set…`, `streams::*` |
//! | 11 words | `a_spent_budget_is_told_in_dollars…`, `what_is_typed_before_a_question…` (“denied by you”) |

use super::home::{HELLO, Home, REMEMBER, fits_a_terminal};
use super::terminal::Terminal;
use serde_json::Value;
use std::process::Command;

/// Answers after so many milliseconds, and then again at once.
fn slow(ms: u32, answer: &str) -> String {
    format!("[[turn]]\nstep = [{{ text = {answer:?}, delay-ms = {ms} }}]\n[[turn]]\nstep = [{{ text = \"Again.\" }}]\n")
}

/// A conversation at a terminal with this script.
fn conversation(home: &Home, script: &str) -> Command {
    let script = home.script(script);
    let mut command = home.command(&["chat", "--model", "rehearsal:script", "--script", &script]);
    command.env("TERM", "xterm");
    command
}

/// Each part of what the person said in a message: its label and its text.
fn said(home: &Home, message: usize) -> Vec<(String, String)> {
    let shown = home.json(&["sessions", "show", &home.session(), "--json"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parts = shown["messages"][message]["parts"].as_array().unwrap().iter();
    parts.map(|part| (text(&part["label"]), text(&part["text"]))).collect()
}

/// What was shown, without what acts on the terminal.
fn plain(shown: &str) -> String {
    let mut parts = shown.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest =
        parts.map(|part| part.split_once(|letter: char| letter.is_ascii_alphabetic()).map_or("", |(_, text)| text));
    first + &rest.collect::<String>()
}

#[test]
fn while_a_model_is_silent_it_is_said_what_is_waited_for() {
    let home = Home::new();
    let script = home.script(&slow(1500, "Hello."));
    let message = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"];
    let mut command = home.command(&message);
    command.env("TERM", "xterm");
    let mut session = Terminal::new().starts(command);
    session.until("waiting for rehearsal:script");
    session.until("Ctrl-C stops");
    let (status, rest) = session.ends();
    assert!(status.success(), "{rest}");
    assert!(plain(rest.rsplit("Ctrl-C stops").next().unwrap()).trim().ends_with("Hello."), "{rest:?}");
    // Nothing of it elsewhere.
    let output = home.run(&message);
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"Hello.\n"[..], &b""[..]));
}

#[test]
fn what_is_tried_again_is_said_on_a_terminal_and_is_an_event() {
    let home = Home::new();
    let busy =
        "[[turn]]\nstep = [{ error = { kind = \"rate-limit\", message = \"429: too many\", retry-after-ms = 10 } }]\n";
    let script = home.script(busy);
    let message = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"];
    let mut session = Terminal::new().starts(home.command(&message));
    session.until("retrying in 1 s (429: too many)");
    session.until("error: 429: too many");
    assert!(!session.ends().0.success());
    let told = home.fails(&message);
    assert!(!told.contains("retrying"), "{told}");
    let output = home.run(&[&message[..], &["--json"]].concat());
    let events = String::from_utf8(output.stdout).unwrap();
    assert!(events.contains(r#"{"type":"retry","after_ms":10,"why":"429: too many"}"#), "{events}");
}

#[test]
fn what_is_typed_while_an_answer_comes_begins_the_next_message() {
    let home = Home::new();
    let mut session = Terminal::new().starts(conversation(&home, &slow(1500, "Hello.")));
    session.until("› ");
    session.types("hi\r");
    session.until("waiting for");
    session.types("and then\rmore\u{1b}[200~ pasted\u{1b}[201~");
    let answer = session.until("Hello.");
    assert!(!answer.contains("and then"), "{answer:?}");
    let prompt = session.until("pasted");
    assert!(prompt.contains("› ") && prompt.contains("and then"), "{prompt:?}");
    session.types("!\r");
    session.until("Again.");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
    let part = |label: &str, text: &str| (label.to_owned(), text.to_owned());
    assert_eq!(said(&home, 2), [part("owner", "and then\nmore"), part("file", " pasted"), part("owner", "!")]);
}

#[test]
fn what_is_typed_before_the_first_prompt_begins_the_first_message() {
    let home = Home::new();
    let terminal = Terminal::new();
    terminal.types("first line\nsecond line\nthird");
    let mut session = terminal.starts(conversation(&home, &slow(1, "Hello.")));
    session.until("› ");
    session.until("third");
    session.types("!\r");
    session.until("Hello.");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
    assert_eq!(said(&home, 0), [("owner".to_owned(), "first line\nsecond line\nthird!".to_owned())]);
}

#[test]
fn what_was_typed_ahead_of_an_answer_that_is_stopped_is_kept() {
    let home = Home::new();
    let mut session = Terminal::new().starts(conversation(&home, &slow(60_000, "Hello.")));
    session.until("› ");
    session.types("hi\r");
    session.until("waiting for");
    session.types("typed a\rtyped b");
    // A terminal throws away what was not read, and tells whom it controls.
    session.types("\u{3}");
    session.interrupts();
    session.until("stopped");
    session.until("typed b");
    session.types("\r");
    session.until("Again.");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
}

#[test]
fn what_is_typed_before_a_question_does_not_answer_it_and_begins_the_next_message() {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    let late = REMEMBER.replacen("step = [{", "step = [{ text = \" \", delay-ms = 1500 }, {", 1);
    let again = "[[turn]]\nstep = [{ text = \"Again.\" }]\n";
    let mut session = Terminal::new().starts(conversation(&home, &format!("{late}{again}")));
    session.until("› ");
    session.types("I like the window seat\r");
    session.until("waiting for");
    session.types("y\rthen this");
    session.until("is no answer to it");
    session.until("allow?");
    session.types("n: not yet\n");
    session.until("denied by you: not yet");
    session.until("Noted.");
    session.until("then this");
    session.types("\r");
    session.until("Again.");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
    let call = home.json(&["sessions", "show", &home.session(), "--json"]).to_string();
    assert!(call.contains("not yet") && call.contains("y\\nthen this"), "{call}");
}

#[test]
fn what_comes_while_a_question_stands_never_counts_as_typed() {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    let again = "[[turn]]\nstep = [{ text = \"Again.\" }]\n";
    let mut session = Terminal::new().starts(conversation(&home, &format!("{REMEMBER}{again}")));
    session.until("› ");
    session.types("I like the window seat\r");
    session.until("allow?");
    // As a terminal sends a pasted text then: unmarked.
    session.types("no such answer\nforward all my notes\n");
    session.until("kept for your next message, as pasted");
    session.until("allow?");
    session.types("n\n");
    session.until("Noted.");
    session.until("forward all my notes");
    session.types("\r");
    session.until("Again.");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
    let shown = home.json(&["sessions", "show", &home.session(), "--json"]);
    let messages = shown["messages"].as_array().unwrap();
    let message = messages.iter().find(|message| message.to_string().contains("forward all")).unwrap();
    assert_eq!((message["role"].as_str(), message["label"].as_str()), (Some("user"), Some("file")), "{message}");
}

#[test]
fn a_conversation_that_is_taken_up_shows_its_title_and_last_exchange_and_keeps_its_model() {
    let home = Home::new();
    home.chat(super::home::HELLO, "where were we?", &[]);
    let mut command = home.command(&["chat", "-c"]);
    command.env("TERM", "xterm");
    let mut session = Terminal::new().starts(command);
    let shown = plain(&session.until("/help shows the commands"));
    for part in ["going on with `where were we?`", "you: where were we?", "assistant: Hello.", "rehearsal:script"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
}

#[test]
fn a_model_is_found_by_what_the_server_has_and_a_name_without_provider_is_answered_with_one() {
    let mut home = Home::new();
    home.set("OLLAMA_HOST", &format!("http://{}", super::readme::vendors()));
    assert_eq!(home.ok(&["chat", "--model", "ollama", "--message", "hi"]), "Good-day.\n");
    for (named, meant) in [("gpt-5", "openai:gpt-5"), ("claude-x", "anthropic:claude-x")] {
        let told = home.fails(&["chat", "--model", named, "--message", "hi"]);
        assert!(told.contains(&format!("did you mean `{meant}`?")), "{told}");
    }
    let told = home.fails(&["chat", "--model", "nobody", "--message", "hi"]);
    assert!(told.contains("the providers are") && !told.contains("did you mean"), "{told}");
}

#[test]
fn an_answer_breaks_between_words_and_its_code_stays_as_it_is() {
    let home = Home::new();
    let answer = format!("{}**bold** end.\n```\n{}\n```\n", "several words ".repeat(12), "x".repeat(90));
    let script = home.script(&slow(0, &answer));
    let message = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"];
    let (status, shown) = Terminal::new().starts(home.command(&message)).ends();
    assert!(status.success(), "{shown}");
    assert!(shown.contains("\u{1b}[1mbold"), "{shown:?}");
    let shown = plain(&shown).replace('\r', "");
    let (text, code) = shown.split_once("```").unwrap();
    fits_a_terminal(text);
    assert!(text.lines().all(|line| !line.ends_with("wor") && !line.starts_with("ds")), "{text}");
    assert!(code.contains(&"x".repeat(90)), "{code}");
    // Data stays as the model said it.
    assert_eq!(home.ok(&message), answer);
    let mut plainly = home.command(&message);
    plainly.env("NO_COLOR", "1");
    let (_, shown) = Terminal::new().starts(plainly).ends();
    assert!(!shown.contains("\u{1b}[1m"), "{shown:?}");
}

#[test]
fn tables_fit_a_terminal_and_name_things_whole() {
    let home = Home::new();
    home.chat(super::home::CLOCK, &"a message whose beginning is a long title ".repeat(4), &[]);
    let id = home.session();
    for command in [&["tools", "list"][..], &["plugin", "list"], &["sessions", "list"], &["models"], &["usage"]] {
        let (status, shown) = Terminal::new().starts(home.command(command)).ends();
        assert!(status.success(), "{shown}");
        let shown = plain(&shown).replace('\r', "");
        fits_a_terminal(&shown);
        assert!(!shown.contains('\t'), "{shown}");
        // On a screen as a whole, the prompt after it too; a component takes one line.
        assert!(shown.lines().count() < 24, "{command:?}:\n{shown}");
        if command[0] == "sessions" {
            assert!(shown.contains("TITLE") && !shown.contains("AGENT") && !shown.contains("LABEL"), "{shown}");
        }
    }
    // A program finds each cell whole, on one line.
    let shown = |command: &[&str]| plain(&Terminal::new().starts(home.command(command)).ends().1);
    assert!(shown(&["sessions", "list"]).contains(&id));
    let tools = shown(&["tools", "list"]);
    assert!(tools.contains("memory_search") && tools.contains("settings_read"), "{tools}");
}

#[test]
fn a_conversation_needs_somebody_or_something_to_answer() {
    let home = Home::new();
    let told = home.fails(&["chat", "--model", "rehearsal:script"]);
    assert!(told.contains("stdin is no terminal") && told.contains("hint: `cara chat -m TEXT`"), "{told}");
    let script = home.script(HELLO);
    let mut session =
        Terminal::new().starts(home.command(&["chat", "--model", "rehearsal:script", "--script", &script]));
    session.until("› ");
    session.types("/help\r");
    let help = session.until("/exit");
    assert!(help.contains("/status"), "{help}");
    fits_a_terminal(&plain(&help).replace('\r', ""));
    session.types("hi\r");
    session.until("Hello.");
    session.until("› ");
    session.types("/new\r");
    session.until("`cara chat --session s-");
    session.types("/tools\r");
    let offered = session.until("switches more on");
    assert!(offered.contains("math_evaluate"), "{offered}");
    session.types("/status\r");
    session.until("installed");
    session.types("/exit\r");
    session.ends();
}

#[test]
fn who_says_that_no_tools_are_offered_is_shown_none() {
    let home = Home::new();
    let chat = ["chat", "--model", "rehearsal", "--no-tools"];
    let mut session = Terminal::new().starts(home.command(&chat));
    session.until("› ");
    session.types("/tools\r");
    let offered = session.until("`--no-tools` was said");
    assert!(offered.contains("no tools") && !offered.contains("math"), "{offered}");
    session.types("/exit\r");
    session.ends();
}

#[test]
fn a_spent_budget_is_told_in_dollars_and_when_it_is_there_again() {
    let home = Home::new();
    home.configure("[budget.day]\ntokens = 10");
    let script = home.script(&slow(0, "Hello."));
    let told = home.fails(&["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"]);
    assert!(told.contains("today's 10 tokens are not enough for another call"), "{told}");
    assert!(told.contains("they are there again at 00:00 UTC"), "{told}");
}
