//! Budgets: what is reserved and used together never passes a limit.

use super::*;
use cara_authority::CredentialId;
use std::sync::Arc;
use tokio::sync::Barrier;

fn asked(run: &RunId, tokens: u64) -> Reservation {
    Reservation {
        caller: Caller::Run(run.clone()),
        component: id("model"),
        model: "m-1".into(),
        tokens,
        micros: Some(tokens * 2),
    }
}

fn limit(scope: Scope, tokens: u64) -> Limit {
    Limit { scope, since_ms: 0, tokens: Some(tokens), micros: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_runs_at_once_never_pass_a_limit() {
    const MOST: u64 = 1_000;
    let fixture = Fixture::new().await;
    let processes = [records_at(&fixture.place, 1).await, records_at(&fixture.place, 1).await];
    let barrier = Arc::new(Barrier::new(64));
    let mut tasks = Vec::new();
    for n in 0..64 {
        let (records, barrier) = (processes[n % 2].clone(), barrier.clone());
        let session = records.begin_session(&person("anna"), "t", "a", "one of many").await.unwrap();
        let run = records.begin_run(&session, "p", &said("x", Source::Owner)).await.unwrap();
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            let mut spent = 0;
            for round in 0..8 {
                let Ok(id) = records.reserve(&asked(&run, 30), &[limit(Scope::Day, MOST)]).await else { continue };
                let total = "SELECT CAST(COALESCE(SUM(input + output), 0) + (SELECT COALESCE(SUM(tokens), 0) FROM \
                             reservations) AS BIGINT) FROM usage";
                let total: i64 = value(records.ledger(), total).await;
                assert!(total as u64 <= MOST, "{total}");
                if round % 3 == 0 {
                    records.release(&id).await.unwrap();
                } else {
                    records.settle(&id, Spent { input: 20, output: 5, micros: None }).await.unwrap();
                    spent += 25;
                }
            }
            spent
        }));
    }
    let spent: u64 = futures_util::future::join_all(tasks).await.into_iter().map(|spent| spent.unwrap()).sum();
    assert!(spent <= MOST && spent > MOST - 30, "{spent}");
    assert_eq!(fixture.records.usage(0, UsageBy::Component).await.unwrap()[0].input, spent / 25 * 20);
}

#[tokio::test]
async fn the_refusal_names_the_limit_and_what_counts_for_it() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    let first = records.reserve(&asked(run, 60), &[]).await.unwrap();
    records.settle(&first, Spent { input: 30, output: 10, micros: Some(7) }).await.unwrap();
    records.settle(&first, Spent { input: 999, output: 0, micros: None }).await.unwrap();
    records.reserve(&asked(run, 50), &[limit(Scope::Run, 90)]).await.unwrap();
    let limits = [limit(Scope::Session, 1_000), limit(Scope::Run, 99)];
    let Err(ReserveError::OverBudget(over)) = records.reserve(&asked(run, 10), &limits).await else { panic!() };
    assert_eq!((over.limit.scope, over.used, over.reserved, over.asked, over.most), (Scope::Run, 40, 50, 10, 99));
    let money = Limit { scope: Scope::Day, since_ms: 0, tokens: None, micros: Some(7 + 100 + 19) };
    let Err(ReserveError::OverBudget(over)) = records.reserve(&asked(run, 10), &[money]).await else { panic!() };
    assert_eq!((over.unit, over.used, over.reserved, over.asked), ("micros", 7, 100, 20));
}

#[tokio::test]
async fn each_scope_counts_its_own_and_a_day_begins_when_it_is_said_to() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    let id = records.reserve(&asked(run, 50), &[]).await.unwrap();
    records.settle(&id, Spent { input: 50, output: 0, micros: None }).await.unwrap();
    let session = records.begin_session(&person("ben"), "t", "a", "other").await.unwrap();
    let other = records.begin_run(&session, "p", &said("x", Source::Owner)).await.unwrap();
    let own = [Scope::Run, Scope::Session, Scope::Person].map(|scope| (scope, false));
    for (scope, counts) in own.into_iter().chain([(Scope::Component, true), (Scope::Day, true)]) {
        assert_eq!(records.reserve(&asked(&other, 60), &[limit(scope, 100)]).await.is_err(), counts, "{scope:?}");
        records.release_process("p").await.unwrap();
    }
    let today = Limit { since_ms: 1_001, ..limit(Scope::Day, 100) };
    records.reserve(&asked(run, 60), &[today]).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_process_or_an_ended_run_reserved_is_free_again() {
    let fixture = Fixture::new().await;
    let (records, run) = (&fixture.records, &fixture.run);
    let limits = [limit(Scope::Day, 100)];
    records.reserve(&asked(run, 100), &limits).await.unwrap();
    assert!(records.reserve(&asked(run, 1), &limits).await.is_err());
    assert_eq!(records.release_process("another").await.unwrap(), 0);
    assert_eq!(records.release_process("process 1").await.unwrap(), 1);
    let id = records.reserve(&asked(run, 100), &limits).await.unwrap();
    let spent = Spent { input: 1, output: 1, micros: None };
    records.end_run(run, &[], RunState::Done, None, &[(id, spent)]).await.unwrap();
    assert!(matches!(records.reserve(&asked(run, 1), &[]).await, Err(ReserveError::Ledger(_))));
    let next = records.begin_run(&fixture.session, "p", &said("x", Source::Owner)).await.unwrap();
    records.reserve(&asked(&next, 98), &limits).await.unwrap();
}

