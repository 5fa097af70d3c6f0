//! What may be spent is not passed, however many runs spend it at once.

use super::oracle::PERSON;
use cara_assistant::Input;
use cara_assistant::TurnEvent;
use cara_assistant::budget::{Amount, Budgets};
use cara_authority::{PersonId, PersonRole};
use cara_harness::assistant::{Fixture, Heard, Judge, Reply, Scripted, Setup};
use cara_records::UsageBy;
use std::sync::Arc;

const RUNS: usize = 64;
const MOST: u64 = 60_000;

/// What was used in all, and how many runs were answered, when all run at once.
async fn together(reply: Reply) -> (u64, usize) {
    let budgets = Budgets { day: Amount { tokens: Some(MOST), dollars: None }, ..Budgets::default() };
    let fixture = Arc::new(Fixture::with(Setup { budgets, ..Setup::default() }).await);
    let start = Arc::new(tokio::sync::Barrier::new(RUNS));
    let runs = (0..RUNS).map(|_| {
        let (fixture, start, reply) = (fixture.clone(), start.clone(), reply.clone());
        tokio::spawn(async move {
            let mut session = fixture.session(PERSON).await;
            let (_, language_model) = Scripted::new(move |_, _| reply.clone()).shared();
            start.wait().await;
            let run_context = Heard::default().run_context(Judge::denying());
            fixture.assistant.run(&mut session, &language_model, Input::typed("Hello"), run_context).await
        })
    });
    let mut answered = 0;
    for run in runs.collect::<Vec<_>>() {
        match run.await.unwrap() {
            Ok(_) => answered += 1,
            Err(failure) => assert_eq!(failure.kind, "budget", "{failure}"),
        }
    }
    let used = fixture.assistant.records.usage(0, UsageBy::Day).await.unwrap();
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
    let fixture = Fixture::new().await;
    let reply = Reply { tokens: Some((u64::MAX, 1)), ..Reply::says("hello") };
    for _ in 0..3 {
        let reply = reply.clone();
        let (_, language_model) = Scripted::new(move |_, _| reply.clone()).shared();
        let mut session = fixture.session(PERSON).await;
        let run_context = Heard::default().run_context(Judge::denying());
        let ended = fixture.assistant.run(&mut session, &language_model, Input::typed("Hello"), run_context).await;
        // Cut off, unless it was all there by then.
        assert!(ended.is_ok() || ended.is_err_and(|failure| failure.kind == "budget"));
    }
    let used = fixture.assistant.records.usage(0, UsageBy::Day).await.unwrap();
    let most = u64::from(u32::MAX);
    assert_eq!(used.iter().map(|total| (total.input, total.output)).collect::<Vec<_>>(), [(3 * most, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_stopped_is_counted_as_far_as_it_came() {
    let fixture = Fixture::new().await;
    let hanging = Reply { tokens: Some((700, 30)), hangs: true, ..Reply::says("half of an ans") };
    let (_, language_model) = Scripted::new(move |_, _| hanging.clone()).shared();
    let mut session = fixture.session(PERSON).await;
    let mut run_context = Heard::default().run_context(Judge::denying());
    let cancel = run_context.cancel.clone();
    run_context.listen = Arc::new(move |event| {
        if matches!(event, TurnEvent::Usage(_)) {
            cancel.cancel();
        }
    });
    let ended = fixture.assistant.run(&mut session, &language_model, Input::typed("Hello"), run_context).await;
    assert_eq!(ended.unwrap_err().kind, "cancelled");
    let used = fixture.assistant.records.usage(0, UsageBy::Day).await.unwrap();
    assert_eq!(used.iter().map(|total| (total.input, total.output)).collect::<Vec<_>>(), [(700, 30)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_counts_nothing_for_words_is_billed_by_estimate() {
    for tokens in [Some((0, 0)), Some((700, 0)), None] {
        let fixture = Fixture::new().await;
        let reply = Reply { tokens, ..Reply::says("word ".repeat(600)) };
        let (_, language_model) = Scripted::new(move |_, _| reply.clone()).shared();
        let mut session = fixture.session(PERSON).await;
        let run_context = Heard::default().run_context(Judge::denying());
        fixture.assistant.run(&mut session, &language_model, Input::typed("Hello"), run_context).await.unwrap();
        let used = fixture.assistant.records.usage(0, UsageBy::Day).await.unwrap();
        assert!(used[0].output >= 600 && used[0].input > 0, "{tokens:?}: {} and {}", used[0].input, used[0].output);
        assert_eq!(used[0].input == 700, tokens == Some((700, 0)));
    }
}

#[tokio::test]
async fn a_person_has_the_allowance_of_their_role_each_day_and_is_told_when_it_is_there_again() {
    let budgets: Budgets =
        toml::from_str("[role.guest]\ntokens = 11000\n[person.ben]\ntokens = 21000\n[role.member]\ntokens = 1")
            .unwrap();
    let fixture = Fixture::with(Setup { budgets, ..Setup::default() }).await;
    let records = &fixture.assistant.records;
    let people = [("gus", PersonRole::Guest), ("anna", PersonRole::Member), ("ben", PersonRole::Member)];
    for (name, role) in people {
        records.name_person(&PersonId::parse(name).unwrap(), name, role, "a test").await.unwrap();
    }
    let reply = || Reply { tokens: Some((9_000, 1_000)), ..Reply::says("hello") };
    let ask = async |name: &str| {
        let mut session = fixture.session(name).await;
        let (_, language_model) = Scripted::new(move |_, _| reply()).shared();
        let run_context = Heard::default().run_context(Judge::denying());
        fixture.assistant.run(&mut session, &language_model, Input::typed("Hello"), run_context).await
    };
    // Each in a session of its own: what counts is the person's day. Nobody's use is another's.
    for (name, answers) in [("gus", 1), ("ben", 2), ("stranger", 1), ("anna", 0), ("local:owner", 4)] {
        for _ in 0..answers {
            ask(name).await.unwrap();
        }
        if name != "local:owner" {
            let told = ask(name).await.unwrap_err().to_string();
            assert!(told.contains("your ") && told.contains(" left"), "{name}: {told}");
        }
    }
    // A guest who becomes a member has what members have, from the next call on.
    let gus = PersonId::parse("gus").unwrap();
    records.name_person(&gus, "gus", PersonRole::Member, "a test").await.unwrap();
    assert!(ask("gus").await.unwrap_err().to_string().contains("your 1 tokens"));
}
