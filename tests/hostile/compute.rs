//! Attacks on time, stack and memory.

use cara_harness::{Attack, Reply, Upstream};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_runs_out_of_fuel() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("spin", json!({})).await;
    assert_eq!(fault, "component `hostile` was stopped: it used up its 1000000000 units of fuel");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_with_fuel_to_spare_runs_out_of_time() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("fuel = 1000000000000\nwall = \"100ms\"").load();
    let began = Instant::now();
    let fault = subject.fault("spin", json!({})).await;
    assert_eq!(fault, "component `hostile` was stopped: it took longer than 0.1 s");
    assert!(began.elapsed() < Duration::from_secs(5), "the epoch stops it soon: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_guest_that_spins_leaves_the_thread_to_others() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("fuel = 1000000000000\nwall = \"300ms\"").load();
    // One thread for everything: the other call is only answered if the spinning guest yields.
    let (spinning, other) = (subject.tool("spin", json!({})), async {
        subject.lives().await;
        Instant::now()
    });
    let began = Instant::now();
    let (spun, answered) = tokio::join!(spinning, other);
    assert!(spun.is_err());
    assert!(answered - began < Duration::from_millis(300), "answered while the other one spun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_inside_host_calls_is_stopped() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("fuel = 1000000000000\nwall = \"100ms\"").load();
    for import in ["clock", "log", "state"] {
        let fault = subject.fault("spin_in_host_calls", json!({ "import": import })).await;
        assert_eq!(fault, "component `hostile` was stopped: it took longer than 0.1 s", "{import}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_inside_host_calls_pays_fuel_for_them() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("fuel = 10000000").load();
    let fault = subject.fault("spin_in_host_calls", json!({ "import": "clock" })).await;
    assert_eq!(fault, "component `hostile` was stopped: it used up its 10000000 units of fuel");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_allocates_without_end_hits_its_limit() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("allocate", json!({})).await;
    assert_eq!(fault, "component `hostile` was stopped: it needs more memory than its limit of 64 MiB");
    let small = attack.guest().limits("memory = \"8MiB\"").load();
    let fault = small.fault("allocate", json!({})).await;
    assert_eq!(fault, "component `hostile` was stopped: it needs more memory than its limit of 8 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_a_call_is_named_and_not_what_was_denied_before() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("fuel = 200000000\nmemory = \"8MiB\"").load();
    let fault = subject.fault("allocate_then_spin", json!({})).await;
    assert_eq!(fault, "component `hostile` was stopped: it used up its 200000000 units of fuel");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_memory_of_a_guest_survives_its_call() {
    let attack = Attack::new().await;
    let subject = attack.load();
    for _ in 0..3 {
        assert_eq!(subject.tool("remember", json!({})).await.unwrap().text(), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_the_pool_holds_wait_for_their_turn() {
    let attack = Attack::new().await;
    let subject = std::sync::Arc::new(attack.load());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..150 {
        let subject = subject.clone();
        calls.spawn(async move { subject.tool("sleep", json!({ "ms": 20 })).await });
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap().unwrap().text(), "slept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_takes_its_request_with_it() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| Reply::ok("the beginning").then_hang()).await;
    let subject = attack.load();
    let call = subject.tool("request", json!({ "url": attack.upstream.url() }));
    tokio::select! {
        _ = call => panic!("the upstream never ends"),
        () = attack.upstream.asked() => {}
    }
    attack.upstream.idle().await;
    subject.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_recurses_overflows_its_own_stack() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("recurse", json!({})).await;
    assert_eq!(fault, "component `hostile` was stopped: it overflowed its stack");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_panics_breaks_its_own_call_only() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("panic", json!({})).await;
    assert_eq!(fault, "component `hostile` broke: it panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_blocks_in_a_host_call_is_dropped_at_its_limit() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("wall = \"50ms\"").load();
    let fault = subject.fault("sleep", json!({ "ms": 3_600_000 })).await;
    assert_eq!(fault, "component `hostile` was stopped: it took longer than 0.05 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_for_a_server_that_never_answers_is_dropped_and_its_request_with_it() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| Reply::silence()).await;
    let subject = attack.guest().limits("wall = \"200ms\"").load();
    let fault = subject.fault("request", json!({ "url": attack.upstream.url() })).await;
    assert_eq!(fault, "component `hostile` was stopped: it took longer than 0.2 s");
    assert_eq!(attack.upstream.requests().len(), 1);
    attack.upstream.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_drips_does_not_hold_a_call_past_its_limit() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| Reply::drip("x", Duration::from_millis(20))).await;
    let subject = attack.guest().limits("wall = \"300ms\"").load();
    let fault = subject.fault("request", json!({ "url": attack.upstream.url() })).await;
    assert_eq!(fault, "component `hostile` was stopped: it took longer than 0.3 s");
    attack.upstream.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_drips_its_request_does_not_hold_a_call_past_its_limit() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("wall = \"300ms\"").load();
    let arguments = json!({ "authority": attack.upstream.authority(), "every_ms": 20, "count": 1_000_000 });
    let fault = subject.fault("drip_request", arguments).await;
    assert_eq!(fault, "component `hostile` was stopped: it took longer than 0.3 s");
    attack.upstream.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_faults_again_and_again_rests_and_comes_back() {
    let attack = Attack::new().await;
    let subject = attack.load();
    for _ in 0..5 {
        assert!(subject.tool("panic", json!({})).await.is_err());
    }
    let resting = subject.tool("answer", json!({})).await.unwrap_err().to_string();
    assert_eq!(resting, "component `hostile` is resting after 5 faults in a row\nhint: it is tried again in 1 s");
    // Another component is not held up by it.
    attack.load().lives().await;
}
