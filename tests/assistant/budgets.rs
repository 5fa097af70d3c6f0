//! What may be spent is not passed, however many runs spend it at once.

use super::oracle::PERSON;
use cara_assistant::Input;
use cara_assistant::TurnEvent;
use cara_assistant::budget::{Amount, Budgets};
use cara_harness::assistant::{Heard, Judge, Reply, Scripted, Setup, Stage};
use cara_records::UsageBy;
use std::sync::Arc;

const RUNS: usize = 64;
const MOST: u64 = 60_000;

/// What was used in all, and how many runs were answered, when all run at once.
async fn together(reply: Reply) -> (u64, usize) {
    let budgets = Budgets { day: Amount { tokens: Some(MOST), dollars: None }, ..Budgets::default() };
    let stage = Arc::new(Stage::with(Setup { budgets, ..Setup::default() }).await);
    let start = Arc::new(tokio::sync::Barrier::new(RUNS));
    let runs = (0..RUNS).map(|_| {
        let (stage, start, reply) = (stage.clone(), start.clone(), reply.clone());
        tokio::spawn(async move {
            let mut session = stage.session(PERSON).await;
            let (_, thinker) = Scripted::new(move |_, _| reply.clone()).shared();
            start.wait().await;
            let company = Heard::default().company(Judge::denying());
            stage.assistant.run(&mut session, &thinker, Input::typed("Hello"), company).await
        })
    });
    let mut answered = 0;
    for run in runs.collect::<Vec<_>>() {
        match run.await.unwrap() {
            Ok(_) => answered += 1,
            Err(failure) => assert_eq!(failure.kind, "budget", "{failure}"),
        }
    }
    let used = stage.assistant.records.usage(0, UsageBy::Day).await.unwrap();
    (used.iter().map(|total| total.input + total.output).sum(), answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_runs_at_once_stay_within_one_limit() {
    // A vendor that counts no more than was reserved: the limit is never passed at all.
    let (used, answered) = together(Reply { tokens: Some((1_500, 500)), ..Reply::says("hello") }).await;
    assert!(used <= MOST, "{used} of {MOST} used");
    assert!(answered > 0 && answered < RUNS, "{answered} answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_counts_more_than_was_reserved_passes_it_by_one_event_of_each_call_under_way() {
    const EVENT: u64 = 200_000;
    let (used, answered) = together(Reply { tokens: Some((EVENT / 2, EVENT / 2)), ..Reply::says("hello") }).await;
    // Each call has one event, and no call begins once one of them was counted.
    assert_eq!(used, answered as u64 * EVENT);
    // So many had room in the limit together: a prompt takes some 3 000 tokens, an answer 8 192.
    assert!((1..=MOST / 3_000).contains(&(answered as u64)), "{answered} answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_counts_more_than_there_is_breaks_no_sum() {
    let stage = Stage::new().await;
    let reply = Reply { tokens: Some((u64::MAX, 1)), ..Reply::says("hello") };
    for _ in 0..3 {
        let reply = reply.clone();
        let (_, thinker) = Scripted::new(move |_, _| reply.clone()).shared();
        let mut session = stage.session(PERSON).await;
        let company = Heard::default().company(Judge::denying());
        let ended = stage.assistant.run(&mut session, &thinker, Input::typed("Hello"), company).await;
        // Cut off, unless it was all there by then.
        assert!(ended.is_ok() || ended.is_err_and(|failure| failure.kind == "budget"));
    }
    let used = stage.assistant.records.usage(0, UsageBy::Day).await.unwrap();
    let most = u64::from(u32::MAX);
    assert_eq!(used.iter().map(|total| (total.input, total.output)).collect::<Vec<_>>(), [(3 * most, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_stopped_is_counted_as_far_as_it_came() {
    let stage = Stage::new().await;
    let hanging = Reply { tokens: Some((700, 30)), hangs: true, ..Reply::says("half of an ans") };
    let (_, thinker) = Scripted::new(move |_, _| hanging.clone()).shared();
    let mut session = stage.session(PERSON).await;
    let mut company = Heard::default().company(Judge::denying());
    let cancel = company.cancel.clone();
    company.listen = Arc::new(move |event| {
        if matches!(event, TurnEvent::Usage(_)) {
            cancel.cancel();
        }
    });
    let ended = stage.assistant.run(&mut session, &thinker, Input::typed("Hello"), company).await;
    assert_eq!(ended.unwrap_err().kind, "cancelled");
    let used = stage.assistant.records.usage(0, UsageBy::Day).await.unwrap();
    assert_eq!(used.iter().map(|total| (total.input, total.output)).collect::<Vec<_>>(), [(700, 30)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_counts_nothing_for_words_is_billed_by_estimate() {
    for tokens in [Some((0, 0)), Some((700, 0)), None] {
        let stage = Stage::new().await;
        let reply = Reply { tokens, ..Reply::says("word ".repeat(600)) };
        let (_, thinker) = Scripted::new(move |_, _| reply.clone()).shared();
        let mut session = stage.session(PERSON).await;
        let company = Heard::default().company(Judge::denying());
        stage.assistant.run(&mut session, &thinker, Input::typed("Hello"), company).await.unwrap();
        let used = stage.assistant.records.usage(0, UsageBy::Day).await.unwrap();
        assert!(used[0].output >= 600 && used[0].input > 0, "{tokens:?}: {} and {}", used[0].input, used[0].output);
        assert_eq!(used[0].input == 700, tokens == Some((700, 0)));
    }
}
