//! Ordinary work with sensible models: it finishes,
//! and what only reads asks nobody.

use super::oracle::PERSON;
use super::tasks::{Task, all};
use super::thirty_days::reader;
use cara_assistant::{Input, Reading, Session};
use cara_authority::{Label, PersonId, Source};
use cara_harness::assistant::{ENGINE, Fixture, Heard, Judge, Page, Reply, Scripted, Setup, shown_to_model};
use cara_kernel::bindings::provider::Request;
use cara_kernel::bindings::types::Blob;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn internet(fixture: &Fixture) {
    fixture.internet.site("news.example", |target| match target {
        "/today" => Page::html("<p>The harbour opens.</p><p><a href=\"https://news.example/harbour\">more</a></p>"),
        "/harbour" => Page::html("<p>With ferries. <a href=\"https://found.example/quays\">Quays</a></p>"),
        _ => Page::text("gone").status(404),
    });
    fixture.internet.site("short.example", |_| Page::redirect("https://news.example/today"));
    fixture.internet.page("weather.example", Page::text("rain all day"));
    fixture.internet.page("found.example", Page::text("a quay and a crane"));
    fixture.internet.site("pictures.example", |target| match target {
        "/" => Page::html("<p>A picture: <a href=\"https://pictures.example/cat.png\">cat</a></p>"),
        _ => Page::bytes("image/png", PNG.to_vec()),
    });
    let results = json!({ "results": [
        { "url": "https://found.example/harbours", "title": "Harbours", "content": "all of them" },
        { "url": "https://found.example/quays", "title": "Quays", "content": "most of them" },
    ] });
    fixture.internet.page(ENGINE, Page::json(results.to_string()));
}

async fn records(fixture: &Fixture) {
    use cara_records::{NewMessage, Role, RunState};
    let owner = Label::of(Source::Owner);
    let memory = fixture.assistant.records.memory(&PersonId::parse(PERSON).unwrap());
    memory.write("travel/seat", "aisle", owner.clone()).await.unwrap();
    memory.write("home", "Oslo", owner.clone()).await.unwrap();
    let session = fixture.session(PERSON).await;
    fixture.assistant.records.rename_session(session.id(), "sailing").await.unwrap();
    let body = json!([{ "label": owner, "kind": "text", "text": "I want a ketch" }]);
    let message = NewMessage { role: Role::User, body, label: owner, speaker: None };
    let run = fixture.assistant.records.begin_run(session.id(), "p-zero", &message).await.unwrap();
    fixture.assistant.records.end_run(&run, &[], RunState::Done, None, &[]).await.unwrap();
}

/// The ids of sessions or attachments in what the model was shown.
fn ids(request: &Request, prefix: &str) -> Vec<String> {
    let seen = shown_to_model(request).join("\n");
    let letters = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    let id = |(at, _): (usize, &str)| {
        let id: String = seen[at + 2..].chars().take_while(|c| letters(*c)).collect();
        (id.len() == 10).then(|| format!("{prefix}{id}"))
    };
    seen.match_indices(prefix).filter_map(id).collect()
}

