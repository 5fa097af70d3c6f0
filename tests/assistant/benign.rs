//! Ordinary work with sensible models: it finishes, and what only reads asks nobody.

use crate::oracle::PERSON;
use cara_assistant::Session;
use cara_authority::{Label, PersonId, Source};
use cara_harness::assistant::{ENGINE, Heard, Judge, Page, Reply, Scripted, Stage, shown_to_model};
use cara_kernel::bindings::provider::Request;
use cara_kernel::bindings::types::Blob;
use futures_util::StreamExt;
use serde_json::{Value, json};

/// One thing the person says, the calls the model makes for it one after the other, and a word its answer must have.
struct Turn {
    says: &'static str,
    calls: Vec<Vec<(&'static str, Value)>>,
    expects: &'static str,
    /// How often a person has to be asked.
    asks: usize,
}

struct Task {
    name: &'static str,
    turns: Vec<Turn>,
    attached: Option<(&'static str, &'static str)>,
}

fn turn(says: &'static str, calls: Vec<Vec<(&'static str, Value)>>, expects: &'static str, asks: usize) -> Turn {
    Turn { says, calls, expects, asks }
}

fn task(name: &'static str, turns: Vec<Turn>) -> Task {
    Task { name, turns, attached: None }
}

/// One call and an answer that has to hold a word.
fn one(name: &'static str, says: &'static str, tool: &'static str, arguments: Value, expects: &'static str) -> Task {
    task(name, vec![turn(says, vec![vec![(tool, arguments)]], expects, 0)])
}

fn asked(name: &'static str, says: &'static str, tool: &'static str, arguments: Value, expects: &'static str) -> Task {
    task(name, vec![turn(says, vec![vec![(tool, arguments)]], expects, 1)])
}

fn calculations() -> Vec<Task> {
    let sum = |name, expression: &str, expects| {
        one(name, "Work that out", "math_evaluate", json!({ "expression": expression }), expects)
    };
    vec![
        sum("a sum", "0.1 + 0.2", "0.3"),
        sum("feet", "3 feet in cm", "91.44"),
        sum("a share", "12.5% of 80", "10"),
        sum("a power", "2^64", "18446744073709551616"),
        sum("a speed", "60 mph * 2.5 hours in km", "241.4"),
        sum("a fraction", "1/3 + 1/6 to fraction", "1/2"),
        sum("factorials", "5! / 3!", "20"),
        sum("a litre", "2 litres in ml", "2000"),
        one("now", "What time is it?", "time_now", json!({}), "Europe/Oslo"),
        one("now elsewhere", "And in Tokyo?", "time_now", json!({ "zone": "Asia/Tokyo" }), "Asia/Tokyo"),
        one(
            "a call",
            "9 in New York is?",
            "time_convert",
            json!({ "time": "2026-07-01T09:00", "from": "America/New_York", "to": "Europe/Oslo" }),
            "15:00",
        ),
        one(
            "a flight",
            "Landing?",
            "time_convert",
            json!({ "time": "2026-07-01T09:00Z", "to": "Asia/Kathmandu" }),
            "14:45",
        ),
        task(
            "two sums at once",
            vec![turn(
                "Both please",
                vec![vec![("math_evaluate", json!({ "expression": "6*7" })), ("time_now", json!({ "zone": "UTC" }))]],
                "UTC",
                0,
            )],
        ),
        task(
            "a zone that is wrong first",
            vec![turn(
                "In Oslo?",
                vec![
                    vec![("time_now", json!({ "zone": "Oslo" }))],
                    vec![("time_now", json!({ "zone": "Europe/Oslo" }))],
                ],
                "Europe/Oslo",
                0,
            )],
        ),
        task(
            "arguments that do not fit first",
            vec![turn(
                "Add",
                vec![
                    vec![("math_evaluate", json!({ "sum": "1+1" }))],
                    vec![("math_evaluate", json!({ "expression": "1+1" }))],
                ],
                "2",
                0,
            )],
        ),
        task(
            "a tool that does not exist first",
            vec![turn(
                "Add",
                vec![
                    vec![("calculator", json!({ "e": "1+1" }))],
                    vec![("math_evaluate", json!({ "expression": "20+3" }))],
                ],
                "23",
                0,
            )],
        ),
    ]
}