#[tokio::test]
async fn totals_are_by_day_session_run_component_and_model() {
    let fixture = Fixture::new().await;
    const DAY: u64 = 86_400_000;
    for (at_ms, micros) in [(DAY + 5, Some(3)), (DAY * 2 + 5, None), (DAY * 2 + 9, Some(4))] {
        let records = records_at(&fixture.place, at_ms).await;
        let id = records.reserve(&asked(&fixture.run, 9), &[]).await.unwrap();
        records.settle(&id, Spent { input: 2, output: 1, micros }).await.unwrap();
    }
    let days = fixture.records.usage(0, UsageBy::Day).await.unwrap();
    let expected = |group: u64, calls, micros, unpriced| UsageTotal {
        group: group.to_string(),
        calls,
        input: calls * 2,
        output: calls,
        micros,
        unpriced,
    };
    assert_eq!(days, [expected(DAY, 1, 3, 0), expected(DAY * 2, 2, 4, 1)]);
    assert_eq!(fixture.records.usage(DAY * 2, UsageBy::Day).await.unwrap().len(), 1);
    for (by, group) in [
        (UsageBy::Session, fixture.session.as_str()),
        (UsageBy::Run, fixture.run.as_str()),
        (UsageBy::Component, "model"),
        (UsageBy::Model, "model/m-1"),
    ] {
        let totals = fixture.records.usage(0, by).await.unwrap();
        assert_eq!((totals.len(), totals[0].group.as_str(), totals[0].calls), (1, group, 3));
    }
}

#[tokio::test]
async fn all_runs_of_a_credential_use_no_more_in_a_day_than_it_may_whoever_sets_which_limits() {
    const DAY: u64 = 24 * 3_600 * 1_000;
    let place = Place::new();
    let records = records_at(&place, DAY + 5).await;
    let charged =
        |name: &str, tokens| Charged { credential: CredentialId::parse(name).unwrap(), tokens_per_day: tokens };
    let mut runs = Vec::new();
    let of = [("c-one", Some(100)), ("c-one", Some(100)), ("c-two", Some(100)), ("c-three", None)];
    for (name, tokens) in of {
        let session = records.begin_session(&person("anna"), "t", "a", "x").await.unwrap();
        let (run, charged) = (Records::fresh_run().unwrap(), charged(name, tokens));
        let message = said("x", Source::Owner);
        records.begin_run_for(&run, &session, "p", &message, (None, Some(&charged)), &[]).await.unwrap();
        runs.push(run);
    }
    let id = records.reserve(&asked(&runs[0], 60), &[]).await.unwrap();
    records.settle(&id, Spent { input: 50, output: 10, micros: None }).await.unwrap();
    // Another run of the same credential has what is left; what is reserved counts as well.
    let Err(ReserveError::OverBudget(over)) = records.reserve(&asked(&runs[1], 41), &[]).await else { panic!() };
    assert_eq!((over.limit.scope, over.used, over.reserved, over.most), (Scope::Credential, 60, 0, 100));
    records.reserve(&asked(&runs[1], 40), &[]).await.unwrap();
    assert!(records.reserve(&asked(&runs[0], 1), &[]).await.is_err());
    // Others have their own, or none of their own.
    records.reserve(&asked(&runs[2], 100), &[]).await.unwrap();
    records.reserve(&asked(&runs[3], 1_000), &[]).await.unwrap();
    // Another day.
    let tomorrow = records_at(&place, 2 * DAY).await;
    tomorrow.release_process("p").await.unwrap();
    tomorrow.reserve(&asked(&runs[0], 100), &[]).await.unwrap();
}
