//! Attacks on the places for calls, and calls that wait for calls.

use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_harness::{Subject, Testbed, bare, component_of, manifest_of, with_manifest, wrapped};
use cara_kernel::bindings::models::{Request, Response};
use cara_kernel::bindings::types::{Blob, Usage};
use cara_kernel::{Attachments, HostServices, Models};
use cara_signing::Package;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// The hostile guest under another id.
fn guest(testbed: &Testbed, id: &str) -> Arc<Subject> {
    let manifest = manifest_of("hostile").replace("id = \"hostile\"", &format!("id = \"{id}\""));
    Arc::new(testbed.package(component_of("hostile", &manifest)).limits("wall = \"10m\"\nidle = \"10m\"").load())
}

#[tokio::test]
async fn a_component_that_takes_all_places_it_can_leaves_half_to_others_and_nobody_is_blamed() {
    let testbed = Testbed::new().await.with_calls(4);
    let (greedy, other) = (guest(&testbed, "greedy"), guest(&testbed, "other"));
    let mut calls = JoinSet::new();
    // More than the breaker forgives, if it counted them.
    for _ in 0..8 {
        let greedy = greedy.clone();
        calls.spawn(async move { greedy.tool("sleep", json!({ "ms": 120_000 })).await });
    }
    tokio::task::yield_now().await;
    other.lives().await;
    tokio::time::pause();
    let mut turned_away = Vec::new();
    while turned_away.len() < 6 {
        turned_away.push(calls.join_next().await.unwrap().unwrap().unwrap_err().to_string());
    }
    let text = "component `greedy` was not called: 2 calls of it are under way, as many as one component may have\nhint: try again when some have ended; a larger `calls` in `[pool]` of the configuration makes more room";
    assert!(turned_away.iter().all(|fault| fault == text), "{turned_away:?}");
    // Nor does it rest now: one call more is turned away for the same reason.
    assert_eq!(greedy.tool("answer", json!({})).await.unwrap_err().to_string(), text);
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap().unwrap().text(), "slept");
    }
    greedy.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_another_component_are_refused() {
    let testbed = Testbed::new().await;
    let (one, other) = (guest(&testbed, "one"), guest(&testbed, "other"));
    let swapped =
        Subject { component: one.component.clone(), grants: other.grants.clone(), services: one.services.clone() };
    let fault = swapped.tool("answer", json!({})).await.unwrap_err();
    assert_eq!(fault.to_string(), "component `one` was not called: the grants are another component's");
    one.lives().await;
}

/// A model that is asked by a tool: another component, in the same kernel.
struct Nested {
    model: Subject,
    /// All tools have asked before one is answered.
    all: Arc<Barrier>,
}

#[async_trait::async_trait]
impl Attachments for Nested {
    async fn get(&self, _: ServiceGrant, _: String, _: u64) -> Result<Blob, Refusal> {
        Ok(Blob { media_type: "image/png".into(), name: None, data: b"\x89PNG\r\n\x1a\nrest".to_vec() })
    }
}

