//! What a stage sees of an answer.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::conversation::tests::{request, with_result};
use cara_sdk::ErrorKind;
use cara_sdk::types::{Refusal, Role};

/// Writes down what happens; refuses the event after so many.
struct Notes {
    seen: Vec<String>,
    room: usize,
}

impl Sink for Notes {
    fn emit(&mut self, event: Event) -> Result<(), Error> {
        if self.room == 0 {
            return Err(Refusal::Cancelled.into());
        }
        self.room -= 1;
        self.seen.push(match event {
            Event::Text(text) => text,
            Event::Thinking(text) => format!("({text})"),
            Event::Thought(thought) => format!("({}|{})", thought.text, thought.signature.unwrap()),
            Event::ToolStart(start) => format!("start {} {}", start.id, start.name),
            Event::ToolFragment(fragment) => format!("more {} {}", fragment.id, fragment.json),
            Event::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.arguments),
            Event::Usage(usage) => format!("usage {}/{}", usage.input, usage.output),
        });
        Ok(())
    }
}

impl Stage for Notes {
    fn wait(&mut self, milliseconds: u64) {
        self.seen.push(format!("wait {milliseconds}"));
    }
}

fn text(said: &str) -> Step {
    Step::new(Act::Text(said.to_owned()))
}

fn call(arguments: &str) -> Step {
    Step::new(Act::ToolCall { name: "weather".to_owned(), arguments: arguments.to_owned() })
}

/// Plays to the end for a request with these limits.
fn played(steps: &[Step], limit: Option<u32>, stop: &[&str]) -> (Vec<String>, Result<StopReason, Error>) {
    let mut request = request(&[(Role::User, "one two three")]);
    request.max_output_tokens = limit;
    request.stop = stop.iter().map(|&stop| stop.to_owned()).collect();
    let mut notes = Notes { seen: Vec::new(), room: usize::MAX };
    let stop = play(steps, &request, &mut notes).map(|ended| ended.stop);
    (notes.seen, stop)
}

#[test]
fn steps_become_events_in_order_and_words_are_counted() {
    let thinking = Act::Thinking { text: "hm well".to_owned(), signature: Some("s".to_owned()) };
    let (seen, stop) = played(&[Step::new(thinking), text("a b c")], None, &[]);
    assert_eq!(seen, ["(hm well)", "(hm well|s)", "a b c", "usage 5/5"]);
    assert_eq!(stop.unwrap(), StopReason::Complete);
}

#[test]
fn usage_of_the_script_stands_alone() {
    let usage = Usage { input: 7, output: 8, ..Usage::zero() };
    let (seen, _) = played(&[Step::new(Act::Usage(usage)), text("a")], None, &[]);
    assert_eq!(seen, ["usage 7/8", "a"]);
}

#[test]
fn a_text_is_cut_into_characters_or_words_and_nothing_is_lost() {
    let said = " \u{e9}n  two\n three ";
    assert_eq!(pieces(said, Pieces::Words), [" \u{e9}n  ", "two\n ", "three "]);
    assert_eq!(pieces(said, Pieces::Characters(2)).first(), Some(&" \u{e9}"));
    for how in [Pieces::Whole, Pieces::Words, Pieces::Characters(1), Pieces::Characters(99)] {
        assert_eq!(pieces(said, how).concat(), said);
        assert!(pieces("", how).is_empty());
    }
    assert_eq!(pieces(" ", Pieces::Words), [" "]);
}

#[test]
fn a_tool_call_has_a_start_fragments_and_one_end() {
    let step = Step { pieces: Pieces::Characters(3), ..call("{\"a\":1}") };
    let (seen, stop) = played(&[step], None, &[]);
    let expected = [
        "start call_1 weather",
        "more call_1 {\"a",
        "more call_1 \":1",
        "more call_1 }",
        "call call_1 weather {\"a\":1}",
        "usage 5/1",
    ];
    assert_eq!(seen, expected);
    assert_eq!(stop.unwrap(), StopReason::ToolCalls);
}

#[test]
fn ids_of_calls_go_on_where_the_conversation_is() {
    let request = with_result(request(&[(Role::User, "x")]), "rain", false);
    let mut notes = Notes { seen: Vec::new(), room: usize::MAX };
    play(&[Step { repeat: 2, ..call("{}") }], &request, &mut notes).unwrap();
    let calls: Vec<_> = notes.seen.iter().filter(|line| line.starts_with("call ")).collect();
    assert_eq!(calls, ["call call_2 weather {}", "call call_3 weather {}"]);
}

#[test]
fn a_delay_comes_before_each_event_of_its_step() {
    let slow = Step { pieces: Pieces::Characters(1), delay_ms: 5, ..text("ab") };
    let pause = Step { delay_ms: 9, ..Step::new(Act::Wait) };
    let (seen, _) = played(&[slow, pause], None, &[]);
    assert_eq!(seen, ["wait 5", "a", "wait 5", "b", "wait 9", "usage 5/1"]);
}

#[test]
fn ten_thousand_events_come_as_ten_thousand() {
    let (seen, _) = played(&[Step { repeat: 10_000, ..text("x") }], None, &[]);
    assert_eq!((seen.len(), seen.last().unwrap().as_str()), (10_001, "usage 5/10000"));
}

#[test]
fn an_error_or_a_stop_ends_the_turn() {
    let error = Error::new(ErrorKind::Overloaded, "busy").after(Some(3));
    let (seen, stop) = played(&[text("a"), Step::new(Act::Fail(error.clone()))], None, &[]);
    assert_eq!((seen, stop.unwrap_err()), (vec!["a".to_owned()], error));
    let (seen, stop) = played(&[text("a"), Step::new(Act::Stop(StopReason::Refused))], None, &[]);
    assert_eq!((seen.len(), stop.unwrap()), (2, StopReason::Refused));
}

#[test]
fn the_limit_of_the_request_ends_the_answer() {
    let (seen, stop) = played(&[text("a b "), text("c d"), text("e")], Some(3), &[]);
    assert_eq!(seen, ["a b ", "c ", "usage 5/3"]);
    assert_eq!(stop.unwrap(), StopReason::Length);
    let (_, stop) = played(&[text("a b c ")], Some(3), &[]);
    assert_eq!(stop.unwrap(), StopReason::Complete);
    let (seen, stop) = played(&[call("{\"a\": 1}")], Some(1), &[]);
    assert_eq!((seen, stop.unwrap()), (vec!["usage 5/1".to_owned()], StopReason::Length));
}

#[test]
fn a_stop_string_ends_the_answer_before_it() {
    let (seen, stop) = played(&[text("one END two STOP"), text("more")], None, &["STOP", "END", ""]);
    let asked = Request { stop: vec!["STOP".to_owned(), "END".to_owned()], ..request(&[]) };
    let mut notes = Notes { seen: Vec::new(), room: usize::MAX };
    let ended = play(&[text("one END two STOP")], &asked, &mut notes).unwrap();
    assert_eq!(ended.stop_sequence.as_deref(), Some("END"));
    assert_eq!(seen, ["one ", "usage 5/1"]);
    assert_eq!(stop.unwrap(), StopReason::StopSequence);
}

#[test]
fn nothing_is_played_after_nobody_listens() {
    let steps = [Step { pieces: Pieces::Words, delay_ms: 1, repeat: 1000, ..text("a b c ") }];
    let mut notes = Notes { seen: Vec::new(), room: 2 };
    let error = play(&steps, &request(&[]), &mut notes).unwrap_err();
    assert!(!error.retry);
    assert_eq!(notes.seen, ["wait 1", "a ", "wait 1", "b ", "wait 1"]);
}
