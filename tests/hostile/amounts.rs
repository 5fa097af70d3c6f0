//! Attacks by amount: answers, log lines, handles, requests.

use cara_harness::{Attack, Reply, Upstream, captured};
use serde_json::json;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_limit_is_not_taken() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("return_large", json!({ "count": 1, "bytes": 2 * MIB })).await;
    assert_eq!(fault, "component `hostile` was stopped: its output is over 1048576 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_what_may_pass_in_one_call_is_not_copied() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("return_large", json!({ "count": 1, "bytes": 40 * MIB })).await;
    assert_eq!(fault, "component `hostile` was stopped: it passed more than 16777216 bytes in one host call");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_100_mib_that_is_all_the_same_bytes_is_not_copied() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("return_amplified", json!({ "count": 100, "bytes": MIB })).await;
    assert_eq!(fault, "component `hostile` was stopped: it passed more than 16777216 bytes in one host call");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_empty_parts_count_as_well() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("return_amplified", json!({ "count": 140_000, "bytes": 0 })).await;
    assert_eq!(fault, "component `hostile` was stopped: its output is over 1048576 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_of_a_gigabyte_is_not_copied() {
    let attack = Attack::new().await;
    let fault = attack.load().fault("amplify_log", json!({ "count": 1_000, "bytes": MIB })).await;
    assert_eq!(fault, "component `hostile` was stopped: it passed more than 16777216 bytes in one host call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_ends_at_the_limit_and_is_named_once() {
    let log = captured();
    let attack = Attack::new().await;
    let manifest = cara_harness::manifest_of("hostile").replace("id = \"hostile\"", "id = \"flooder\"");
    let package = cara_harness::component_of("hostile", &manifest);
    let subject = attack.testbed.package(package).load();
    subject.tool("flood_log", json!({ "count": 20_000, "bytes": 8 })).await.unwrap();
    assert_eq!(log.lines(&["flooder", "xxxxxxxx"]).len(), 1_000);
    assert_eq!(log.lines(&["flooder", "log limit reached"]).len(), 1);
    subject.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_line_is_cut() {
    let log = captured();
    let attack = Attack::new().await;
    let manifest = cara_harness::manifest_of("hostile").replace("id = \"hostile\"", "id = \"rambler\"");
    let subject = attack.testbed.package(cara_harness::component_of("hostile", &manifest)).load();
    subject.tool("flood_log", json!({ "count": 1, "bytes": 100_000 })).await.unwrap();
    let lines = log.lines(&["rambler", "xxxxxxxx"]);
    assert!(lines.len() == 1 && lines[0].len() < 5_000 && lines[0].contains("x…"), "{} lines", lines.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_handles_of_any_kind_are_too_many() {
    let attack = Attack::new().await;
    let subject = attack.load();
    for kind in ["fields", "pollables"] {
        let fault = subject.fault("open_handles", json!({ "kind": kind, "count": 10_000 })).await;
        assert_eq!(fault, "component `hostile` was stopped: it opened more than 1000 handles", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handle_holds_in_the_host_is_small() {
    let attack = Attack::new().await;
    let subject = attack.load();
    let told = subject.tool("open_handles", json!({ "kind": "filled-fields", "count": 100, "bytes": MIB })).await;
    assert!(told.as_ref().map_or(true, |told| told.answer.is_err()), "{told:?}");
    subject.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_end_at_the_limit() {
    let attack = Attack::new().await;
    let subject = attack.guest().limits("requests = 5").load();
    let told = subject.tool("hoard_requests", json!({ "url": attack.upstream.url(), "count": 50 })).await.unwrap();
    assert_eq!(told.text(), "5");
    assert_eq!(
        told.refusal(),
        "component `hostile` made more than 5 requests in one call\nhint: to allow more, raise `requests` in its limits"
    );
    assert_eq!(attack.upstream.requests().len(), 5);
    subject.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_do_not_fill_the_hosts_memory() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| Reply::endless()).await;
    let subject = attack.load();
    let before = cara_harness::resident();
    let told = subject.tool("hoard_requests", json!({ "url": attack.upstream.url(), "count": 20 })).await.unwrap();
    assert_eq!(told.text(), "20");
    if let (Some(before), Some(after)) = (before, cara_harness::resident()) {
        // The answers have no end, and other tests run beside this one.
        assert!(after < before + (256 << 20), "from {before} to {after} bytes");
    }
    attack.upstream.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_over_the_egress_limit_are_not_read() {
    let mut attack = Attack::new().await;
    attack.upstream = Upstream::start(|_| Reply::endless()).await;
    let subject = attack.guest().limits("egress = \"1MiB\"").load();
    let told = subject.tool("request", json!({ "url": attack.upstream.url() })).await.unwrap();
    assert!(told.answer.is_err());
    assert_eq!(
        told.refusal(),
        "the call sent and received over 1048576 bytes\nhint: to allow more, raise `egress` in the component's limits"
    );
    subject.lives().await;
}