#[async_trait::async_trait]
impl Models for Nested {
    async fn complete(&self, _: ServiceGrant, _: Request) -> Result<Response, Refusal> {
        self.all.wait().await;
        let completed = self.model.complete("answer").await;
        match completed.ended {
            Ok(Ok(_)) => Ok(Response {
                text: completed.text(),
                usage: Usage { input: 1, output: 1, cache_read: 0, cache_write: 0, reasoning: 0 },
            }),
            other => Err(Refusal::new(Rule::Unavailable, format!("{other:?}"))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_calls_as_there_are_places_ask_a_model_and_all_end() {
    const CALLS: u32 = 8;
    let testbed = Testbed::new().await.with_calls(CALLS);
    // All places are held when the first of them asks its model.
    let all = Arc::new(Barrier::new(CALLS as usize));
    // Two components, because one may have half of the places.
    let tools = ["first", "second"].map(|id| {
        let mut tool = media(&testbed, id);
        let model = testbed.guest("hostile-provider").load();
        let nested = Arc::new(Nested { model, all: all.clone() });
        tool.services.host_services =
            HostServices { attachments: Some(nested.clone()), models: Some(nested), ..HostServices::default() };
        Arc::new(tool)
    });
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let tool = tools[number as usize % 2].clone();
        calls.spawn(async move { tool.tool("media_describe", json!({ "attachment": "a" })).await });
    }
    let all = async {
        while let Some(call) = calls.join_next().await {
            assert_eq!(call.unwrap().unwrap().text(), "alive");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("no call waits for the place its caller holds");
}

/// The media component under another id.
fn media(testbed: &Testbed, id: &str) -> Subject {
    let file = cara_bundle::components().iter().find(|built_in| built_in.id == "media").unwrap().wasm;
    let package = Package::read(file).unwrap();
    let manifest = package.manifest().replace("id = \"media\"", &format!("id = \"{id}\""));
    testbed.package(with_manifest(file, &manifest)).load()
}

/// The length of a part of a binary, and then the part.
fn sized(part: &[u8]) -> Vec<u8> {
    assert!(part.len() < 1 << 14, "two bytes of LEB128 are enough");
    [&[part.len() as u8 | 0x80, (part.len() >> 7) as u8], part].concat()
}

/// The hostile guest under another id, with as many more core instances of this one-section module.
fn with_modules(id: &str, count: usize, section: &[u8]) -> Package {
    let manifest = manifest_of("hostile").replace("id = \"hostile\"", &format!("id = \"{id}\""));
    let bare = bare("hostile");
    // Sections of components, among which the new one gets its number.
    let (mut at, mut components) = (8, 0);
    while at < bare.len() {
        let (kind, mut length, mut shift) = (bare[at], 0_usize, 0);
        loop {
            at += 1;
            length |= usize::from(bare[at] & 0x7f) << shift;
            shift += 7;
            if bare[at] < 0x80 {
                break;
            }
        }
        at += 1 + length;
        components += u8::from(kind == 4);
    }
    let module = [b"\0asm\x01\0\0\0", section].concat();
    let instance = sized(&[1, 0, 0, 0]);
    let mut inner = [b"\0asm\x0d\0\x01\0", &[1][..], &sized(&module)].concat();
    for _ in 0..count {
        inner.extend([&[2][..], &instance].concat());
    }
    let more = [bare, &[4], &sized(&inner), &[5], &sized(&[1, 0, components, 0])].concat();
    wrapped(&more, &manifest)
}

const MEMORY: &[u8] = &[5, 3, 1, 0, 1];
const TABLE: &[u8] = &[4, 4, 1, 0x70, 0, 1];

#[tokio::test]
async fn a_component_of_many_memories_or_tables_takes_as_many_places() {
    for (section, count) in [(MEMORY, 2), (TABLE, 8)] {
        let testbed = Testbed::new().await.with_calls(8);
        let limits = "wall = \"10m\"\nidle = \"10m\"";
        let large = Arc::new(testbed.package(with_modules("large", count, section)).limits(limits).load());
        let mut calls = JoinSet::new();
        for _ in 0..2 {
            let large = large.clone();
            calls.spawn(async move { large.tool("sleep", json!({ "ms": 120_000 })).await });
        }
        tokio::task::yield_now().await;
        // Three places and three are more than the four that one component may hold.
        tokio::time::pause();
        let turned_away = calls.join_next().await.unwrap().unwrap().unwrap_err().to_string();
        assert!(
            turned_away.contains("4 calls of it are under way, as many as one component may have"),
            "{turned_away}"
        );
        assert_eq!(calls.join_next().await.unwrap().unwrap().unwrap().text(), "slept");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn the_largest_components_have_room_beside_each_other_in_the_smallest_pool() {
    let testbed = Testbed::new().await.with_calls(2);
    let limits = "wall = \"10m\"\nidle = \"10m\"";
    let [one, other] =
        ["one", "other"].map(|id| Arc::new(testbed.package(with_modules(id, 7, MEMORY)).limits(limits).load()));
    let sleeping = one.clone();
    let call = tokio::spawn(async move { sleeping.tool("sleep", json!({ "ms": 120_000 })).await });
    tokio::task::yield_now().await;
    other.lives().await;
    tokio::time::pause();
    assert_eq!(call.await.unwrap().unwrap().text(), "slept");
}
