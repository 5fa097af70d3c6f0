//! The loop: at once what may be at once, stopped when it is stopped,
//! and mistakes of a model can be corrected.

use super::oracle::PERSON;
use cara_assistant::Input;
use cara_assistant::RunLimits;
use cara_assistant::event::{Ending, Failure};
use cara_harness::assistant::{Heard, Judge, Page, Reply, SYSTEM, Scripted, Setup, Stage, shown_to_model};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;

/// Answers one message.
async fn answer(stage: &Stage, model: Scripted, text: &str) -> (Arc<Scripted>, Heard, Result<Ending, Failure>) {
    let mut session = stage.session(PERSON).await;
    let (scripted, thinker) = model.shared();
    let heard = Heard::default();
    let run = stage.assistant.run(&mut session, &thinker, Input::typed(text), heard.company(Judge::denying()));
    let ended = tokio::time::timeout(Duration::from_secs(60), run).await.expect("the run ends");
    (scripted, heard, ended)
}

fn failing(text: &str, retry: bool) -> Reply {
    let failure =
        Failure { kind: "overloaded", message: "busy".into(), retry, retry_after_ms: Some(0), refusals: Vec::new() };
    Reply { failure: Some(failure), ..Reply::says(text) }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_only_read_are_made_at_once() {
    let stage = Stage::new().await;
    let barrier = Arc::new(Barrier::new(4));
    let hosts = ["a.example", "b.example", "c.example", "d.example"];
    for host in hosts {
        // None is answered before all are asked.
        stage.internet.page(host, Page::text(format!("text of {host}")).meeting(&barrier));
    }
    let model = Scripted::new(move |number, _| match number {
        0 => hosts.iter().fold(Reply::default(), |reply, host| {
            reply.and("fetch_page", json!({ "url": format!("https://{host}/") }))
        }),
        _ => Reply::says("done"),
    });
    let text = "Compare https://a.example/ https://b.example/ https://c.example/ https://d.example/";
    let (scripted, heard, ended) = answer(&stage, model, text).await;
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
        let stage = Stage::new().await;
        stage.internet.page("slow.example", Page::hanging());
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
        let mut session = stage.session(PERSON).await;
        let (scripted, thinker) = model.shared();
        let company = Heard::default().company(Judge::denying());
        let cancel = company.cancel.clone();
        let run = stage.assistant.run(&mut session, &thinker, Input::typed("Read https://slow.example/"), company);
        let stop = async {
            begins.await.unwrap();
            if with_tool {
                stage.internet.answering(1).await;
            }
            cancel.cancel();
        };
        let both = async { tokio::join!(run, stop) };
        let (ended, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it ends");
        assert_eq!(ended.unwrap_err().kind, "cancelled");
        assert_eq!(scripted.requests().len(), 1);
        stage.internet.answering(0).await;
        // The conversation can go on: every call has its result.
        let (_, thinker) = Scripted::new(|_, _| Reply::says("fine")).shared();
        let company = Heard::default().company(Judge::denying());
        stage.assistant.run(&mut session, &thinker, Input::typed("Never mind"), company).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_its_limits() {
    let limits = RunLimits { turns: 5, ..RunLimits::default() };
    let stage = Stage::with(Setup { limits, ..Setup::default() }).await;
    let endless = Scripted::new(|_, _| Reply::calls("time_now", json!({})));
    let (scripted, _, ended) = answer(&stage, endless, "Go").await;
    assert_eq!((ended.unwrap_err().kind, scripted.requests().len()), ("limit", 5));
    let limits = RunLimits { wall: Duration::from_millis(5), ..RunLimits::default() };
    let stage = Stage::with(Setup { limits, ..Setup::default() }).await;
    let hanging = Scripted::new(|_, _| Reply { hangs: true, ..Reply::default() });
    let (_, _, ended) = answer(&stage, hanging, "Go").await;
    assert_eq!(ended.unwrap_err().kind, "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_for_again_only_when_nothing_of_it_was_shown() {
    let stage = Stage::new().await;
    for (first, retry, requests) in [("", true, 2), ("The ans", true, 1), ("", false, 1)] {
        let model = Scripted::new(move |number, _| match number {
            0 => failing(first, retry),
            _ => Reply::says("The answer"),
        });
        let (scripted, heard, ended) = answer(&stage, model, "Go").await;
        assert_eq!(scripted.requests().len(), requests, "{first} {retry}");
        assert_eq!(ended.is_ok(), requests == 2, "{first} {retry}");
        let shown = if requests == 2 { "The answer" } else { first };
        assert_eq!(heard.shown(), shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_fit_comes_back_with_what_to_correct() {
    let stage = Stage::new().await;
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
        let (scripted, heard, ended) = answer(&stage, model, "Add").await;
        ended.unwrap();
        let results = heard.results();
        assert!(results[0].2 && results[0].1.contains(told), "{name:?} {arguments}: {results:?}");
        assert!(!results[1].2 && results[1].1.contains("23"), "{results:?}");
        assert!(shown_to_model(&scripted.requests()[1]).last().unwrap().contains(told));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_prompt_is_the_operators_text_and_the_hosts() {
    let stage = Stage::new().await;
    stage.internet.page("page.example", Page::text("zqxj from a page"));
    let model = Scripted::new(|number, _| match number {
        0 => Reply::calls("fetch_page", json!({ "url": "https://page.example/" })),
        1 => Reply::calls("zqxj_tool", json!({ "zqxj": 1 })),
        _ => Reply::says("zqxj from the model"),
    });
    let (scripted, ..) = answer(&stage, model, "zqxj from the person: https://page.example/").await;
    let systems: Vec<String> = scripted.requests().into_iter().map(|request| request.system.unwrap()).collect();
    assert_eq!(systems[0], SYSTEM);
    // Once something foreign is there, the host says how it is marked; with a name that is new in each run.
    for system in &systems[1..] {
        let host = system.strip_prefix(SYSTEM).unwrap();
        assert!(host.contains("untrusted-region") && !host.contains("zqxj") && !host.contains("example"), "{host}");
    }
    let (again, ..) = answer(
        &stage,
        Scripted::new(|_, _| Reply::calls("fetch_page", json!({ "url": "https://page.example/" }))),
        "https://page.example/",
    )
    .await;
    assert_ne!(again.requests()[1].system.clone().unwrap(), systems[1]);
}
