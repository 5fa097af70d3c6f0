//! The loop: at once what may be at once, stopped when it is stopped,
//! and mistakes of a model can be corrected.

use super::oracle::PERSON;
use cara_assistant::Toolbox;
use cara_assistant::budget::{Amount, Budgets};
use cara_assistant::event::{Ending, Failure};
use cara_assistant::part::STOPPED;
use cara_assistant::toolbox::{Belief, Fixed};
use cara_assistant::{Input, Rules, RunLimits, TurnEvent};
use cara_authority::limits::Time;
use cara_authority::{Label, Source};
use cara_harness::assistant::{Fixture, Heard, Judge, Page, Reply, SYSTEM, Scripted, Setup, shown_to_model};
use cara_kernel::bindings::types::Blob;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Barrier, watch};

/// Answers one message.
async fn answer(fixture: &Fixture, model: Scripted, text: &str) -> (Arc<Scripted>, Heard, Result<Ending, Failure>) {
    let mut session = fixture.session(PERSON).await;
    let (scripted, language_model) = model.shared();
    let heard = Heard::default();
    let run =
        fixture.assistant.run(&mut session, &language_model, Input::typed(text), heard.run_context(Judge::denying()));
    let ended = tokio::time::timeout(Duration::from_secs(60), run).await.expect("the run ends");
    (scripted, heard, ended)
}