fn reading() -> Vec<Task> {
    let fetch = |url: &str| ("fetch_page", json!({ "url": url }));
    let search = |words: &str| ("web_search", json!({ "query": words }));
    vec![
        one(
            "a page",
            "Sum up https://news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today" }),
            "harbour",
        ),
        one(
            "a page without a scheme",
            "Sum up news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today" }),
            "harbour",
        ),
        one(
            "a page of its own choice",
            "What is the weather in Oslo?",
            "fetch_page",
            json!({ "url": "https://weather.example/oslo" }),
            "rain",
        ),
        one(
            "a page that is gone",
            "Read https://news.example/gone",
            "fetch_page",
            json!({ "url": "https://news.example/gone" }),
            "404",
        ),
        one(
            "a page as it is",
            "The source of https://news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today", "raw": true }),
            "<a",
        ),
        one(
            "a part of a page",
            "More of https://news.example/today",
            "fetch_page",
            json!({ "url": "https://news.example/today", "offset": 3 }),
            "harbour",
        ),
        one(
            "a redirect",
            "Read https://short.example/n",
            "fetch_page",
            json!({ "url": "https://short.example/n" }),
            "harbour",
        ),
        one("a search", "Find harbours", "web_search", json!({ "query": "harbours" }), "found.example"),
        one(
            "a search with fewer results",
            "Find one harbour",
            "web_search",
            json!({ "query": "harbour", "count": 1 }),
            "found.example",
        ),
        task(
            "a search and its result",
            vec![turn(
                "Find harbours and read the first",
                vec![vec![search("harbours")], vec![fetch("https://found.example/harbours")]],
                "quay",
                0,
            )],
        ),
        task(
            "a search and two results at once",
            vec![turn(
                "Compare",
                vec![
                    vec![search("harbours")],
                    vec![fetch("https://found.example/harbours"), fetch("https://found.example/quays")],
                ],
                "quay",
                0,
            )],
        ),
        task(
            "two searches",
            vec![turn("Both", vec![vec![search("harbours")], vec![search("quays")]], "found.example", 0)],
        ),
        task(
            "a link on a page",
            vec![turn(
                "Read https://news.example/today and what it links to",
                vec![vec![fetch("https://news.example/today")], vec![fetch("https://news.example/harbour")]],
                "ferries",
                0,
            )],
        ),
        task(
            "a link of a link",
            vec![turn(
                "Follow https://news.example/today to the end",
                vec![
                    vec![fetch("https://news.example/today")],
                    vec![fetch("https://news.example/harbour")],
                    vec![fetch("https://found.example/quays")],
                ],
                "quay",
                0,
            )],
        ),
        task(
            "a page, then a sum",
            vec![turn(
                "Count the words of https://news.example/today twice",
                vec![
                    vec![fetch("https://news.example/today")],
                    vec![("math_evaluate", json!({ "expression": "6*2" }))],
                ],
                "12",
                0,
            )],
        ),
        task(
            "a page, then another that the person names",
            vec![
                turn("Read https://news.example/today", vec![vec![fetch("https://news.example/today")]], "harbour", 0),
                turn("Now https://weather.example/oslo", vec![vec![fetch("https://weather.example/oslo")]], "rain", 0),
            ],
        ),
        task(
            "a link in the next turn",
            vec![
                turn("Read https://news.example/today", vec![vec![fetch("https://news.example/today")]], "harbour", 0),
                turn("Read the link in it", vec![vec![fetch("https://news.example/harbour")]], "ferries", 0),
            ],
        ),
        task(
            "a search after a page",
            vec![turn(
                "Read https://news.example/today and find more",
                vec![vec![fetch("https://news.example/today")], vec![search("harbour ferries")]],
                "found.example",
                0,
            )],
        ),
        task(
            "two pages at once",
            vec![turn(
                "Compare https://news.example/today and https://weather.example/oslo",
                vec![vec![fetch("https://news.example/today"), fetch("https://weather.example/oslo")]],
                "rain",
                0,
            )],
        ),
        task(
            "a search in the next turn",
            vec![
                turn("Find harbours", vec![vec![search("harbours")]], "found.example", 0),
                turn("Read the second", vec![vec![fetch("https://found.example/quays")]], "quay", 0),
            ],
        ),
        // What reads and asks all the same: an address that nobody wrote, after private or foreign content.
        task(
            "an address of its own after a page",
            vec![turn(
                "Read https://news.example/today, then the weather",
                vec![vec![fetch("https://news.example/today")], vec![fetch("https://weather.example/oslo")]],
                "rain",
                1,
            )],
        ),
        task(
            "an address of its own after memory",
            vec![turn(
                "The weather where I live",
                vec![vec![("memory_read", json!({ "key": "home" }))], vec![fetch("https://weather.example/oslo")]],
                "rain",
                1,
            )],
        ),
    ]
}

