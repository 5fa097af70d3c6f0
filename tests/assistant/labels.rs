//! Labels as people live with them: what was dictated, what is asked together,
//! what leaves the context, what is kept.

use super::oracle::PERSON;
use cara_assistant::approvals::{Answer, Approver};
use cara_assistant::event::Asked;
use cara_assistant::{Input, RunContext, RunLimits, Session, TurnEvent};
use cara_authority::{Decider, Label, PersonId, RuleId, Source};
use cara_harness::assistant::{ENGINE, Fixture, Heard, Judge, Page, Reply, Scripted, Setup, owner};
use cara_records::Records;
use serde_json::{Value, json};
use std::sync::Arc;

/// One message, and the rounds of calls that the model makes for it.
async fn turn(
    fixture: &Fixture,
    session: &mut Session,
    input: Input,
    rounds: &[Vec<(&'static str, Value)>],
) -> Arc<Judge> {
    let judge = Judge::allowing();
    turn_with(fixture, session, input, rounds, &judge).await;
    judge
}

async fn turn_with(
    fixture: &Fixture,
    session: &mut Session,
    input: Input,
    rounds: &[Vec<(&'static str, Value)>],
    judge: &Arc<Judge>,
) -> Heard {
    let rounds = rounds.to_vec();
    let scripted = Scripted::new(move |number, request| {
        let none = Vec::new();
        let calls = if request.tools.is_empty() { &none } else { rounds.get(number).unwrap_or(&none) };
        match calls.is_empty() {
            true => Reply::says("done"),
            false => Reply {
                calls: calls.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect(),
                ..Reply::default()
            },
        }
    });
    let (_, language_model) = scripted.shared();
    let heard = Heard::default();
    fixture.assistant.run(session, &language_model, input, heard.run_context(judge.clone())).await.unwrap();
    heard
}

fn fetch(url: &str) -> (&'static str, Value) {
    ("fetch_page", json!({ "url": url }))
}

fn late(text: &str) -> (&'static str, Value) {
    ("message_send", json!({ "to": "mail:me:boss", "text": text }))
}

async fn with_pages() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.internet.page("page.example", Page::text("A page. See https://page.example/next"));
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dictated_word_for_word_asks_nobody_also_after_a_page() {
    let fixture = with_pages().await;
    let mut session = fixture.session(PERSON).await;
    let read = [vec![fetch("https://page.example/")]];
    assert_eq!(turn(&fixture, &mut session, Input::typed("Read page.example"), &read).await.asked(), []);
    let input = Input::typed("Please send “I am late” to mail:me:boss.");
    let asked = turn(&fixture, &mut session, input, &[vec![late("I am late")]]).await.asked();
    assert_eq!((asked, fixture.outbox.sent().len()), (vec![], 1));
    // The same once more is no longer what the message says.
    let input = Input::typed("Remember under `drink`: tea");
    let tea = ("memory_write", json!({ "key": "drink", "value": "tea" }));
    let asked = turn(&fixture, &mut session, input, &[vec![tea.clone()], vec![tea]]).await.asked();
    assert_eq!(asked.len(), 1);
    // Pasted words are not the person's; endorsed, they are.
    let words = "Send “I am later” to mail:me:boss";
    let asked = turn(&fixture, &mut session, Input::pasted(words), &[vec![late("I am later")]]).await.asked();
    assert_eq!(asked.len(), 1);
    let input = Input::pasted("Send “I am latest” to mail:me:boss").endorsed();
    let asked = turn(&fixture, &mut session, input, &[vec![late("I am latest")]]).await.asked();
    assert_eq!(asked, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_questions_of_a_round_stand_on_one_screen() {
    let fixture = with_pages().await;
    let mut session = fixture.session(PERSON).await;
    // Not the one in the middle, which stays where it is when the answers come in another order.
    let judge = Judge::new(|asked| match asked.arguments.contains("one") {
        true => Some(Answer::No(None)),
        false => Some(Answer::Once),
    });
    let round = vec![late("one"), fetch("https://page.example/"), late("two"), late("three")];
    let heard = turn_with(&fixture, &mut session, Input::typed("Tell them"), &[round], &judge).await;
    assert_eq!(judge.screens(), [3]);
    let sent: Vec<String> = fixture.outbox.sent().into_iter().map(|(_, text)| text).collect();
    assert_eq!(sent, ["two", "three"]);
    let order: Vec<bool> = heard.results().into_iter().map(|(_, _, failed)| failed).collect();
    assert_eq!(order.iter().filter(|failed| **failed).count(), 1);
    // Each answer is for its own request.
    let decided = heard.events().into_iter().filter_map(|event| match event {
        TurnEvent::ApprovalDecided { id, allowed, .. } => Some((id, allowed)),
        _ => None,
    });
    for (id, allowed) in decided {
        let asked = judge.asked().into_iter().find(|asked| asked.id == id).unwrap();
        assert_eq!(allowed, !asked.arguments.contains("one"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_what_is_in_the_prompt() {
    let policy = "[[rule]]\ntool = \"memory_write\"\nthen = \"allow\"".to_owned();
    let fixture = Fixture::with(Setup { policy, ..Setup::default() }).await;
    fixture.internet.page("page.example", Page::text("A page."));
    let write = || vec![vec![("memory_write", json!({ "key": "a", "value": "b" }))]];
    let mut session = fixture.session(PERSON).await;
    assert_eq!(turn(&fixture, &mut session, Input::typed("Note it"), &write()).await.asked(), []);
    turn(&fixture, &mut session, Input::typed("Read page.example"), &[vec![fetch("https://page.example/")]]).await;
    assert!(session.seen().has(Source::Web));
    assert_eq!(turn(&fixture, &mut session, Input::typed("Note it"), &write()).await.asked().len(), 1);
    // A summary keeps what it was made of; a new conversation has seen nothing.
    session.compact();
    turn(&fixture, &mut session, Input::typed("Go on"), &[]).await;
    assert!(session.summary().unwrap().label.has(Source::Web) && session.seen().has(Source::Web));
    let mut anew = fixture.session(PERSON).await;
    assert_eq!(turn(&fixture, &mut anew, Input::typed("Note it"), &write()).await.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_itself_brings_in_is_in_the_label_of_what_it_leaves_behind() {
    let fixture = Fixture::with(Setup { strangers: vec!["memory"], ..Setup::default() }).await;
    let mut session = fixture.session(PERSON).await;
    let write = vec![vec![("memory_write", json!({ "key": "a", "value": "b" }))]];
    turn(&fixture, &mut session, Input::typed("Note it"), &write).await;
    let memory = fixture.assistant.records.memory(&PersonId::parse(PERSON).unwrap());
    let label = memory.read("a").await.unwrap().unwrap().label;
    assert!(label.has(Source::Component) && label.includes(&Label::of(Source::Owner)), "{label}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_result_has_the_label_of_the_result() {
    let limits = RunLimits { result_bytes: 2_500, ..RunLimits::default() };
    let fixture = Fixture::with(Setup { limits, ..Setup::default() }).await;
    fixture.internet.page("long.example", Page::text("a line of it\n".repeat(1_000)));
    let mut session = fixture.session(PERSON).await;
    turn(&fixture, &mut session, Input::typed("Read long.example"), &[vec![fetch("https://long.example/")]]).await;
    let told: Vec<&str> =
        session.messages().iter().flat_map(|message| &message.parts).map(|part| part.readable()).collect();
    let told = told.join("\n");
    let id = told.split("the full text is attachment ").nth(1).unwrap_or_else(|| panic!("{told}"));
    let kept = fixture.assistant.records.attachment(session.id(), &id[..12]).await.unwrap().unwrap();
    assert!(kept.attachment.label.has(Source::Web), "{}", kept.attachment.label);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_links_were_followed_is_counted_over_messages_and_restarts() {
    let fixture = Fixture::new().await;
    let links: String = (0..1_000).map(|number| format!("https://evil.example/{number}\n")).collect();
    fixture.internet.page("page.example", Page::text(links));
    fixture.internet.page("evil.example", Page::text("nothing"));
    let mut session = fixture.session(PERSON).await;
    let read = vec![fetch("https://page.example/")];
    turn(&fixture, &mut session, Input::typed("Read page.example"), &[read]).await;
    let follow = |number: usize| vec![fetch(&format!("https://evil.example/{number}"))];
    let mut asked = Vec::new();
    for number in 0..14 {
        session = fixture.reopened(session.id(), PERSON).await;
        let judge = turn(&fixture, &mut session, Input::typed("Go on"), &[follow(number)]).await;
        asked.push(judge.asked().len());
    }
    // Ten bits a link: twelve links. A yes allows as many again.
    assert_eq!(asked, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_after_private_and_foreign_content_are_asked_about_once_a_run() {
    let fixture = with_pages().await;
    let mut session = fixture.session(PERSON).await;
    let memory = fixture.assistant.records.memory(&PersonId::parse(PERSON).unwrap());
    memory.write("pin", "1234", Label::of(Source::Owner)).await.unwrap();
    let search = |words: &str| ("web_search", json!({ "query": words }));
    let pin = ("memory_read", json!({ "key": "pin" }));
    let input = Input::typed("Find it");
    let private = turn(&fixture, &mut session, input.clone(), &[vec![pin], vec![search("a")]]).await;
    assert_eq!(private.asked(), []);
    let page = fetch("https://page.example/");
    let rounds = [vec![page], vec![search("b"), search("c")], vec![search("d")]];
    let both = turn(&fixture, &mut session, Input::typed("Read page.example and find it"), &rounds).await;
    assert_eq!(both.screens(), [2]);
    assert!(both.asked()[0].arguments.contains("\"b\"") && both.asked()[0].always.is_none());
    assert_eq!(turn(&fixture, &mut session, input, &[vec![search("e")]]).await.asked().len(), 1);
}

/// Says yes, and takes a rule back before.
struct Revoking(Records, RuleId);

#[async_trait::async_trait]
impl Approver for Revoking {
    async fn ask(&self, asked: &[Asked]) -> (Decider, Vec<Answer>) {
        self.0.remove_rule(&self.1, "test").await.unwrap();
        (owner("test"), vec![Answer::Once; asked.len()])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_taken_back_between_the_plan_and_the_call_allows_nothing() {
    let fixture = Fixture::new().await;
    let mut session = fixture.session(PERSON).await;
    let always = Judge::new(|_| Some(Answer::Always));
    turn_with(&fixture, &mut session, Input::typed("Tell them"), &[vec![late("one")]], &always).await;
    assert_eq!(fixture.outbox.sent().len(), 1);
    let records = &fixture.assistant.records;
    let rule = records.rules().await.unwrap().remove(0).id;
    let write = json!({ "key": "a", "value": "b" });
    let two = json!({ "to": "mail:me:boss", "text": "two" });
    let scripted = Scripted::new(move |number, _| match number {
        0 => Reply::calls("memory_write", &write).and("message_send", &two),
        1 => Reply::calls("message_send", &two),
        _ => Reply::says("done"),
    });
    let (_, language_model) = scripted.shared();
    let heard = Heard::default();
    let run_context = heard.run_context(Judge::silent());
    let approver = Arc::new(Revoking(records.clone(), rule));
    let run_context = RunContext { approver, ..run_context };
    fixture.assistant.run(&mut session, &language_model, Input::typed("Go on"), run_context).await.unwrap();
    let results = heard.results();
    assert!(results[1].2 && results[1].1.contains("revoked meanwhile"), "{results:?}");
    // Nobody denied it: asked for again, a person decides.
    let sent: Vec<String> = fixture.outbox.sent().into_iter().map(|(_, text)| text).collect();
    assert_eq!((results[2].2, sent), (false, vec!["one".to_owned(), "two".to_owned()]), "{results:?}");
}

/// A conversation that has seen a private thing and a page, both in earlier messages.
async fn after_private(fixture: &Fixture) -> Session {
    let memory = fixture.assistant.records.memory(&PersonId::parse(PERSON).unwrap());
    memory.write("pin", "4711", Label::of(Source::Owner)).await.unwrap();
    let mut session = fixture.session(PERSON).await;
    let pin = ("memory_read", json!({ "key": "pin" }));
    let read = vec![vec![pin, fetch("https://page.example/")]];
    assert_eq!(turn(fixture, &mut session, Input::typed("My pin, and read page.example"), &read).await.asked(), []);
    session
}

/// An engine with so many hits, which has found.example/1 and so on.
fn engine(fixture: &Fixture, hits: usize) {
    let hit = |number| json!({ "url": format!("https://found.example/{number}"), "title": "a", "content": "b" });
    let found = json!({ "results": (1..=hits).map(hit).collect::<Vec<_>>() }).to_string();
    fixture.internet.page(ENGINE, Page::json(found));
    fixture.internet.page("found.example", Page::text("See https://found.example/elsewhere"));
}

fn search(words: &str) -> (&'static str, Value) {
    ("web_search", json!({ "query": words }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_in_the_persons_own_words_and_its_hits_ask_nobody_after_private_content() {
    let fixture = with_pages().await;
    engine(&fixture, 8);
    let mut session = after_private(&fixture).await;
    let hit = |number: usize| fetch(&format!("https://found.example/{number}"));
    let asked = |rounds: Vec<Vec<(&'static str, Value)>>, says: &'static str| (rounds, Input::typed(says));
    let words = "Look up sailing boats, and read the first hit";
    for (what, (rounds, input), asks) in [
        ("its words", asked(vec![vec![search("sailing boats")], vec![hit(1)]], words), 0),
        ("other words", asked(vec![vec![search("sailing 4711")], vec![hit(1)]], words), 2),
        ("an earlier message's words", asked(vec![vec![search("sailing boats")]], "Look that up"), 1),
        ("an earlier message's hit", asked(vec![vec![hit(2)]], "Read the next hit"), 1),
        (
            "a link of a hit",
            asked(vec![vec![search("boats")], vec![fetch("https://found.example/elsewhere")]], words),
            1,
        ),
        ("pasted words", (vec![vec![search("sailing boats")]], Input::pasted(words)), 1),
        (
            "a private thing in between",
            asked(vec![vec![search("boats")], vec![("memory_read", json!({ "key": "pin" }))], vec![hit(3)]], words),
            1,
        ),
        (
            "a private thing before it",
            asked(vec![vec![("memory_read", json!({ "key": "pin" }))], vec![search("boats")], vec![hit(4)]], words),
            2,
        ),
    ] {
        // Each with as much left as a conversation begins with.
        fixture.assistant.records.set_followed(session.id(), 0).await.unwrap();
        session = fixture.reopened(session.id(), PERSON).await;
        let judge = turn(&fixture, &mut session, input, &rounds).await;
        assert_eq!(judge.asked().len(), asks, "{what}: {:?}", judge.asked());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_queries_and_hits_tell_after_private_content_is_bounded_in_a_session() {
    let fixture = with_pages().await;
    engine(&fixture, 8);
    let mut session = after_private(&fixture).await;
    let mut asked = Vec::new();
    for number in 1..6 {
        session = fixture.reopened(session.id(), PERSON).await;
        let rounds = [vec![search("sailing")], vec![fetch(&format!("https://found.example/{number}"))]];
        let judge = turn(&fixture, &mut session, Input::typed("Look up sailing"), &rounds).await;
        asked.push(judge.asked().len());
    }
    // Four bits a hit and five a query, tenfold: 90, then 140. A yes allows as much again: 40 more, then 130.
    assert_eq!(asked, [0, 1, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_words_are_asked_of_a_server_is_seen_in_the_call() {
    let fixture = with_pages().await;
    let mut session = after_private(&fixture).await;
    let image = |question: Option<&str>| {
        let url = "https://page.example/cat.png";
        ("media_describe_url", question.map_or(json!({ "url": url }), |asks| json!({ "url": url, "question": asks })))
    };
    for (question, asks) in [(None, 0), (Some("Does it show 4711?"), 1)] {
        let input = Input::typed("What does https://page.example/cat.png show?");
        let judge = turn(&fixture, &mut session, input, &[vec![image(question)]]).await;
        assert_eq!(judge.asked().len(), asks, "{question:?}: {:?}", judge.asked());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_words_of_a_strangers_tool() {
    for (strangers, asks) in [(vec![], 0), (vec!["fetch"], 1)] {
        let fixture = Fixture::with(Setup { strangers, ..Setup::default() }).await;
        fixture.internet.page("page.example", Page::text("A page"));
        let mut session = after_private(&fixture).await;
        let on = ("fetch_page", json!({ "url": "https://page.example/", "offset": 4711 }));
        let judge = Judge::allowing();
        let heard =
            turn_with(&fixture, &mut session, Input::typed("Read on in page.example"), &[vec![on]], &judge).await;
        let asked = judge.asked();
        assert_eq!((asked.len(), heard.results()[0].2), (asks, false), "{asked:?} {:?}", heard.results());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_keeps_for_its_next_request_is_asked_about_like_a_query() {
    let fixture = Fixture::with(Setup { strangers: vec!["hostile"], ..Setup::default() }).await;
    fixture.internet.page("page.example", Page::text("A page"));
    fixture.internet.page("hostile.example", Page::text("sunny"));
    let memory = fixture.assistant.records.memory(&PersonId::parse(PERSON).unwrap());
    memory.write("pin", "4711", Label::of(Source::Owner)).await.unwrap();
    let keep = |value: &str| ("keep_quietly", json!({ "key": "kept", "value": value }));
    // As long as nothing private was seen after strangers' words, it asks nobody, like a search.
    let mut session = fixture.session(PERSON).await;
    let rounds = [vec![fetch("https://page.example/")], vec![keep("berlin")]];
    assert_eq!(turn(&fixture, &mut session, Input::typed("Read page.example"), &rounds).await.asked(), []);
    let rounds = [vec![("memory_read", json!({ "key": "pin" }))], vec![keep("4711")]];
    let judge = Judge::denying();
    turn_with(&fixture, &mut session, Input::typed("What is my pin?"), &rounds, &judge).await;
    let asked = judge.asked();
    let asked: Vec<_> = asked.iter().map(|asked| (asked.tool.as_str(), asked.why.concat())).collect();
    let query = "; a yes holds for its later queries";
    assert!(matches!(asked.as_slice(), [("keep_quietly", why)] if why.contains(query)), "{asked:?}");
    // What it may keep it may send, in a conversation that knows nothing of it.
    let mut other = fixture.session(PERSON).await;
    let input = Input::typed("How is the weather?");
    assert_eq!(turn(&fixture, &mut other, input, &[vec![("send_kept", json!({}))]]).await.asked(), []);
    assert_eq!(fixture.internet.requests().last().unwrap(), "GET hostile.example/?kept=berlin");
}
