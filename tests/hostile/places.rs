//! Attacks on the places for calls, and calls that wait for calls.

use cara_authority::{Powered, Refusal, Rule};
use cara_harness::{Subject, World, component_of, manifest_of, with_manifest};
use cara_kernel::Powers;
use cara_kernel::bindings::models::{Request, Response};
use cara_kernel::bindings::types::{Blob, Usage};
use cara_signing::Package;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// The hostile guest under another id.
fn guest(world: &World, id: &str) -> Arc<Subject> {
    let manifest = manifest_of("hostile").replace("id = \"hostile\"", &format!("id = \"{id}\""));
    Arc::new(world.package(component_of("hostile", &manifest)).limits("wall = \"10m\"\nidle = \"10m\"").load())
}

#[tokio::test]
async fn a_component_that_takes_all_places_it_can_leaves_half_to_others_and_nobody_is_blamed() {
    let world = World::new().await.with_calls(4);
    let (greedy, other) = (guest(&world, "greedy"), guest(&world, "other"));
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
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap().unwrap().text(), "slept");
    }
    greedy.lives().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_of_another_component_are_refused() {
    let world = World::new().await;
    let (one, other) = (guest(&world, "one"), guest(&world, "other"));
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
    all: Barrier,
}

#[async_trait::async_trait]
impl Powers for Nested {
    async fn attachment(&self, _: Powered, _: String) -> Result<Blob, Refusal> {
        Ok(Blob { media_type: "image/png".into(), name: None, data: b"\x89PNG\r\n\x1a\nrest".to_vec() })
    }

    async fn complete(&self, _: Powered, _: Request) -> Result<Response, Refusal> {
        self.all.wait().await;
        let completed = self.model.complete("answer").await;
        match completed.ended {
            Ok(Ok(_)) => Ok(Response {
                text: completed.text(),
                usage: Usage { input: 1, output: 1, cache_read: 0, cache_write: 0 },
            }),
            other => Err(Refusal::new(Rule::Unavailable, format!("{other:?}"))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_calls_as_there_are_places_ask_a_model_and_all_end() {
    const CALLS: u32 = 8;
    let world = World::new().await.with_calls(CALLS);
    // Two components, because one may have half of the places.
    let tools = ["first", "second"].map(|id| {
        let mut tool = media(&world, id);
        let model = world.guest("hostile-provider").load();
        tool.services.powers = Arc::new(Nested { model, all: Barrier::new(CALLS as usize / 2) });
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
fn media(world: &World, id: &str) -> Subject {
    let file = cara_bundle::components().iter().find(|built_in| built_in.id == "media").unwrap().wasm;
    let package = Package::read(file).unwrap();
    let manifest = package.manifest().replace("id = \"media\"", &format!("id = \"{id}\""));
    world.package(with_manifest(file, &manifest)).load()
}
