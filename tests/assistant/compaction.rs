//! A conversation that is longer than the model's context goes on,
//! and forgets neither facts nor labels.

use super::oracle::PERSON;
use cara_assistant::Input;
use cara_assistant::RunLimits;
use cara_assistant::budget::{Amount, Budgets};
use cara_authority::Source;
use cara_harness::assistant::{Fixture, Heard, Judge, Page, Reply, Scripted, Setup, shown_to_model};
use cara_kernel::bindings::provider::Request;
use cara_kernel::bindings::types::{Part, Role};
use serde_json::json;
use std::collections::{BTreeSet, HashSet};

const CONTEXT: u32 = 8_000;
const TURNS: usize = 500;

/// Tokens of a request as this vendor counts: one for four bytes of everything.
fn count(request: &Request) -> usize {
    let said: usize = shown_to_model(request).iter().map(String::len).sum();
    let tools: usize =
        request.tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.input_schema.len()).sum();
    (said + tools + request.system.as_ref().map_or(0, String::len)) / 4
}

/// Every call is followed by its result, in the next message, and every result has its call.
fn paired(request: &Request) {
    let mut open: HashSet<&str> = HashSet::new();
    for message in &request.messages {
        if message.role != Role::Tool {
            assert!(open.is_empty(), "calls without a result: {open:?}");
        }
        for part in &message.parts {
            match part {
                Part::ToolCall(call) => assert!(open.insert(&call.id), "`{}` twice", call.id),
                Part::ToolResult(result) => assert!(open.remove(result.call_id.as_str()), "`{}` alone", result.call_id),
                _ => {}
            }
        }
    }
    assert!(open.is_empty(), "calls without a result: {open:?}");
}

/// The lines with facts in what the model was given.
fn facts(request: &Request) -> BTreeSet<String> {
    let texts = shown_to_model(request);
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| Some(line[line.find("FACT ")?..].to_owned())).collect()
}

/// Sums up by repeating the facts, and works out a sum every tenth turn.
fn model() -> Scripted {
    let model = Scripted::new(|_, request| {
        assert!(count(request) <= CONTEXT as usize, "{} tokens", count(request));
        paired(request);
        if request.tools.is_empty() {
            let facts: Vec<String> = facts(request).into_iter().collect();
            return Reply::says(format!("Summary. All of it is trusted and has no label.\n{}", facts.join("\n")));
        }
        let last = request.messages.last().unwrap();
        let asked = shown_to_model(request).last().cloned().unwrap_or_default();
        match () {
            () if last.role == Role::Tool => Reply::says("So it is."),
            () if asked.contains("Work out") => {
                Reply::calls("math_evaluate", json!({ "expression": "6*7" })).and("time_now", json!({ "zone": "UTC" }))
            }
            () if asked.contains("Read") => Reply::calls("fetch_page", json!({ "url": "https://page.example/" })),
            () if asked.contains("Which facts") => {
                Reply::says(facts(request).into_iter().collect::<Vec<_>>().join("\n"))
            }
            () => Reply::says("I see. ".repeat(8)),
        }
    });
    model.context(CONTEXT)
}

fn says(turn: usize) -> String {
    match turn {
        0..10 => format!("FACT {turn}: the door of house {turn} opens with word{}", turn * turn + 11),
        12 => "Read https://page.example/".into(),
        turn if turn % 10 == 5 => format!("Work out number {turn}"),
        turn => format!("Turn {turn}. {}", "This and that happened today. ".repeat(4)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_turns_fit_into_eight_thousand_tokens_and_keep_ten_facts_and_the_label() {
    let unlimited = Amount { tokens: None, dollars: None };
    let budgets = Budgets { run: unlimited, ..Setup::default().budgets };
    let limits = RunLimits { answer_tokens: 512, ..RunLimits::default() };
    let fixture = Fixture::with(Setup { budgets, limits, ..Setup::default() }).await;
    fixture.internet.page("page.example", Page::text("A page about doors."));
    let (scripted, language_model) = model().shared();
    let mut session = fixture.session(PERSON).await;
    let mut shown = String::new();
    for turn in 0..TURNS {
        // Halfway, the process ends and another one goes on.
        if turn == TURNS / 2 {
            session = fixture.reopened(&session.id().clone(), PERSON).await;
        }
        let (text, heard) = (if turn + 1 == TURNS { "Which facts?".into() } else { says(turn) }, Heard::default());
        let ended = fixture
            .assistant
            .run(&mut session, &language_model, Input::typed(&text), heard.run_context(Judge::denying()))
            .await;
        ended.unwrap_or_else(|failure| panic!("turn {turn}: {failure}"));
        shown = heard.shown();
    }
    let asides = scripted.requests().iter().filter(|request| request.tools.is_empty()).count();
    assert!(asides >= 5, "{asides} summaries");
    for turn in 0..10 {
        assert!(shown.contains(&says(turn)), "fact {turn} is not in: {shown}");
    }
    assert!(session.summary().unwrap().label.has(Source::Web), "{:?}", session.summary().unwrap().label);
    assert!(session.seen().is_untrusted());
}
