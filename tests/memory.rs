//! After every attack the memory of the host returns to where it was.
//!
//! Measured in a process of its own, so that no other test moves the figure.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_harness::{Reply, Subject, Testbed, Upstream, resident};
use cara_kernel::Attachments;
use cara_kernel::bindings::types::Blob;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;

/// Set in the process that a measurement has for itself.
const ALONE: &str = "CARA_TEST_ALONE";

/// Runs the measurement of the test of this name in a process without other tests: this program once more.
#[track_caller]
fn alone(test: &str, measurement: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(measurement);
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.args(["--exact", &format!("memory::{test}"), "--nocapture"]).env(ALONE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // A name that is wrong would run no test, and that would succeed.
    let ran = output.status.success() && told.contains("1 passed");
    assert!(ran, "{test}: {told}{}", String::from_utf8_lossy(&output.stderr));
    print!("{told}");
}

/// Attacks that take memory in one way or another.
fn attacks(upstream: &Upstream) -> Vec<(&'static str, Value)> {
    let url = upstream.url();
    vec![
        ("allocate", json!({})),
        ("recurse", json!({})),
        ("panic", json!({})),
        ("return_large", json!({ "count": 1, "bytes": 40 * MIB })),
        ("return_amplified", json!({ "count": 100, "bytes": MIB })),
        ("amplify_log", json!({ "count": 1_000, "bytes": MIB })),
        ("open_handles", json!({ "kind": "fields", "count": 10_000 })),
        ("open_handles", json!({ "kind": "pollables", "count": 10_000 })),
        ("flood_log", json!({ "count": 5_000, "bytes": 4_000 })),
        ("hoard_requests", json!({ "url": url, "count": 20 })),
    ]
}

/// A round of all attacks, each by a component without a past, so that none is resting.
async fn round(testbed: &Testbed, upstream: &Upstream) {
    for (name, arguments) in attacks(upstream) {
        let subject: Subject = testbed.guest("hostile").setting("base-url", upstream.url()).load();
        // Some are faults, some are answers: what each is, is tested elsewhere.
        let _ = subject.tool(name, arguments).await;
        subject.lives().await;
    }
    upstream.idle().await;
    upstream.forget();
}

#[test]
fn memory_returns_to_where_it_was_after_every_attack() {
    alone("memory_returns_to_where_it_was_after_every_attack", returns());
}

async fn returns() {
    let testbed = Testbed::new().await;
    let upstream = Upstream::start(|_| Reply::endless()).await;
    // Twice, so that the pool, the allocator and the connections are warm.
    for _ in 0..2 {
        round(&testbed, &upstream).await;
    }
    let Some(before) = resident() else {
        println!("skipped: this system does not tell how much memory a process holds");
        return;
    };
    for _ in 0..5 {
        round(&testbed, &upstream).await;
    }
    let after = resident().unwrap();
    // Fifty attacks, of which one alone would leave more behind than this.
    assert!(after < before + 8 * MIB, "from {} to {} MiB", before / MIB, after / MIB);
}

#[test]
fn what_a_thousand_handles_of_unsent_bodies_hold_is_within_the_memory_of_the_call() {
    alone("what_a_thousand_handles_of_unsent_bodies_hold_is_within_the_memory_of_the_call", async {
        let testbed = Testbed::new().await;
        let upstream = Upstream::start(|_| Reply::ok("")).await;
        let subject = testbed.guest("hostile").setting("base-url", upstream.url()).load();
        subject.lives().await;
        let Some(before) = resident() else {
            println!("skipped: this system does not tell how much memory a process holds");
            return;
        };
        // Without a bound it returns, holding two mebibytes for each.
        let (sender, done) = tokio::sync::oneshot::channel();
        let call = tokio::spawn(async move {
            let _ = subject.tool("hoard_bodies", json!({ "count": 450 })).await;
            let _ = sender.send(());
        });
        let (mut most, mut done) = (before, std::pin::pin!(done));
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(1));
        loop {
            tokio::select! {
                _ = &mut done => break,
                _ = tick.tick() => most = most.max(resident().unwrap()),
            }
        }
        call.await.unwrap();
        println!("450 unsent bodies: {} MiB more than before", (most - before) / MIB);
        assert!(most < before + 80 * MIB, "from {} to {} MiB", before / MIB, most / MIB);
    });
}

/// A conversation whose files are there when so many calls have asked for one.
struct Meeting {
    all: Barrier,
    /// The memory of the process at that moment.
    most: AtomicU64,
}

#[async_trait::async_trait]
impl Attachments for Meeting {
    async fn get(&self, _: ServiceGrant, _: String, _: u64) -> Result<Blob, Refusal> {
        if self.all.wait().await.is_leader() {
            self.most.store(resident().unwrap_or(0), Ordering::Relaxed);
        }
        Err(Refusal::new(Rule::Unavailable, "everybody was here"))
    }
}

#[test]
fn a_thousand_calls_run_at_once_and_cost_what_they_use() {
    const CALLS: usize = 1_000;
    alone("a_thousand_calls_run_at_once_and_cost_what_they_use", async {
        let testbed = Testbed::new().await;
        let bare = resident().unwrap_or(0);
        let testbed = testbed.with_calls(CALLS as u32);
        let reserved = resident().unwrap_or(0) - bare;
        let meeting = Arc::new(Meeting { all: Barrier::new(CALLS), most: AtomicU64::new(0) });
        // Two components: one may have half of the places.
        let limits = "wall = \"10m\"\nidle = \"10m\"";
        let tools = ["media", "attachments"].map(|id| {
            let mut tool = testbed.first_party(id).limits(limits).load();
            tool.services.host_services.attachments = Some(meeting.clone());
            Arc::new(tool)
        });
        let loaded = resident().unwrap_or(0);
        let mut calls = JoinSet::new();
        for number in 0..CALLS {
            let (tool, name) = (tools[number % 2].clone(), ["media_describe", "attachment_read"][number % 2]);
            calls.spawn(async move { tool.tool(name, json!({ "attachment": "a" })).await });
        }
        // They hold their places all the while: none of them waits for another call or a person.
        while let Some(call) = calls.join_next().await {
            assert_eq!(call.unwrap().unwrap().refusal(), "everybody was here");
        }
        let used = meeting.most.load(Ordering::Relaxed).saturating_sub(loaded);
        println!("1,000 places: {} MiB reserved; 1,000 calls: {} MiB used", reserved / MIB, used / MIB);
        assert!(reserved < 64 * MIB && used < 600 * MIB, "{reserved} {used}");
    });
}