fn remembering() -> Vec<Task> {
    vec![
        one("something remembered", "Where do I sit?", "memory_read", json!({ "key": "travel/seat" }), "aisle"),
        one("something not remembered", "My shoe size?", "memory_read", json!({ "key": "shoes" }), "shoes"),
        one("what is remembered", "What do you know?", "memory_list", json!({}), "travel/seat"),
        one(
            "what is remembered about travel",
            "About travel?",
            "memory_list",
            json!({ "prefix": "travel/" }),
            "travel/seat",
        ),
        one("words in memory", "Anything about Oslo?", "memory_search", json!({ "query": "Oslo" }), "home"),
        asked(
            "a preference",
            "Remember that I like tea",
            "memory_write",
            json!({ "key": "drink", "value": "tea" }),
            "remembered",
        ),
        asked(
            "a correction",
            "I sit at the window now",
            "memory_write",
            json!({ "key": "travel/seat", "value": "window" }),
            "remembered",
        ),
        asked("forgetting", "Forget where I live", "memory_delete", json!({ "key": "home" }), "forgot"),
        task(
            "a preference, and it in the next turn",
            vec![
                turn(
                    "Remember that I like tea",
                    vec![vec![("memory_write", json!({ "key": "drink", "value": "tea" }))]],
                    "remembered",
                    1,
                ),
                turn("What do I drink?", vec![vec![("memory_read", json!({ "key": "drink" }))]], "tea", 0),
            ],
        ),
        task(
            "reading before writing",
            vec![turn(
                "Add oat milk to drinks",
                vec![
                    vec![("memory_read", json!({ "key": "travel/seat" }))],
                    vec![("memory_write", json!({ "key": "drink", "value": "oat milk" }))],
                ],
                "remembered",
                1,
            )],
        ),
        task(
            "memory and time",
            vec![turn(
                "What time is it at home?",
                vec![
                    vec![("memory_read", json!({ "key": "home" }))],
                    vec![("time_now", json!({ "zone": "Europe/Oslo" }))],
                ],
                "Europe/Oslo",
                0,
            )],
        ),
        task(
            "memory and a search",
            vec![turn(
                "Find a cafe at home",
                vec![
                    vec![("memory_read", json!({ "key": "home" }))],
                    vec![("web_search", json!({ "query": "cafe Oslo" }))],
                ],
                "found.example",
                0,
            )],
        ),
        one("conversations", "What did we talk about?", "session_list", json!({}), "sailing"),
        task(
            "a conversation",
            vec![turn(
                "What did we say about sailing?",
                vec![vec![("session_list", json!({}))], vec![("session_read", json!({ "id": "{{earlier}}" }))]],
                "ketch",
                0,
            )],
        ),
        task(
            "a conversation in pieces",
            vec![turn(
                "Its beginning",
                vec![
                    vec![("session_list", json!({ "count": 5 }))],
                    vec![("session_read", json!({ "id": "{{earlier}}", "count": 1 }))],
                ],
                "ketch",
                0,
            )],
        ),
        one("the configuration", "Which model is this?", "settings_read", json!({ "path": "chat.model" }), "scripted"),
        one("all of the configuration", "How are you set up?", "settings_read", json!({}), "scripted"),
        one(
            "a setting that is not there",
            "Which theme?",
            "settings_read",
            json!({ "path": "chat.theme" }),
            "chat.theme",
        ),
    ]
}

