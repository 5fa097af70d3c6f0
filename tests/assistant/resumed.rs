//! Runs that the next process takes up: what was said and done in them
//! before the kill counts after it.

use super::oracle::PERSON;
use cara_assistant::Input;
use cara_assistant::approvals::Answer;
use cara_assistant::outbound::{Outbound, Receipt};
use cara_authority::{Refusal, SessionId};
use cara_harness::assistant::{Fixture, Heard, Judge, Page, Reply, Scripted};
use cara_records::{CallState, NewOutbound};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

type Call = (&'static str, Value);

fn late() -> Call {
    ("message_send", json!({ "to": "mail:me:boss", "text": "I am late" }))
}

/// A conversation whose run makes these calls, one after the other, and is killed when its model thinks after them, or when
/// it waits for a person who gives no answer.
async fn killed(fixture: &Fixture, says: &str, calls: Vec<Call>, answer: Option<Answer>) -> SessionId {
    let mut session = fixture.session(PERSON).await;
    let waits = Arc::new(Notify::new());
    let (thinking, asking) = (waits.clone(), waits.clone());
    let scripted = Scripted::new(move |number, _| match calls.get(number) {
        Some((name, arguments)) => Reply::calls(name, arguments),
        None => {
            thinking.notify_one();
            Reply { hangs: true, ..Reply::default() }
        }
    });
    let judge = Judge::new(move |_| {
        if answer.is_none() {
            asking.notify_one();
        }
        answer.clone()
    });
    let (_, language_model) = scripted.shared();
    let heard = Heard::default();
    {
        let run = fixture.assistant.run(&mut session, &language_model, Input::typed(says), heard.run_context(judge));
        tokio::select! {
            ended = run => panic!("it ended: {ended:?}"),
            () = waits.notified() => {}
        }
    }
    session.id().clone()
}

/// Takes the run up in the next process; its model makes this call, under an id that the first one's had too.
async fn resumed(fixture: &Fixture, id: &SessionId, call: Call, judge: &Arc<Judge>) -> Heard {
    let mut session = fixture.reopened(id, PERSON).await;
    let scripted = Scripted::new(move |number, _| match number {
        0 => Reply::calls(call.0, &call.1),
        _ => Reply::says("done"),
    });
    let (_, language_model) = scripted.shared();
    let heard = Heard::default();
    let assistant = fixture.restarted();
    assistant.resume(&mut session, &language_model, heard.run_context(judge.clone())).await.unwrap().unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clause_that_dictated_a_call_dictates_none_after_a_restart() {
    let write = ("memory_write", json!({ "key": "a", "value": "b" }));
    // While the model thinks, and while a person is waited for.
    for (calls, asked) in
        [(vec![late()], vec!["message_send"]), (vec![late(), write], vec!["memory_write", "message_send"])]
    {
        let fixture = Fixture::new().await;
        fixture.internet.page("page.example", Page::text("A page"));
        let says = "Send “I am late” to mail:me:boss. Read https://page.example/";
        let id = killed(&fixture, says, calls, None).await;
        assert_eq!(fixture.outbox.sent().len(), 1);
        // The next process's model sends the same once more.
        let judge = Judge::denying();
        resumed(&fixture, &id, late(), &judge).await;
        let tools: Vec<String> = judge.asked().into_iter().map(|asked| asked.tool).collect();
        assert_eq!((tools, fixture.outbox.sent().len()), (asked.into_iter().map(str::to_owned).collect(), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sent_before_a_restart_is_not_sent_again_after_it() {
    let fixture = Fixture::new().await;
    let id = killed(&fixture, "Tell my boss.", vec![late()], Some(Answer::Once)).await;
    assert_eq!(fixture.outbox.sent().len(), 1);
    // A person allows the repetition too: it is the same message of the same turn.
    let judge = Judge::allowing();
    let heard = resumed(&fixture, &id, late(), &judge).await;
    let results = heard.results();
    assert!(results.len() == 1 && !results[0].2, "{results:?}");
    assert_eq!((judge.asked().len(), fixture.outbox.sent().len()), (1, 1));
    // Another text is another message.
    let id = killed(&fixture, "Tell my boss.", vec![late()], Some(Answer::Once)).await;
    let other = ("message_send", json!({ "to": "mail:me:boss", "text": "I am here" }));
    resumed(&fixture, &id, other, &judge).await;
    assert_eq!(fixture.outbox.sent().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_stands_after_a_restart() {
    let fixture = Fixture::new().await;
    let id = killed(&fixture, "Hello", vec![late()], Some(Answer::No(None))).await;
    let judge = Judge::allowing();
    let heard = resumed(&fixture, &id, late(), &judge).await;
    let results = heard.results();
    assert!(results.len() == 1 && results[0].1.contains("denied already in this run"), "{results:?}");
    assert_eq!((judge.asked().len(), fixture.outbox.sent().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_a_provider_gives_anew_after_a_restart_is_another_calls() {
    let fixture = Fixture::new().await;
    let list = || ("memory_list", json!({ "prefix": "" }));
    let id = killed(&fixture, "Hello", vec![list()], None).await;
    let heard = resumed(&fixture, &id, list(), &Judge::silent()).await;
    assert!(heard.results().iter().all(|(_, _, failed)| !failed), "{:?}", heard.results());
    assert_eq!(heard.results().len(), 1);
}

/// A channel on which a message is under way until it is let go.
#[derive(Default)]
struct Slow {
    arrived: Notify,
    released: Notify,
}

#[async_trait::async_trait]
impl Outbound for Slow {
    fn channels(&self) -> Vec<String> {
        vec!["mail".to_owned()]
    }

    async fn send(&self, _: NewOutbound) -> Result<Receipt, Refusal> {
        self.arrived.notify_one();
        self.released.notified().await;
        Ok(Receipt { message_id: "1".to_owned() })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_left_only_when_the_call_that_it_makes_has_ended_and_is_written_down() {
    let mut fixture = Fixture::new().await;
    let slow = Arc::new(Slow::default());
    fixture.assistant.outbound = slow.clone();
    let mut session = fixture.session(PERSON).await;
    let (_, language_model) = Scripted::new(|_, _| Reply::calls(late().0, &late().1)).shared();
    let run_context = Heard::default().run_context(Judge::allowing());
    let (gate, assistant) = (run_context.gate.clone(), &fixture.assistant);
    let left = async {
        slow.arrived.notified().await;
        let mut closing = std::pin::pin!(gate.close());
        tokio::select! {
            biased;
            _ = &mut closing => panic!("the gate is closed, and a call goes on behind it"),
            () = std::future::ready(()) => {}
        }
        slow.released.notify_one();
        closing.await;
        let run = assistant.records.unfinished_runs().await.unwrap().remove(0);
        let calls = assistant.records.calls(&run.id).await.unwrap();
        assert_eq!(calls.iter().map(|call| call.state).collect::<Vec<_>>(), [CallState::Done]);
    };
    tokio::select! {
        ended = assistant.run(&mut session, &language_model, Input::typed("Hello"), run_context) => panic!("{ended:?}"),
        () = left => {}
    }
}
