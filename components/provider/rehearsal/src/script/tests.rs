//! Reading scripts and choosing turns.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::conversation::tests::{request, with_result};
use cara_sdk::ErrorKind;
use cara_sdk::types::Role;

fn parse(text: &str) -> Script {
    Script::parse(text).unwrap()
}

fn wrong(text: &str) -> String {
    let error = Script::parse(text).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    error.message
}

fn step(text: &str) -> Step {
    parse(&format!("[[turn]]\nstep = [{text}]")).turns.remove(0).steps.remove(0)
}

fn asked(messages: &[(Role, &str)]) -> Conversation {
    Conversation::of(&request(messages))
}

/// The text of the turn that plays.
fn played(script: &Script, conversation: &Conversation) -> Result<String, String> {
    match script.select(conversation) {
        Ok([Step { act: Act::Text(text), .. }]) => Ok(text.clone()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.message),
    }
}

const THREE: &str = r#"
[[turn]]
expect = "weather"
step = [{ text = "first" }]
[[turn]]
expect-tool-result = { contains = "rain", absent = "sun" }
step = [{ text = "second" }]
[[turn]]
expect = { exact = "bye" }
expect-system = "kind"
step = [{ text = "third" }]
"#;

#[test]
fn each_kind_of_step_is_read() {
    assert_eq!(
        step("{ text = 'a', chunk = 2, repeat = 3, delay-ms = 4 }"),
        Step { act: Act::Text("a".to_owned()), pieces: Pieces::Characters(2), repeat: 3, delay_ms: 4 }
    );
    let thinking = Act::Thinking { text: "hm".to_owned(), signature: Some("s".to_owned()) };
    assert_eq!(step("{ thinking = 'hm', signature = 's' }").act, thinking);
    assert_eq!(step("{ delay-ms = 5 }"), Step { delay_ms: 5, ..Step::new(Act::Wait) });
    let usage = Usage { input: 1, output: 2, cache_read: 3, cache_write: 0, reasoning: 0 };
    assert_eq!(step("{ usage = { input = 1, output = 2, cache-read = 3 } }").act, Act::Usage(usage));
    assert_eq!(step("{ stop = 'stop-sequence' }").act, Act::Stop(StopReason::StopSequence));
}

#[test]
fn an_error_is_repeatable_as_its_kind_is_unless_said_otherwise() {
    let error = |text: &str| match step(text).act {
        Act::Fail(error) => (error.kind, error.retry, error.retry_after_ms),
        other => panic!("{other:?}"),
    };
    let limited = "{ error = { kind = 'rate-limit', message = 'm', retry-after-ms = 7 } }";
    assert_eq!(error(limited), (ErrorKind::RateLimit, true, Some(7)));
    assert_eq!(error("{ error = { kind = 'auth', message = 'm' } }"), (ErrorKind::Auth, false, None));
    assert_eq!(error("{ error = { kind = 'auth', message = 'm', retry = true } }"), (ErrorKind::Auth, true, None));
}