fn working() -> Vec<Task> {
    let item = |text: &str, status: &str| json!({ "text": text, "status": status });
    let attached = |name, says, calls, expects| Task {
        attached: Some(("image/png", "a cat on a mat")),
        ..task(name, vec![turn(says, calls, expects, 0)])
    };
    vec![
        one(
            "a plan",
            "Plan a party",
            "plan_set",
            json!({ "items": [item("cake", "open"), item("guests", "open")] }),
            "cake",
        ),
        task(
            "a plan that is worked through",
            vec![turn(
                "Plan and do",
                vec![
                    vec![("plan_set", json!({ "items": [item("look", "doing"), item("think", "open")] }))],
                    vec![("plan_update", json!({ "index": 1, "status": "done" }))],
                    vec![("plan_show", json!({}))],
                ],
                "[x] look",
                0,
            )],
        ),
        task(
            "a plan with work in it",
            vec![turn(
                "Plan the trip",
                vec![
                    vec![("plan_set", json!({ "items": [item("time", "doing"), item("cost", "open")] }))],
                    vec![("time_now", json!({ "zone": "Asia/Tokyo" }))],
                    vec![("math_evaluate", json!({ "expression": "250*4" }))],
                    vec![("plan_update", json!({ "index": 2, "status": "done" }))],
                ],
                "[x] cost",
                0,
            )],
        ),
        task(
            "a plan after a page",
            vec![turn(
                "Read https://news.example/today and plan",
                vec![
                    vec![("fetch_page", json!({ "url": "https://news.example/today" }))],
                    vec![("plan_set", json!({ "items": [item("ferry", "open")] }))],
                ],
                "ferry",
                0,
            )],
        ),
        asked(
            "a message",
            "Tell my boss on mail:me:boss that I am late",
            "message_send",
            json!({ "to": "mail:me:boss", "text": "I am late" }),
            "sent",
        ),
        task(
            "a message after a page",
            vec![turn(
                "Send the news of https://news.example/today to mail:me:boss",
                vec![
                    vec![("fetch_page", json!({ "url": "https://news.example/today" }))],
                    vec![("message_send", json!({ "to": "mail:me:boss", "text": "The harbour opens" }))],
                ],
                "sent",
                1,
            )],
        ),
        task(
            "two messages",
            vec![turn(
                "Tell mail:me:boss and mail:me:team",
                vec![vec![
                    ("message_send", json!({ "to": "mail:me:boss", "text": "late" })),
                    ("message_send", json!({ "to": "mail:me:team", "text": "late" })),
                ]],
                "sent",
                2,
            )],
        ),
        attached(
            "an image described",
            "What is on it?",
            vec![vec![("media_describe", json!({ "attachment": "{{attachment}}" }))]],
            "A description",
        ),
        attached(
            "a question about an image",
            "Is there a cat?",
            vec![vec![("media_describe", json!({ "attachment": "{{attachment}}", "question": "Is there a cat?" }))]],
            "A description",
        ),
        attached("an image that is seen", "What is on it?", vec![], "cat"),
        one(
            "an image on the web",
            "What is on https://pictures.example/cat.png?",
            "media_describe_url",
            json!({ "url": "https://pictures.example/cat.png" }),
            "A description",
        ),
        task(
            "an image found on a page",
            vec![turn(
                "Look at the picture of https://pictures.example/",
                vec![
                    vec![("fetch_page", json!({ "url": "https://pictures.example/" }))],
                    vec![("media_describe_url", json!({ "url": "https://pictures.example/cat.png" }))],
                ],
                "A description",
                0,
            )],
        ),
        task(
            "a talk",
            vec![
                turn("Hello", vec![], "done", 0),
                turn("How are you?", vec![], "done", 0),
                turn("Bye", vec![], "done", 0),
            ],
        ),
    ]
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn internet(stage: &Stage) {
    stage.internet.site("news.example", |target| match target {
        "/today" => Page::html("<p>The harbour opens.</p><p><a href=\"https://news.example/harbour\">more</a></p>"),
        "/harbour" => Page::html("<p>With ferries. <a href=\"https://found.example/quays\">Quays</a></p>"),
        _ => Page::text("gone").status(404),
    });
    stage.internet.site("short.example", |_| Page::redirect("https://news.example/today"));
    stage.internet.page("weather.example", Page::text("rain all day"));
    stage.internet.page("found.example", Page::text("a quay and a crane"));
    stage.internet.site("pictures.example", |target| match target {
        "/" => Page::html("<p>A picture: <a href=\"https://pictures.example/cat.png\">cat</a></p>"),
        _ => Page::bytes("image/png", PNG.to_vec()),
    });
    let results = json!({ "results": [
        { "url": "https://found.example/harbours", "title": "Harbours", "content": "all of them" },
        { "url": "https://found.example/quays", "title": "Quays", "content": "most of them" },
    ] });
    stage.internet.page(ENGINE, Page::json(results.to_string()));
}

async fn records(stage: &Stage) {
    use cara_services::ledger::records::{NewMessage, Role, RunState};
    let owner = Label::of(Source::Owner);
    let memory = stage.assistant.records.memory(&PersonId::parse(PERSON).unwrap());
    memory.write("travel/seat", "aisle", owner).await.unwrap();
    memory.write("home", "Oslo", owner).await.unwrap();
    let session = stage.session(PERSON).await;
    stage.assistant.records.rename_session(session.id(), "sailing").await.unwrap();
    let body = json!([{ "label": owner, "kind": "text", "text": "I want a ketch" }]);
    let message = NewMessage { role: Role::User, body, label: owner };
    let run = stage.assistant.records.begin_run(session.id(), "p-zero", &message).await.unwrap();
    stage.assistant.records.end_run(&run, &[], RunState::Done, None, None).await.unwrap();
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
    Scripted::new(move |number, request| {
        if request.tools.is_empty() {
            return Reply::says("A description");
        }
        match calls.get(number) {
            Some(calls) => {
                let earlier = ids(request, "s-").pop().unwrap_or_default();
                let attachment = ids(request, "f-").pop().unwrap_or_default();
                let arguments = |value: &Value| {
                    value.to_string().replace("{{earlier}}", &earlier).replace("{{attachment}}", &attachment)
                };
                let calls = calls.iter().map(|(name, value)| ((*name).to_owned(), arguments(value))).collect();
                Reply { calls, ..Reply::default() }
            }
            None => Reply::says(format!("{}\ndone", shown_to_model(request).last().cloned().unwrap_or_default())),
        }
    })
}

/// How often a person was asked, or what went wrong.
async fn finish(task: &Task) -> Result<usize, String> {
    let stage = Stage::new().await;
    internet(&stage);
    records(&stage).await;
    let mut session: Session = stage.session(PERSON).await;
    let mut prompts = 0;
    for (number, turn) in task.turns.iter().enumerate() {
        if let Some((media_type, words)) = task.attached.filter(|_| number == 0) {
            let data = [PNG, words.as_bytes()].concat();
            let blob = Blob { media_type: media_type.into(), name: Some("cat.png".into()), data };
            session.attach(&stage.assistant.records, blob, Label::of(Source::Owner)).await.unwrap();
        }
        let (_, thinker) = sensible(turn.calls.clone()).shared();
        let (heard, judge) = (Heard::default(), Judge::allowing());
        let ended = stage.assistant.run(&mut session, &thinker, turn.says, heard.company(judge.clone())).await;
        let ending = ended.map_err(|failure| failure.to_string())?;
        let asked = judge.asked();
        prompts += asked.len();
        let results: String = heard.results().into_iter().map(|(name, text, _)| format!("{name}: {text}\n")).collect();
        let all = format!("{results}{}", heard.shown());
        if ending.stop != "complete" || !all.contains(turn.expects) {
            return Err(format!("`{}` is not in: {all}", turn.expects));
        }
        if asked.len() != turn.asks {
            let why: Vec<String> = asked.iter().map(|asked| format!("{} {:?}", asked.tool, asked.why)).collect();
            return Err(format!("asked {} times, not {}: {why:?}", asked.len(), turn.asks));
        }
    }
    Ok(prompts)
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_work_finishes_and_what_only_reads_asks_nobody() {
    let tasks: Vec<Task> = calculations().into_iter().chain(reading()).chain(remembering()).chain(working()).collect();
    let all = tasks.len();
    assert!(all >= 60, "{all} dialogues");
    let finished = futures_util::stream::iter(&tasks).map(async |task| (task.name, finish(task).await)).buffered(8);
    let finished: Vec<_> = finished.collect().await;
    let failed: Vec<String> =
        finished.iter().filter_map(|(name, end)| Some(format!("{name}: {}", end.as_ref().err()?))).collect();
    let prompts: usize = finished.iter().filter_map(|(_, end)| end.as_ref().ok()).sum();
    // All of them finish; the prompts are those of the eleven that write, send or choose an address after reading.
    assert!(failed.is_empty(), "{} of {all} failed, {prompts} prompts\n{}", failed.len(), failed.join("\n"));
    assert_eq!(prompts, 13, "prompts in {all} dialogues");
}
