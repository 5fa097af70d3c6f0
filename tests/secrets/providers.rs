//! A canary for each provider: it reaches the wire, and nothing else.

use super::unseen;
use cara_harness::{Canary, Completed, Recorded, Reply, Subject, Testbed, Upstream, captured};

/// A provider with a key, and a server in the place of the vendor's.
struct Case {
    id: &'static str,
    canary: Canary,
    testbed: Testbed,
    upstream: Upstream,
}

/// Every provider that has a key; `every_provider_with_a_key_is_tested` holds this list complete.
const PROVIDERS: [&str; 2] = ["anthropic", "openai"];

impl Case {
    async fn new(id: &'static str, script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        captured();
        let (testbed, canary) = (Testbed::new().await, Canary::new(id));
        testbed.secrets.set(id, "api-key", canary.value());
        let value = canary.value().to_owned();
        let upstream = Upstream::start(move |request| script(holding(request, &value))).await;
        Self { id, canary, testbed, upstream }
    }

    fn load(&self) -> Subject {
        self.testbed.first_party(self.id).setting("base-url", self.upstream.url()).load()
    }

    /// Asks it, and looks for the canary everywhere.
    async fn ask(&self) -> Completed {
        let completed = self.load().complete("any-model").await;
        let sent = self.upstream.requests();
        assert!(
            sent.iter().any(|request| request.text().contains(self.canary.value())),
            "{}: the key was spent",
            self.id
        );
        assert_eq!(self.canary.seen_in(&format!("{completed:?}")), None, "{}: in what came of the call", self.id);
        unseen(&self.canary, &self.testbed);
        completed
    }
}

/// The header that holds the value, without what stands before it.
fn holding<'a>(request: &'a Recorded, value: &str) -> &'a str {
    let values = request.headers.values().filter_map(|held| held.to_str().ok());
    values.filter_map(|held| held.find(value).map(|at| &held[at..])).next().unwrap_or_default()
}

/// A streamed answer of each vendor, whose text is `said`.
fn stream(id: &str, said: &str) -> String {
    match id {
        "openai" => format!(
            "data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"{said}\"}},\"finish_reason\":null}}]}}\n\n\
             data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
        ),
        "anthropic" => format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{\"input_tokens\":1,\"output_tokens\":1}}}}}}\n\n\
             event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
             event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{said}\"}}}}\n\n\
             event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n\
             event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}},\"usage\":{{\"output_tokens\":1}}}}\n\n\
             event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
        ),
        other => panic!("what does `{other}` answer?"),
    }
}

#[test]
fn every_provider_with_a_key_is_tested() {
    // A tool and a channel with a key are no providers: they have no answer that streams.
    let tools = ["search", "telegram"];
    let mut with_secrets = Testbed::first_party_with_secrets();
    with_secrets.retain(|id| !tools.contains(&id.as_str()));
    assert_eq!(with_secrets, PROVIDERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_key_echoed_in_its_answer_is_taken_out() {
    for id in PROVIDERS {
        for size in [1, 5, 4096] {
            let case = Case::new(id, move |key| {
                Reply::pieces(stream(id, key).as_bytes(), size).header("content-type", "text/event-stream")
            })
            .await;
            let completed = case.ask().await;
            assert!(completed.text().starts_with("[secret]"), "{id}: {completed:?}");
            assert!(completed.ended.unwrap().is_ok(), "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_key_echoed_in_an_error_is_not_shown() {
    for id in PROVIDERS {
        for status in [400, 401, 429, 500, 529] {
            let error = move |key: &str| {
                let text = format!("Incorrect API key provided: {key}");
                Reply::ok(format!("{{\"type\":\"error\",\"error\":{{\"type\":\"x\",\"message\":\"{text}\"}}}}"))
                    .status(status)
                    .header("content-type", "application/json")
                    .header("x-request-id", key)
            };
            let completed = Case::new(id, error).await.ask().await;
            assert!(completed.ended.unwrap().is_err(), "{id}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_key_in_an_answer_that_is_no_answer_is_not_shown() {
    for id in PROVIDERS {
        for body in ["{}", "data: {}\n\n", "{\"a\":\"{}\"", "event: {}\ndata: {}\n\n"] {
            Case::new(id, move |key| Reply::ok(body.replace("{}", key))).await.ask().await;
            Case::new(id, move |key| Reply::ok(body.replace("{}", key)).then_break()).await.ask().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_provider_that_repeats_an_echo_everywhere_repeats_nothing_of_it() {
    captured();
    let (testbed, canary) = (Testbed::new().await, Canary::new("hostile-provider"));
    testbed.secrets.set("hostile-provider", "api-key", canary.value());
    let upstream = super::echo::echoing().await;
    let subject = testbed.guest("hostile-provider").setting("base-url", upstream.url()).load();
    let completed = subject.complete("echo").await;
    assert_eq!(canary.seen_in(&format!("{completed:?}")), None);
    // A text may come in several pieces: what could be the beginning of a secret waits for what follows.
    assert!(completed.events.len() >= 6 && completed.text().contains("[secret]"), "{completed:?}");
    let error = completed.ended.unwrap().unwrap_err();
    assert!(error.message.contains("[secret]"), "{}", error.message);
    unseen(&canary, &testbed);
}
