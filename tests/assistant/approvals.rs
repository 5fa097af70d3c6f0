//! An approval holds for one call, unchanged, once;
//! and whoever decides first decides.

use super::oracle::PERSON;
use cara_assistant::Input;
use cara_assistant::approvals::{Answer, answer_request};
use cara_assistant::event::Asked;
use cara_assistant::explain::asked as read_asked;
use cara_authority::{ApprovalId, ComponentId, PersonId, SessionId, ToolCall, ToolName};
use cara_harness::assistant::{Fixture, Heard, Judge, Page, Reply, Scripted, Setup, owner};
use cara_records::{Approval, By, CallState, DecideError, Decision, StartRefused};
use serde_json::json;
use sqlx::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

const TO: &str = "mail:me:boss";

fn sender() -> Scripted {
    Scripted::new(|number, _| match number {
        0 => Reply::calls("message_send", json!({ "to": TO, "text": "late", "reply_to": "m1" })),
        _ => Reply::says("done"),
    })
}

/// A run that waits for a person, left by its process.
struct Waiting {
    fixture: Fixture,
    session: SessionId,
    approval: Approval,
    asked: Asked,
    call: ToolCall,
}

impl Waiting {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let mut session = fixture.session(PERSON).await;
        let (_, language_model) = sender().shared();
        let (heard, silent) = (Heard::default(), Judge::silent());
        {
            let run = fixture.assistant.run(
                &mut session,
                &language_model,
                Input::typed("Tell them"),
                heard.run_context(silent.clone()),
            );
            tokio::select! {
                ended = run => panic!("it ended: {ended:?}"),
                () = silent.rang() => {}
            }
        }
        let approval = fixture.assistant.records.waiting_approvals().await.unwrap().remove(0);
        let asked = read_asked(approval.shown.clone()).unwrap();
        let digest: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&asked.digest[at..at + 2], 16).unwrap()).collect();
        let call = ToolCall {
            component: ComponentId::parse(&asked.component).unwrap(),
            digest: digest.try_into().unwrap(),
            tool: ToolName::parse(&asked.tool).unwrap(),
            arguments: asked.arguments.clone(),
            destinations: asked.destinations.clone(),
            servers: asked.servers.clone(),
            session: SessionId::parse(&asked.session).unwrap(),
        };
        Self { session: session.id().clone(), fixture, approval, asked, call }
    }

    async fn answer(&self, answer: Answer) -> Result<(), DecideError> {
        let person = PersonId::parse(PERSON).unwrap();
        answer_request(
            &self.fixture.assistant.records,
            &self.approval.id,
            &self.asked,
            &person,
            &answer,
            &owner("elsewhere"),
        )
        .await
        .map(drop)
    }

    async fn start(&self, id: &ApprovalId, call: &ToolCall) -> Result<(), StartRefused> {
        let records = &self.fixture.assistant.records;
        let begun =
            records.start(&self.approval.run, &self.approval.call_id, By::Approval(id, &call.binding().0)).await;
        begun.map(drop)
    }

    /// Takes the run up; says what its call came to.
    async fn resume(&self) -> Option<(bool, Heard)> {
        let mut session = self.fixture.reopened(&self.session, PERSON).await;
        let (_, language_model) = Scripted::new(|_, _| Reply::says("done")).shared();
        let heard = Heard::default();
        let run_context = heard.run_context(Judge::denying());
        let ended = self.fixture.restarted().resume(&mut session, &language_model, run_context).await?;
        Some((ended.is_ok(), heard))
    }

    async fn change(&self, change: &str) {
        let path = self.fixture.testbed.home().join("ledger.db");
        let mut file = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
        let changed = sqlx::query(sqlx::AssertSqlSafe(change.to_owned())).execute(&mut file).await.unwrap();
        assert!(changed.rows_affected() > 0, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_spent_on_exactly_what_was_shown_and_once() {
    let waiting = Waiting::new().await;
    waiting.answer(Answer::Once).await.unwrap();
    type Change = (&'static str, fn(&mut ToolCall));
    let arguments = |text: serde_json::Value| text.to_string();
    let changes: [Change; 11] = [
        ("component", |call| call.component = ComponentId::parse("memory").unwrap()),
        ("first byte of the digest", |call| call.digest[0] ^= 1),
        ("last byte of the digest", |call| call.digest[31] ^= 1),
        ("tool", |call| call.tool = ToolName::parse("message_sent").unwrap()),
        ("argument `to`", |call| call.arguments = call.arguments.replace("boss", "evil")),
        ("argument `text`", |call| call.arguments = call.arguments.replace("late", "lat3")),
        ("argument `reply_to`", |call| call.arguments = call.arguments.replace("m1", "m2")),
        ("one argument less", |call| call.arguments = call.arguments.replace(r#""reply_to":"m1","#, "")),
        ("destination", |call| call.destinations = vec!["mail:me:evil".into()]),
        ("no destination", |call| call.destinations = Vec::new()),
        ("session", |call| call.session = SessionId::parse("s-aaaaaaaaaa").unwrap()),
    ];
    assert_eq!(waiting.call.arguments, arguments(json!({ "reply_to": "m1", "text": "late", "to": TO })));
    for (name, change) in changes {
        let mut changed = waiting.call.clone();
        change(&mut changed);
        assert_ne!(changed, waiting.call, "{name}");
        let refused = waiting.start(&waiting.approval.id, &changed).await;
        assert!(matches!(refused, Err(StartRefused::OtherApproval)), "{name}: {refused:?}");
    }
    waiting.start(&waiting.approval.id, &waiting.call).await.unwrap();
    let again = waiting.start(&waiting.approval.id, &waiting.call).await;
    assert!(matches!(again, Err(StartRefused::Call(CallState::Started))), "{again:?}");
    assert!(waiting.fixture.outbox.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_the_file_is_not_allowed_by_it() {
    for change in [
        "UPDATE approvals SET binding = zeroblob(32)",
        "UPDATE calls SET binding = zeroblob(32)",
        "UPDATE approvals SET call_id = 'other'",
        "UPDATE approvals SET person = 'person-two'",
        "UPDATE approvals SET verdict = NULL",
        "UPDATE approvals SET deadline_ms = deadline_ms + 1",
        "UPDATE calls SET arguments = zeroblob(40)",
    ] {
        let waiting = Waiting::new().await;
        waiting.answer(Answer::Once).await.unwrap();
        waiting.change(change).await;
        let came = waiting.resume().await;
        assert!(came.is_some(), "{change}: there is a run to take up");
        assert_eq!(waiting.fixture.outbox.sent(), [], "{change}");
    }
    // A yes that is written into the file is none.
    let waiting = Waiting::new().await;
    waiting.change("UPDATE approvals SET state = 'allowed'").await;
    waiting.resume().await;
    assert_eq!(waiting.fixture.outbox.sent(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_a_restart_is_honoured_once() {
    let waiting = Waiting::new().await;
    waiting.answer(Answer::Once).await.unwrap();
    let (ended, heard) = waiting.resume().await.unwrap();
    assert!(ended, "{:?}", heard.results());
    assert_eq!(waiting.fixture.outbox.sent(), [(TO.to_owned(), "late".to_owned())]);
    assert!(waiting.resume().await.is_none());
    assert_eq!(waiting.fixture.outbox.sent().len(), 1);
    let state = waiting.fixture.assistant.records.approval(&waiting.approval.id).await.unwrap().unwrap().state;
    assert_eq!(state.name(), "spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_came_with_the_answer_does_not_stand_in_its_way_after_a_restart() {
    for answer in [Answer::Once, Answer::Always] {
        let waiting = Waiting::new().await;
        waiting.answer(answer.clone()).await.unwrap();
        let (ended, heard) = waiting.resume().await.unwrap();
        assert!(ended, "{answer:?}: {:?}", heard.results());
        assert_eq!(waiting.fixture.outbox.sent().len(), 1, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_racing_answers_one_counts() {
    let waiting = Arc::new(Waiting::new().await);
    let racing = (0..1_000).map(|number| {
        let waiting = waiting.clone();
        tokio::spawn(async move {
            let answer = match number % 3 {
                0 => Answer::Once,
                1 => Answer::Always,
                _ => Answer::No(None),
            };
            (answer.clone(), waiting.answer(answer).await)
        })
    });
    let mut won = Vec::new();
    for racing in racing.collect::<Vec<_>>() {
        let (answer, ended) = racing.await.unwrap();
        match ended {
            Ok(()) => won.push(answer),
            Err(DecideError::AlreadyDecided { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won.len(), 1);
    let rules = waiting.fixture.assistant.records.rules().await.unwrap();
    assert_eq!(rules.len(), usize::from(won[0] == Answer::Always), "{won:?}");
    waiting.resume().await.unwrap();
    let sent = usize::from(!matches!(won[0], Answer::No(_)));
    assert_eq!(waiting.fixture.outbox.sent().len(), sent, "{won:?}");
}

/// Runs with a judge; gives who decided, whether it was allowed and what was sent.
async fn decided(fixture: &Fixture, judge: Arc<Judge>) -> (Heard, Vec<(String, String)>) {
    let mut session = fixture.session(PERSON).await;
    let (_, language_model) = sender().shared();
    let heard = Heard::default();
    fixture
        .assistant
        .run(&mut session, &language_model, Input::typed("Tell them"), heard.run_context(judge))
        .await
        .unwrap();
    (heard, fixture.outbox.sent())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_counts_from_wherever_it_comes() {
    // From another terminal, while the prompt is open.
    let fixture = Fixture::new().await;
    let silent = Judge::silent();
    let elsewhere = async {
        silent.rang().await;
        let records = &fixture.assistant.records;
        let approval = records.waiting_approvals().await.unwrap().remove(0);
        let (asked, person) = (read_asked(approval.shown).unwrap(), PersonId::parse(PERSON).unwrap());
        answer_request(records, &approval.id, &asked, &person, &Answer::Once, &owner("terminal")).await.unwrap();
        let late = answer_request(records, &approval.id, &asked, &person, &Answer::Always, &owner("late")).await;
        assert!(matches!(late, Err(DecideError::AlreadyDecided { ref by, .. }) if by == "terminal"), "{late:?}");
    };
    let ((_, sent), ()) = tokio::join!(decided(&fixture, silent.clone()), elsewhere);
    assert_eq!(sent.len(), 1);
    assert!(fixture.assistant.records.rules().await.unwrap().is_empty());
    // From the prompt; then the other terminal is late.
    let fixture = Fixture::new().await;
    let judge = Judge::denying();
    let (_, sent) = decided(&fixture, judge.clone()).await;
    let asked = judge.asked().remove(0);
    let (id, person) = (ApprovalId::parse(&asked.id).unwrap(), PersonId::parse(PERSON).unwrap());
    let late = answer_request(&fixture.assistant.records, &id, &asked, &person, &Answer::Always, &owner("late")).await;
    assert!(matches!(late, Err(DecideError::AlreadyDecided { ref by, .. }) if by == "prompt"), "{late:?}");
    assert!(sent.is_empty() && fixture.assistant.records.rules().await.unwrap().is_empty());
}

/// Counts how often a future wants to go on.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn who_waits_for_a_person_does_nothing_until_the_answer_comes() {
    let fixture = Fixture::new().await;
    let silent = Judge::silent();
    let mut session = fixture.session(PERSON).await;
    let (_, language_model) = sender().shared();
    let run_context = Heard::default().run_context(silent.clone());
    let run = fixture.assistant.run(&mut session, &language_model, Input::typed("Tell them"), run_context);
    let mut run = std::pin::pin!(run);
    tokio::select! {
        ended = &mut run => panic!("it ended: {ended:?}"),
        () = silent.rang() => {}
    }
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // Almost as long as the request stands.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(590)).await;
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    tokio::time::resume();
    let records = &fixture.assistant.records;
    let approval = records.waiting_approvals().await.unwrap().remove(0);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    records.decide_approval(&approval.id, Decision::Allowed(None), &owner("elsewhere")).await.unwrap();
    assert!(wakes.0.load(Ordering::SeqCst) > 0);
    run.await.unwrap();
    assert_eq!(fixture.outbox.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_ask_two_people_at_once() {
    let fixture = Fixture::new().await;
    let silent = [Judge::silent(), Judge::silent()];
    let asked = async { tokio::join!(silent[0].rang(), silent[1].rang()) };
    tokio::select! {
        _ = decided(&fixture, silent[0].clone()) => panic!("nobody answered"),
        _ = decided(&fixture, silent[1].clone()) => panic!("nobody answered"),
        _ = asked => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_before_the_deadline_is_a_denial() {
    let fixture = Fixture::with(Setup { patience: Duration::ZERO, ..Setup::default() }).await;
    let (heard, sent) = decided(&fixture, Judge::silent()).await;
    let (_, text, failed) = heard.results().remove(0);
    assert!(failed && text.contains("denied by the deadline: nobody answered in time"), "{text}");
    assert!(sent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_always_is_narrow_and_does_not_speak_when_labels_ask() {
    let fixture = Fixture::new().await;
    fixture.internet.page("page.example", Page::text("nothing"));
    let always = Judge::new(|_| Some(Answer::Always));
    let (_, sent) = decided(&fixture, always.clone()).await;
    assert_eq!((sent.len(), always.asked().len()), (1, 1));
    assert!(always.asked()[0].always.as_ref().unwrap().contains(TO));
    // The same destination, in another conversation: the rule answers.
    let denying = Judge::denying();
    let (_, sent) = decided(&fixture, denying.clone()).await;
    assert_eq!((sent.len(), denying.asked().len()), (2, 0));
    // Another destination; the same after a page was read; another person's.
    let other = |to: &'static str, read: bool| {
        Scripted::new(move |number, _| match number {
            0 if read => Reply::calls("fetch_page", json!({ "url": "https://page.example/" })),
            0 | 1 if number == usize::from(read) => Reply::calls("message_send", json!({ "to": to, "text": "late" })),
            _ => Reply::says("done"),
        })
    };
    for (person, to, read) in [(PERSON, "mail:me:team", false), (PERSON, TO, true), ("person-two", TO, false)] {
        let mut session = fixture.session(person).await;
        let (_, language_model) = other(to, read).shared();
        let (heard, denying) = (Heard::default(), Judge::denying());
        let text = "Read https://page.example/ and tell them";
        fixture
            .assistant
            .run(&mut session, &language_model, Input::typed(text), heard.run_context(denying.clone()))
            .await
            .unwrap();
        assert_eq!(denying.asked().len(), 1, "{person} {to} {read}");
        assert_eq!(denying.asked()[0].always.is_none(), read);
        assert_eq!(fixture.outbox.sent().len(), 2);
    }
    // And a rule that is taken back is gone.
    let rule = fixture.assistant.records.rules().await.unwrap().remove(0).id;
    assert!(fixture.assistant.records.remove_rule(&rule, "test").await.unwrap());
    let denying = Judge::denying();
    decided(&fixture, denying.clone()).await;
    assert_eq!((denying.asked().len(), fixture.outbox.sent().len()), (1, 2));
}
