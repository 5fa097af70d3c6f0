//! One conversation over thirty days: it goes on,
//! and people are asked about little.
//!
//! Ten people, each with a mix of what they ask for: pages, searches, files, memory, messages. The operator lets notes and
//! messages through by rule, as somebody would who lives with it; what is asked then, the labels ask. Every fifth day the
//! process is another one, every tenth the conversation is summed up.

use super::oracle::PERSON;
use cara_assistant::{Input, Reading};
use cara_authority::{Label, Source};
use cara_harness::assistant::{ENGINE, Fixture, Heard, Judge, Page, Reply, Scripted, Setup, shown_to_model};
use cara_kernel::bindings::provider::{Request, ResponseFormat, ToolChoice};
use cara_kernel::bindings::types::{Blob, Message, Part, Role};
use futures_util::StreamExt;
use serde_json::json;

const DAYS: usize = 30;

const POLICY: &str = r#"
[[rule]]
tool = "memory_write"
then = "allow"
[[rule]]
tool = "message_send"
then = "allow"
"#;

/// What somebody asks for on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Reads a page whose address the person writes.
    Page,
    /// Searches, and reads a hit.
    Search,
    /// Reads an attached file.
    File,
    /// Reads what was noted.
    Recall,
    /// Notes something, in the person's words.
    DictatedNote,
    /// Sends a message, in the person's words.
    DictatedMail,
    /// Sends a message in the model's words, where the person says.
    ComposedMail,
    /// Notes what a page says.
    NoteOfPage,
}

use Ask::{ComposedMail, DictatedMail, DictatedNote, File, NoteOfPage, Page as ReadPage, Recall, Search};

impl Ask {
    fn is_effect(self) -> bool {
        matches!(self, DictatedNote | DictatedMail | ComposedMail | NoteOfPage)
    }

    fn is_dictated(self) -> bool {
        matches!(self, DictatedNote | DictatedMail)
    }
}

/// The person's topic, and what a week of theirs is made of.
const PEOPLE: [(&str, [Ask; 6]); 10] = [
    ("sailing", [ReadPage, DictatedNote, Recall, DictatedMail, File, ComposedMail]),
    ("garden", [DictatedNote, ReadPage, NoteOfPage, DictatedNote, Recall, DictatedMail]),
    ("thesis", [File, ReadPage, DictatedNote, Search, DictatedNote, Recall]),
    ("school", [DictatedMail, ReadPage, ComposedMail, DictatedNote, File, DictatedMail]),
    ("house", [Search, DictatedNote, DictatedMail, ReadPage, Recall, NoteOfPage]),
    ("choir", [ComposedMail, DictatedMail, DictatedNote, ReadPage, DictatedMail, Recall]),
    ("travel", [ReadPage, Search, DictatedNote, DictatedMail, NoteOfPage, DictatedNote]),
    ("shop", [File, DictatedMail, ReadPage, DictatedNote, DictatedMail, ComposedMail]),
    ("club", [DictatedNote, File, ComposedMail, DictatedMail, ReadPage, DictatedNote]),
    ("kitchen", [ReadPage, DictatedNote, Search, Recall, DictatedNote, DictatedMail]),
];

