//! What the host loads for a call counts to the memory of the call.

use cara_authority::{Refusal, Rule, ServiceGrant};
use cara_harness::{Attack, Testbed};
use cara_kernel::bindings::models::{Request, Response};
use cara_kernel::bindings::types::{Blob, Usage};
use cara_kernel::{Attachments, HostServices, Models};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MIB: u64 = 1 << 20;

/// Services of a host that has attachments and a model.
fn doubled<D: Attachments + Models + 'static>(double: Arc<D>) -> HostServices {
    HostServices { attachments: Some(double.clone()), models: Some(double), ..HostServices::default() }
}

/// A conversation with a large file.
#[derive(Default)]
struct File {
    /// For how many bytes there was room.
    room: AtomicU64,
}

#[async_trait::async_trait]
impl Attachments for File {
    async fn get(&self, _: ServiceGrant, _: String, room: u64) -> Result<Blob, Refusal> {
        self.room.store(room, Ordering::Relaxed);
        if room < 3 * MIB {
            return Err(Refusal::new(Rule::Limit, "the file is larger"));
        }
        let mut data = b"\x89PNG\r\n\x1a\n".to_vec();
        data.resize(3 * MIB as usize, 0);
        Ok(Blob { media_type: "image/png".into(), name: None, data })
    }
}

#[async_trait::async_trait]
impl Models for File {
    async fn complete(&self, _: ServiceGrant, _: Request) -> Result<Response, Refusal> {
        let usage = Usage { input: 1, output: 1, cache_read: 0, cache_write: 0, reasoning: 0 };
        Ok(Response { text: "seen".into(), usage })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_told_how_much_it_may_load_before_it_does() {
    let testbed = Testbed::new().await;
    for (memory, told) in [(6, None), (32, Some("seen"))] {
        let mut media = testbed.first_party("media").limits(&format!("memory = \"{memory}MiB\"")).load();
        let file = Arc::new(File::default());
        media.services.host_services = doubled(file.clone());
        let called = media.tool("media_describe", json!({ "attachment": "a" })).await.unwrap();
        // Half of what the guest does not have already: it stands in the host and in the guest.
        let room = file.room.load(Ordering::Relaxed);
        assert!(room > 0 && room <= memory * MIB / 2, "{memory}: {room}");
        assert_eq!(called.answer.as_deref().ok(), told, "{memory}: {called:?}");
    }
}

/// A model that says much of a small file.
struct Talker;

#[async_trait::async_trait]
impl Attachments for Talker {
    async fn get(&self, _: ServiceGrant, _: String, _: u64) -> Result<Blob, Refusal> {
        Ok(Blob { media_type: "image/png".into(), name: None, data: b"\x89PNG\r\n\x1a\n".to_vec() })
    }
}

#[async_trait::async_trait]
impl Models for Talker {
    async fn complete(&self, _: ServiceGrant, _: Request) -> Result<Response, Refusal> {
        let usage = Usage { input: 1, output: 1, cache_read: 0, cache_write: 0, reasoning: 0 };
        Ok(Response { text: "x".repeat(3 * MIB as usize), usage })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_answers_counts_before_it_is_handed_over() {
    let testbed = Testbed::new().await;
    let mut media = testbed.first_party("media").limits("memory = \"6MiB\"").load();
    media.services.host_services = doubled(Arc::new(Talker));
    let called = media.tool("media_describe", json!({ "attachment": "a" })).await.unwrap();
    assert!(called.answer.is_err());
    assert_eq!(
        called.refusal(),
        "component `media` asks for more than its memory of 6 MiB has room for\nhint: to allow more, raise `memory` in its limits"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_read_when_the_memory_of_the_call_has_room_for_it() {
    let attack = Attack::new().await;
    attack.load().tool("write_state", json!({ "key": "k", "value": "v" })).await.unwrap();
    // The least memory in which the component works at all.
    let (mut kib, mut subject) = (512, None);
    while subject.is_none() {
        kib += 64;
        assert!(kib < 8 << 10, "it works in some memory");
        let tried = attack.guest().limits(&format!("memory = \"{kib}KiB\"")).load();
        subject = tried.tool("answer", json!({})).await.is_ok().then_some(tried);
    }
    let told = subject.unwrap().tool("read_state", json!({ "key": "k" })).await.unwrap();
    let mib = kib >> 10;
    assert_eq!(
        told.refusal(),
        format!(
            "component `hostile` asks for more than its memory of {mib} MiB has room for\nhint: to allow more, raise `memory` in its limits"
        )
    );
    let roomy = attack.guest().limits(&format!("memory = \"{}KiB\"", kib + 512)).load();
    assert_eq!(roomy.tool("read_state", json!({ "key": "k" })).await.unwrap().text(), "Some(\"v\") [\"k\"]");
}