/// A model that makes its calls one after the other, and then says what the last one answered.
fn sensible(calls: Vec<Vec<(&'static str, Value)>>) -> Scripted {
    let asked = AtomicUsize::new(0);
    Scripted::new(move |_, request| {
        if let Some(read) = reader(request) {
            return read;
        }
        if request.tools.is_empty() {
            return Reply::says("A description");
        }
        match calls.get(asked.fetch_add(1, Ordering::Relaxed)) {
            Some(calls) => {
                let earlier = ids(request, "s-").pop().unwrap_or_default();
                let attachment = ids(request, "f-").pop().unwrap_or_default();
                let arguments = |value: &Value| {
                    value.to_string().replace("{{earlier}}", &earlier).replace("{{attachment}}", &attachment)
                };
                let calls = calls.iter().map(|(name, value)| ((*name).to_owned(), arguments(value))).collect();
                Reply { calls, ..Reply::default() }
            }
            None => Reply::says(format!("{}\ndone", shown_to_model(request).join("\n"))),
        }
    })
}

/// How often a person was asked, or what went wrong.
async fn finish(task: &Task, reading: Reading) -> Result<usize, String> {
    let fixture = Fixture::with(Setup { reading, ..Setup::default() }).await;
    internet(&fixture);
    records(&fixture).await;
    let mut session: Session = fixture.session(PERSON).await;
    let mut prompts = 0;
    for (number, turn) in task.turns.iter().enumerate() {
        if let Some((media_type, words)) = task.attached.filter(|_| number == 0) {
            let data = [PNG, words.as_bytes()].concat();
            let blob = Blob { media_type: media_type.into(), name: Some("cat.png".into()), data };
            session.attach(&fixture.assistant.records, blob, Label::of(Source::Owner)).await.unwrap();
        }
        let (_, language_model) = sensible(turn.calls.clone()).shared();
        let (heard, judge) = (Heard::default(), Judge::allowing());
        let ended = fixture
            .assistant
            .run(&mut session, &language_model, Input::typed(turn.says), heard.run_context(judge.clone()))
            .await;
        let ending = ended.map_err(|failure| failure.to_string())?;
        let asked = judge.asked();
        prompts += asked.len();
        let results: String = heard.results().into_iter().map(|(name, text, _)| format!("{name}: {text}\n")).collect();
        // A planner that is not shown the results has to pass them on.
        let results = if reading == Reading::Direct { results } else { String::new() };
        let all = format!("{results}{}", heard.shown());
        if ending.stop != "complete" || !all.contains(turn.expects) {
            return Err(format!("`{}` is not in: {all}", turn.expects));
        }
        if asked.len() != turn.asks && reading == Reading::Direct {
            let why: Vec<String> = asked.iter().map(|asked| format!("{} {:?}", asked.tool, asked.why)).collect();
            return Err(format!("asked {} times, not {}: {why:?}", asked.len(), turn.asks));
        }
    }
    Ok(prompts)
}

/// How each task ended.
async fn every(tasks: &[Task], reading: Reading) -> Vec<(&'static str, Result<usize, String>)> {
    let finished = futures_util::stream::iter(tasks).map(async |task| (task.name, finish(task, reading).await));
    finished.buffered(8).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_agent_finishes_ordinary_work_and_asks_no_more() {
    let tasks: Vec<Task> = all();
    let finished = every(&tasks, Reading::Quarantined).await;
    let failed: Vec<String> =
        finished.iter().filter_map(|(name, end)| Some(format!("{name}: {}", end.as_ref().err()?))).collect();
    let prompts: usize = finished.iter().filter_map(|(_, end)| end.as_ref().ok()).sum();
    println!("quarantined: {} of {} finish, {prompts} prompts", tasks.len() - failed.len(), tasks.len());
    assert!(failed.len() * 20 <= tasks.len(), "{}", failed.join("\n"));
    assert!(prompts <= 11, "{prompts} prompts");
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_work_finishes_and_what_only_reads_asks_nobody() {
    let tasks: Vec<Task> = all();
    let all = tasks.len();
    assert!(all >= 60, "{all} dialogues");
    let finished = every(&tasks, Reading::Direct).await;
    let failed: Vec<String> =
        finished.iter().filter_map(|(name, end)| Some(format!("{name}: {}", end.as_ref().err()?))).collect();
    let prompts: usize = finished.iter().filter_map(|(_, end)| end.as_ref().ok()).sum();
    // All of them finish; the prompts are those of the eleven that write, send or choose an address after reading.
    assert!(failed.is_empty(), "{} of {all} failed, {prompts} prompts\n{}", failed.len(), failed.join("\n"));
    assert_eq!(prompts, 11, "prompts in {all} dialogues");
}