/// What the person says on a day, and the calls of a sensible model; `{{r}}` stands for the newest reading,
/// `{{link}}` for the first link in it.
fn day(topic: &str, ask: Ask, day: usize) -> (String, Vec<(&'static str, serde_json::Value)>, String) {
    let page = format!("https://{topic}.example/day/{day}");
    let note = format!("the {topic} matter of day {day} costs {} crowns", day * 7);
    match ask {
        ReadPage => (
            format!("What does {page} say?"),
            vec![("fetch_page", json!({ "url": page }))],
            format!("headline {day} of"),
        ),
        Search => (
            format!("Look up {topic} and read the first hit"),
            vec![("web_search", json!({ "query": topic })), ("fetch_page", json!({ "url": "{{link}}" }))],
            format!("found about {topic}"),
        ),
        File => ("What does the file say?".into(), Vec::new(), format!("file {day} of {topic}")),
        Recall => (
            "What did I note first?".into(),
            vec![("memory_list", json!({ "prefix": format!("{topic}/") }))],
            format!("{topic}/"),
        ),
        DictatedNote => (
            format!("Remember under `{topic}/{day}`: {note}"),
            vec![("memory_write", json!({ "key": format!("{topic}/{day}"), "value": note }))],
            "remembered".into(),
        ),
        DictatedMail => (
            format!("Send to mail:me:{topic} this: {note}"),
            vec![("message_send", json!({ "to": format!("mail:me:{topic}"), "text": note }))],
            "sent".into(),
        ),
        ComposedMail => (
            format!("Tell mail:me:{topic} kindly that I am {day} minutes late"),
            vec![(
                "message_send",
                json!({ "to": format!("mail:me:{topic}"), "text": format!("Dear all, I shall be there {day} minutes later.") }),
            )],
            "sent".into(),
        ),
        NoteOfPage => (
            format!("Read {page} and remember its headline under {topic}/{day}"),
            vec![
                ("fetch_page", json!({ "url": page })),
                ("memory_write", json!({ "key": format!("{topic}/{day}"), "value": "{{r}}" })),
            ],
            "remembered".into(),
        ),
    }
}

fn texts(message: &Message) -> Vec<String> {
    let one = Request {
        model: String::new(),
        system: None,
        messages: vec![message.clone()],
        tools: Vec::new(),
        tool_choice: ToolChoice::None,
        parallel_tool_calls: None,
        response_format: ResponseFormat::Text,
        max_output_tokens: None,
        temperature: None,
        top_p: None,
        top_k: None,
        presence_penalty: None,
        frequency_penalty: None,
        seed: None,
        stop: Vec::new(),
        effort: None,
    };
    shown_to_model(&one)
}

/// Everything shown since the person last spoke, theirs included, and how many calls were made since.
fn since_asked(request: &Request) -> (String, usize) {
    let first = request.messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    let calls = |message: &Message| message.parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
    let since = &request.messages[first..];
    (since.iter().flat_map(texts).collect::<Vec<_>>().join("\n"), since.iter().map(calls).sum())
}

/// The answer of a reader that finds every line of the text worth a fact.
pub(crate) fn reader(request: &Request) -> Option<Reply> {
    let reads = request.system.as_deref().is_some_and(|system| system.starts_with("You read for an assistant"));
    let text = shown_to_model(request).join("\n");
    let inside = text.split_once("source=\"reading\"⟧\n").map_or("", |(_, inside)| inside);
    let (inside, links) = inside.split_once("\nLinks:\n").unwrap_or((inside, ""));
    let facts: Vec<&str> = inside.lines().filter(|line| !line.trim().is_empty()).take(8).collect();
    let links: Vec<usize> =
        (1..).zip(links.lines().take_while(|line| line.contains("http"))).map(|(n, _)| n).take(8).collect();
    reads.then(|| Reply::says(json!({ "found": "all", "facts": facts, "links": links }).to_string()))
}

/// The number of the newest reading in what was shown.
fn newest(shown: &str) -> Option<String> {
    let at = shown.rfind("`{{r")?;
    Some(shown[at + 4..].chars().take_while(char::is_ascii_digit).collect())
}

fn model(topic: &str, calls: Vec<(&'static str, serde_json::Value)>) -> Scripted {
    let found = format!("https://found.example/{topic}");
    Scripted::new(move |_, request| {
        if let Some(read) = reader(request) {
            return read;
        }
        if request.tools.is_empty() {
            return Reply::says("They talked about this and that.");
        }
        let (shown, made) = since_asked(request);
        match calls.get(made) {
            Some((name, arguments)) => {
                let (value, link) = match newest(&shown) {
                    Some(number) => (format!("{{{{r{number}}}}}"), format!("{{{{r{number}.link1}}}}")),
                    None => ("its headline".to_owned(), found.clone()),
                };
                Reply::calls(name, arguments.to_string().replace("{{r}}", &value).replace("{{link}}", &link))
            }
            None => Reply::says(format!("So: {shown}")),
        }
    })
}

#[derive(Default, Debug)]
struct Figures {
    turns: usize,
    finished: usize,
    effects: usize,
    effect_questions: usize,
    dictated: usize,
    dictated_questions: usize,
    reading_questions: usize,
    tokens: u64,
}

impl Figures {
    fn add(mut self, other: &Self) -> Self {
        self.turns += other.turns;
        self.finished += other.finished;
        self.effects += other.effects;
        self.effect_questions += other.effect_questions;
        self.dictated += other.dictated;
        self.dictated_questions += other.dictated_questions;
        self.reading_questions += other.reading_questions;
        self.tokens += other.tokens;
        self
    }

    fn finish_rate(&self) -> f64 {
        self.finished as f64 * 100.0 / self.turns as f64
    }

    fn questions_per_effect(&self) -> f64 {
        self.effect_questions as f64 / self.effects as f64
    }
}

async fn live(topic: &'static str, week: [Ask; 6], reading: Reading) -> Figures {
    let fixture = Fixture::with(Setup { policy: POLICY.into(), reading, ..Setup::default() }).await;
    fixture.internet.site(&format!("{topic}.example"), move |target| {
        let day = target.rsplit('/').next().unwrap_or_default().to_owned();
        Page::html(format!("<h1>headline {day} of {topic}</h1><p>Much is new. <a href=\"/day/0\">older</a></p>"))
    });
    fixture.internet.site("found.example", |target| Page::text(format!("found about {}", &target[1..])));
    fixture.internet.site(ENGINE, move |_| {
        let url = format!("https://found.example/{topic}");
        Page::json(json!({ "results": [{ "url": url, "title": topic, "content": "all of it" }] }).to_string())
    });
    let (mut figures, mut session) = (Figures::default(), fixture.session(PERSON).await);
    for number in 1..=DAYS {
        if number % 5 == 0 {
            session = fixture.reopened(&session.id().clone(), PERSON).await;
        }
        if number % 10 == 0 {
            session.compact();
        }
        let ask = week[number % week.len()];
        let (says, calls, expects) = day(topic, ask, number);
        if ask == File {
            let data = format!("file {number} of {topic}: nothing that matters").into_bytes();
            let blob = Blob { media_type: "text/plain".into(), name: Some("notes.txt".into()), data };
            session.attach(&fixture.assistant.records, blob, Label::of(Source::File).private()).await.unwrap();
        }
        let (_, language_model) = model(topic, calls).shared();
        let (heard, judge) = (Heard::default(), Judge::allowing());
        let ended = fixture
            .assistant
            .run(&mut session, &language_model, Input::typed(says), heard.run_context(judge.clone()))
            .await;
        figures.turns += 1;
        figures.finished += usize::from(ended.is_ok() && heard.shown().contains(&expects));
        if ended.is_err() || !heard.shown().contains(&expects) {
            println!("{topic}, day {number}, {ask:?}: {:?} {}", ended.err(), heard.shown());
        }
        figures.effects += usize::from(ask.is_effect());
        figures.dictated += usize::from(ask.is_dictated());
        for asked in judge.asked() {
            match asked.tool.as_str() {
                "memory_write" | "message_send" => figures.effect_questions += 1,
                _ => figures.reading_questions += 1,
            }
            figures.dictated_questions += usize::from(ask.is_dictated());
        }
    }
    let used = fixture.assistant.records.usage(0, cara_records::UsageBy::Day).await.unwrap();
    figures.tokens = used.iter().map(|total| total.input + total.output).sum();
    figures
}

async fn all(reading: Reading) -> Figures {
    let lives = futures_util::stream::iter(PEOPLE).map(|(topic, week)| live(topic, week, reading));
    let lives: Vec<Figures> = lives.buffered(4).collect().await;
    let figures = lives.iter().fold(Figures::default(), Figures::add);
    println!(
        "{reading:?}: {:.1} % of {} finish; {:.2} questions for each of {} effects; {} for {} dictated; {} for reading; {} tokens",
        figures.finish_rate(),
        figures.turns,
        figures.questions_per_effect(),
        figures.effects,
        figures.dictated_questions,
        figures.dictated,
        figures.reading_questions,
        figures.tokens
    );
    figures
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_in_one_conversation_finish_in_both_ways_of_reading() {
    // What asks after private content is which words of a message are searched for, and which hit is read.
    for (reading, asks) in [(Reading::Direct, 6), (Reading::Quarantined, 0)] {
        let figures = all(reading).await;
        assert!(figures.finish_rate() >= 95.0, "{figures:?}");
        assert!(figures.questions_per_effect() <= 0.7 && figures.dictated_questions == 0, "{figures:?}");
        assert_eq!(figures.reading_questions, asks, "{figures:?}");
    }
}