fn failing(text: &str, retry: bool) -> Reply {
    let failure = Failure {
        kind: "overloaded".into(),
        message: "busy".into(),
        retry,
        retry_after_ms: Some(0),
        refusals: Vec::new(),
    };
    Reply { failure: Some(failure), ..Reply::says(text) }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_only_read_are_made_at_once() {
    let fixture = Fixture::new().await;
    let barrier = Arc::new(Barrier::new(4));
    let hosts = ["a.example", "b.example", "c.example", "d.example"];
    for host in hosts {
        // None is answered before all are asked.
        fixture.internet.page(host, Page::text(format!("text of {host}")).meeting(&barrier));
    }
    let model = Scripted::new(move |number, _| match number {
        0 => hosts.iter().fold(Reply::default(), |reply, host| {
            reply.and("fetch_page", json!({ "url": format!("https://{host}/") }))
        }),
        _ => Reply::says("done"),
    });
    let text = "Compare https://a.example/ https://b.example/ https://c.example/ https://d.example/";
    let (scripted, heard, ended) = answer(&fixture, model, text).await;
    ended.unwrap();
    assert!(heard.results().iter().all(|(_, _, failed)| !failed), "{:?}", heard.results());
    // And their results stand in the order of the calls.
    let told: Vec<String> = shown_to_model(&scripted.requests()[1]);
    let places: Vec<usize> = hosts
        .iter()
        .map(|host| told.iter().position(|text| text.contains(&format!("text of {host}"))).unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_ends_its_model_and_its_tool_at_once() {
    for with_tool in [false, true] {
        let fixture = Fixture::new().await;
        fixture.internet.page("slow.example", Page::hanging());
        let (began, begins) = tokio::sync::oneshot::channel();
        let began = std::sync::Mutex::new(Some(began));
        let model = Scripted::new(move |_, _| {
            if let Some(began) = began.lock().unwrap().take() {
                let _ = began.send(());
            }
            if with_tool {
                Reply::calls("fetch_page", json!({ "url": "https://slow.example/" }))
            } else {
                Reply { hangs: true, ..Reply::says("so") }
            }
        });
        let mut session = fixture.session(PERSON).await;
        let (scripted, language_model) = model.shared();
        let run_context = Heard::default().run_context(Judge::denying());
        let cancel = run_context.cancel.clone();
        let run = fixture.assistant.run(
            &mut session,
            &language_model,
            Input::typed("Read https://slow.example/"),
            run_context,
        );
        let stop = async {
            begins.await.unwrap();
            if with_tool {
                fixture.internet.answering(1).await;
            }
            cancel.cancel();
        };
        let both = async { tokio::join!(run, stop) };
        let (ended, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it ends");
        assert_eq!(ended.unwrap_err().kind, "cancelled");
        assert_eq!(scripted.requests().len(), 1);
        fixture.internet.answering(0).await;
        // The conversation can go on: every call has its result.
        let (_, language_model) = Scripted::new(|_, _| Reply::says("fine")).shared();
        let run_context = Heard::default().run_context(Judge::denying());
        fixture.assistant.run(&mut session, &language_model, Input::typed("Never mind"), run_context).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_change_in_the_middle_of_a_run_hold_for_its_next_call_and_answer() {
    let mut fixture = Fixture::new().await;
    let deny = toml::from_str("[[rule]]\ntool = \"time_now\"\nthen = \"deny\"").unwrap();
    let spent = Amount { tokens: Some(1), ..Amount::default() };
    let denying = Arc::new(Rules { policy: deny, ..Rules::default() });
    let sparing = Arc::new(Rules { budgets: Budgets { run: spent, ..Budgets::default() }, ..Rules::default() });
    let rules = watch::Sender::new(Arc::<Rules>::default());
    fixture.assistant.rules = rules.subscribe().into();
    let changing = Scripted::new(move |number, _| {
        match number {
            1 => drop(rules.send_replace(denying.clone())),
            2 => drop(rules.send_replace(sparing.clone())),
            _ => {}
        }
        Reply::calls("time_now", json!({}))
    });
    let (scripted, heard, ended) = answer(&fixture, changing, "What time is it?").await;
    let results = heard.results();
    assert!(!results[0].2, "{}", results[0].1);
    assert!(results[1].2 && results[1].1.contains("(policy.rule 1)"), "{}", results[1].1);
    assert!(!results[2].2, "{}", results[2].1);
    assert_eq!((&*ended.unwrap_err().kind, scripted.requests().len()), ("budget", 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_its_limits() {
    let limits = RunLimits { turns: 5, ..RunLimits::default() };
    let fixture = Fixture::with(Setup { limits, ..Setup::default() }).await;
    let endless = Scripted::new(|_, _| Reply::calls("time_now", json!({})));
    let (scripted, _, ended) = answer(&fixture, endless, "Go").await;
    assert_eq!((&*ended.unwrap_err().kind, scripted.requests().len()), ("limit", 5));
    let limits = RunLimits { wall: Time(Duration::from_millis(5)), ..RunLimits::default() };
    let fixture = Fixture::with(Setup { limits, ..Setup::default() }).await;
    let hanging = Scripted::new(|_, _| Reply { hangs: true, ..Reply::default() });
    let (_, _, ended) = answer(&fixture, hanging, "Go").await;
    assert_eq!(ended.unwrap_err().kind, "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_for_again_only_when_nothing_of_it_was_shown() {
    let fixture = Fixture::new().await;
    for (first, retry, requests) in [("", true, 2), ("The ans", true, 1), ("", false, 1)] {
        let model = Scripted::new(move |number, _| match number {
            0 => failing(first, retry),
            _ => Reply::says("The answer"),
        });
        let (scripted, heard, ended) = answer(&fixture, model, "Go").await;
        assert_eq!(scripted.requests().len(), requests, "{first} {retry}");
        assert_eq!(ended.is_ok(), requests == 2, "{first} {retry}");
        let shown = if requests == 2 { "The answer" } else { first };
        assert_eq!(heard.shown(), shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_fit_comes_back_with_what_to_correct() {
    let fixture = Fixture::new().await;
    for (name, arguments, told) in [
        ("calculate", r#"{"e":"1"}"#, "there is no tool `calculate`"),
        ("math_evaluate", r#"{"sum":"1+1"}"#, "do not fit its schema"),
        ("math_evaluate", r#"{"expression":7}"#, "/expression"),
        ("math_evaluate", "[1]", "not a JSON object"),
        ("math_evaluate", "{", "not a JSON object"),
        ("math_evaluate\n", "{}", "there is no tool"),
    ] {
        let model = Scripted::new(move |number, _| match number {
            0 => Reply::calls(name, arguments),
            1 => Reply::calls("math_evaluate", json!({ "expression": "20+3" })),
            _ => Reply::says("done"),
        });
        let (scripted, heard, ended) = answer(&fixture, model, "Add").await;
        ended.unwrap();
        let results = heard.results();
        assert!(results[0].2 && results[0].1.contains(told), "{name:?} {arguments}: {results:?}");
        assert!(!results[1].2 && results[1].1.contains("23"), "{results:?}");
        assert!(shown_to_model(&scripted.requests()[1]).last().unwrap().contains(told));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_prompt_is_the_operators_text_and_the_hosts() {
    let fixture = Fixture::new().await;
    fixture.internet.page("page.example", Page::text("zqxj from a page"));
    let model = Scripted::new(|number, _| match number {
        0 => Reply::calls("fetch_page", json!({ "url": "https://page.example/" })),
        1 => Reply::calls("zqxj_tool", json!({ "zqxj": 1 })),
        _ => Reply::says("zqxj from the model"),
    });
    let (scripted, ..) = answer(&fixture, model, "zqxj from the person: https://page.example/").await;
    let systems: Vec<String> = scripted.requests().into_iter().map(|request| request.system.unwrap()).collect();
    assert_eq!(systems[0], SYSTEM);
    // Once something foreign is there, the host says how it is marked; with a name that is new in each run.
    for system in &systems[1..] {
        let host = system.strip_prefix(SYSTEM).unwrap();
        assert!(host.contains("untrusted-region") && !host.contains("zqxj") && !host.contains("example"), "{host}");
    }
    let (again, ..) = answer(
        &fixture,
        Scripted::new(|_, _| Reply::calls("fetch_page", json!({ "url": "https://page.example/" }))),
        "https://page.example/",
    )
    .await;
    assert_ne!(again.requests()[1].system.clone().unwrap(), systems[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_stands_for_the_run() {
    let fixture = Fixture::new().await;
    let write = |value: &str| Reply::calls("memory_write", json!({ "key": "seat", "value": value }));
    let model = Scripted::new(move |number, _| match number {
        0 | 4 => write("aisle"),
        1 => Reply::calls("memory_write", "{ \"value\": \"aisle\",  \"key\": \"seat\" }"),
        2 => write("window"),
        _ => Reply::says("done"),
    });
    let mut session = fixture.session(PERSON).await;
    let (_, language_model) = model.shared();
    let (heard, judge) = (Heard::default(), Judge::denying());
    let run = fixture.assistant.run(
        &mut session,
        &language_model,
        Input::typed("Note the seat"),
        heard.run_context(judge.clone()),
    );
    run.await.unwrap();
    // The same arguments, however they are written, are one question; others are another.
    assert_eq!(judge.asked().len(), 2, "{:?}", judge.asked());
    let results = heard.results();
    assert!(results[0].1.starts_with("denied by") && results[1].1.starts_with("denied already"), "{results:?}");
    // In the next run it may be asked again.
    let run = fixture.assistant.run(
        &mut session,
        &language_model,
        Input::typed("Note the seat, please"),
        heard.run_context(judge.clone()),
    );
    run.await.unwrap();
    assert_eq!(judge.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_makes_no_more_calls_than_it_may_and_is_told() {
    let limits = RunLimits { calls: 3, ..RunLimits::default() };
    let fixture = Fixture::with(Setup { limits, ..Setup::default() }).await;
    let model = Scripted::new(|number, _| match number {
        0 => (0..200).fold(Reply::default(), |reply, _| reply.and("time_now", json!({ "zone": "UTC" }))),
        _ => Reply::says("done"),
    });
    let (scripted, heard, ended) = answer(&fixture, model, "What time is it?").await;
    ended.unwrap();
    let made = heard.results().iter().filter(|(_, _, failed)| !failed).count();
    assert_eq!((made, heard.results().len()), (3, 200));
    let told = shown_to_model(&scripted.requests()[1]);
    assert_eq!(told.iter().filter(|text| text.contains("one answer may make 3 calls")).count(), 197);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_stopped_is_kept_and_marked() {
    let fixture = Fixture::new().await;
    let model = Scripted::new(|number, _| match number {
        0 => Reply { hangs: true, ..Reply::says("The first half") }.and("time_now", json!({})),
        1 => Reply { hangs: true, ..Reply::default() },
        _ => Reply::says("fine"),
    });
    let (scripted, language_model) = model.shared();
    let mut session = fixture.session(PERSON).await;
    for (text, words) in [("Tell me a long story", true), ("Go on", false)] {
        let mut run_context = Heard::default().run_context(Judge::denying());
        let cancel = run_context.cancel.clone();
        run_context.listen = Arc::new(move |event| {
            if matches!(event, TurnEvent::ToolCall { .. }) {
                cancel.cancel();
            }
        });
        let (cancel, asked) = (run_context.cancel.clone(), scripted.clone());
        let run = fixture.assistant.run(&mut session, &language_model, Input::typed(text), run_context);
        let stop = async {
            while !words && asked.requests().len() < 2 {
                tokio::task::yield_now().await;
            }
            if !words {
                cancel.cancel();
            }
        };
        let (ended, ()) = tokio::join!(run, stop);
        assert_eq!(ended.unwrap_err().kind, "cancelled");
    }
    // In the next prompt, in this process and in the next one.
    for _ in 0..2 {
        let run_context = Heard::default().run_context(Judge::denying());
        fixture.assistant.run(&mut session, &language_model, Input::typed("And now?"), run_context).await.unwrap();
        let told = shown_to_model(scripted.requests().last().unwrap());
        let kept = ["Tell me a long story", "The first half", STOPPED, "Go on", STOPPED, "And now?"];
        assert_eq!(told[..6], kept, "{told:?}");
        session = fixture.reopened(&session.id().clone(), PERSON).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_secret_is_shown_to_its_owner_and_said() {
    let fixture = Fixture::new().await;
    let link = format!("https://acc.example/reset?token={}", "q7Zk2mXw9RtB4vNc8LpD".repeat(2));
    let model = {
        let link = link.clone();
        Scripted::new(move |_, _| Reply::says(format!("Here: {link}")))
    };
    let (_, heard, ended) = answer(&fixture, model, "What was my reset link?").await;
    ended.unwrap();
    assert_eq!(heard.shown(), format!("Here: {link}"));
    let said = |event: &TurnEvent| matches!(event, TurnEvent::Guard { place, .. } if place == "answer");
    assert!(heard.events().iter().any(said), "{:?}", heard.events());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_cut_only_where_the_model_has_no_room_and_the_rest_can_be_read() {
    let page: String = (0..9_000).map(|line| format!("line {line:05}\n")).collect();
    for (context, cut) in [(200_000, false), (8_000, true)] {
        let fixture = Fixture::new().await;
        fixture.internet.page("long.example", Page::text(page.clone()));
        let model = Scripted::new(move |number, request| {
            let told = shown_to_model(request).join("\n");
            match number {
                0 => {
                    let wanted = json!({ "url": "https://long.example/", "max_characters": 100_000 });
                    Reply::calls("fetch_page", wanted)
                }
                1 if cut => {
                    let after = |mark: &str| told.split(mark).nth(1).unwrap_or_else(|| panic!("{told}")).to_owned();
                    let id = after("the full text is attachment ")[..12].to_owned();
                    let offset = after("continue at offset ");
                    let offset: usize = offset[..offset.find(']').unwrap()].parse().unwrap();
                    Reply::calls("attachment_read", json!({ "attachment": id, "offset": offset, "bytes": 1_000 }))
                }
                _ => Reply::says("done"),
            }
        });
        let (_, heard, ended) = answer(&fixture, model.context(context), "Read https://long.example/").await;
        ended.unwrap();
        let results = heard.results();
        assert_eq!(results[0].1.contains("line 08999"), !cut, "{}", results[0].1.len());
        if cut {
            // The last line may be cut in two; the one after it comes whole.
            let whole = |line: &str| line.strip_prefix("line ").filter(|number| number.len() == 5)?.parse().ok();
            let last: usize = results[0].1.lines().rev().find_map(whole).unwrap();
            assert!(results[1].1.contains(&format!("line {:05}", last + 2)), "{last}: {}", results[1].1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tool_has_no_memory_for_is_not_loaded() {
    let mut fixture = Fixture::new().await;
    let narrow = fixture.testbed.first_party("attachments").limits("memory = \"6MiB\"").load();
    let mut toolbox = Toolbox::default();
    toolbox.add(&narrow.component, &narrow.grants, &Belief::default()).unwrap();
    fixture.assistant.tools = Arc::new(Fixed(Arc::new(toolbox)));
    let mut session = fixture.session(PERSON).await;
    for (megabytes, read) in [(1, true), (4, false)] {
        let data = vec![b'x'; megabytes << 20];
        let blob = Blob { media_type: "text/plain".into(), name: None, data };
        let label = Label::of(Source::Owner);
        let id = session.attach(&fixture.assistant.records, blob, label).await.unwrap();
        let model = Scripted::new(move |number, _| match number {
            0 => Reply::calls("attachment_read", json!({ "attachment": id, "bytes": 100 })),
            _ => Reply::says("done"),
        });
        let (heard, (_, language_model)) = (Heard::default(), model.shared());
        let run = fixture.assistant.run(
            &mut session,
            &language_model,
            Input::typed("Read"),
            heard.run_context(Judge::denying()),
        );
        run.await.unwrap();
        let results = heard.results();
        assert_eq!(results[0].1.contains("xxxx"), read, "{results:?}");
        assert_eq!(results[0].1.contains("its memory has room for"), !read, "{results:?}");
    }
}