#[test]
fn arguments_are_a_table_made_json_or_a_text_as_it_is() {
    let arguments = |text: &str| match step(&format!("{{ tool-call = {{ name = 'n'{text} }} }}")).act {
        Act::ToolCall { arguments, .. } => arguments,
        other => panic!("{other:?}"),
    };
    assert_eq!(arguments(""), "{}");
    assert_eq!(
        arguments(", arguments = { b = [1, 2.5, true], a = 2026-11-21 }"),
        r#"{"a":"2026-11-21","b":[1,2.5,true]}"#
    );
    assert_eq!(arguments(", arguments = { n = [0x1F, +1_000, -1.5e06, '\"'] }"), r#"{"n":[31,1000,-1.5e06,"\""]}"#);
    assert_eq!(arguments(", arguments = '{\"broken'"), "{\"broken");
}

#[test]
fn what_cannot_be_read_names_its_place() {
    assert_eq!(wrong(""), "the script has no `[[turn]]`");
    assert!(wrong("[[turn]]\nstep = [").starts_with("the script cannot be read: line 2: "));
    for (text, why) in [
        ("[[turn]]\nexpected = 'x'", "line 2: unknown key `expected`, known are `expect`, `expect-tool-result`"),
        ("[[turn]]\n\nexpect = { like = 'x' }", "line 3: unknown key `like`, known are `contains`"),
        ("[[turn]]\nexpect = 3", "line 2: this must be a table"),
        ("turn = 3", "line 1: this must be an array"),
        ("order = 'random'\n[[turn]]", "line 1: this must be one of `once`, `loop`, `any`"),
        ("[[turn]]\nstep = [\n{ stop = 'tired' }]", "line 3: this must be one of `complete`, "),
        ("[[turn]]\nstep = [{ text = 1 }]", "line 2: this must be a text"),
        ("[[turn]]\n[[turn.step]]\ntext = 'a'\nrepeat = -1", "line 4: this must be a whole number from 0"),
        ("[[turn]]\nstep = [{ error = { kind = 'auth' } }]", "line 2: `message` is missing"),
        ("[[turn]]\nstep = [{ error = { message = 'm' } }]", "line 2: `kind` is missing"),
        ("[[turn]]\nstep = [{ tool-call = { } }]", "line 2: `name` is missing"),
        ("[[turn]]\nstep = [{ tool-call = { name = 'n', arguments = [inf] } }]", "line 2: JSON has no such number"),
    ] {
        let message = wrong(text);
        let message = message.strip_prefix("the script cannot be read: ").unwrap();
        assert!(message.starts_with(why), "{message}");
    }
}

#[test]
fn a_step_that_makes_no_sense_is_refused_with_its_line() {
    for (steps, why) in [
        ("{}", "line 2: a step has one of"),
        ("{ text = 'a' }, { text = 'b', thinking = 'c' }", "a step has one of"),
        ("{ repeat = 2 }", "a step has one of"),
        ("{ text = 'a', chunk = 0 }", "`chunk` is at least 1"),
        ("{ usage = {}, chunk = 1 }", "`chunk` belongs to"),
        ("{ text = 'a', signature = 's' }", "`signature` belongs to"),
        ("{ stop = 'length', repeat = 2 }", "`repeat` does not go with"),
        ("{ stop = 'length' }, { text = 'a' }", "line 2: nothing is played after"),
        ("{ error = { kind = 'other', message = 'm' } }, { delay-ms = 1 }", "nothing is played after"),
    ] {
        let message = wrong(&format!("[[turn]]\nstep = [{steps}]"));
        assert!(message.contains(why), "{steps}: {message}");
    }
}

#[test]
fn the_turn_is_the_number_of_answers_so_far() {
    let script = parse(THREE);
    let first = [(Role::User, "the weather?")];
    assert_eq!(played(&script, &asked(&first)).unwrap(), "first");
    let second = with_result(request(&first), "rain", false);
    assert_eq!(played(&script, &Conversation::of(&second)).unwrap(), "second");
    let third = [(Role::Assistant, "first"), (Role::Assistant, "second"), (Role::User, " bye\n")];
    assert_eq!(played(&script, &asked(&third)).unwrap(), "third");
}

#[test]
fn what_does_not_fit_is_told_apart() {
    let script = parse(THREE);
    let message = played(&script, &asked(&[(Role::User, "hi\u{1b}[2J\n")])).unwrap_err();
    assert_eq!(message, "turn 1 of the script expects a message that contains `weather`, but `hi\\u{1b}[2J\\n` came");
    let result = |text| played(&script, &Conversation::of(&with_result(request(&[(Role::User, "q")]), text, false)));
    assert!(result("rain and sun").unwrap_err().contains("expects a tool result without `sun`"));
    assert!(result("snow").unwrap_err().contains("a tool result that contains `rain`, but `snow` came"));
    let answers = |last| [(Role::Assistant, "1"), (Role::Assistant, "2"), (Role::User, last)];
    assert!(played(&script, &asked(&answers("good bye"))).unwrap_err().contains("a message that is `bye`"));
    let mut cold = request(&answers("bye"));
    cold.system = None;
    assert!(played(&script, &Conversation::of(&cold)).unwrap_err().contains("a system prompt that contains `kind`"));
}

#[test]
fn a_tool_result_is_not_found_in_what_the_person_says() {
    let script = parse("[[turn]]\nexpect-tool-result = 'rain'\nstep = [{ text = 'x' }]");
    assert!(played(&script, &asked(&[(Role::User, "rain")])).is_err());
}

#[test]
fn after_the_last_turn_the_script_ends_or_begins_again() {
    let late =
        asked(&[(Role::Assistant, "1"), (Role::Assistant, "2"), (Role::Assistant, "3"), (Role::User, "weather")]);
    let message = played(&parse(THREE), &late).unwrap_err();
    assert_eq!(message, "the script ends after turn 3, but turn 4 is due and `weather` came");
    assert_eq!(played(&parse(&format!("order = 'loop'\n{THREE}")), &late).unwrap(), "first");
}

#[test]
fn in_any_order_the_first_turn_that_fits_plays() {
    let script = parse(&format!("order = 'any'\n{THREE}"));
    assert_eq!(played(&script, &asked(&[(Role::User, "bye")])).unwrap(), "third");
    let message = played(&script, &asked(&[(Role::User, "what")])).unwrap_err();
    assert_eq!(message, "none of the 3 turns of the script fits: `what` came");
}

#[test]
fn the_scripts_in_the_documentation_can_be_read() {
    let document = include_str!("../../../../../docs/rehearsal-script.md");
    let blocks: Vec<&str> = document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        parse(block);
    }
}
