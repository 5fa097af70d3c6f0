//! What a home signed, in a transparency log; the test in the place of the
//! log.

#![allow(clippy::unwrap_used)]

use std::io;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::instance::{Instance, answered};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_sdk_sign::{Answer, HomeKey, LoggedError, Transport, check_log_entry, enter_log};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MESSAGE: &[u8] = b"cara audit anchor 1\n\xc3\xa5\n12\nffff\n1\n";

/// A log that takes a signature as an instance of Sigstore does, and what it does to its own answer.
struct Log {
    instance: Instance,
    change: fn(&mut Answer),
    asked: Mutex<Vec<(String, Value)>>,
}

impl Log {
    fn new(change: fn(&mut Answer)) -> Self {
        Self { instance: Instance::new(), change, asked: Mutex::default() }
    }

    fn root(&self) -> String {
        self.instance.root().to_string()
    }

    fn enter(&self, key: &HomeKey, root: &str) -> Result<String, LoggedError> {
        let log = "https://log.example".parse().unwrap();
        match pin!(enter_log(MESSAGE, key, &log, root, self)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("nothing here waits"),
        }
    }
}

impl Transport for Log {
    type Error = io::Error;

    async fn post(&self, url: &str, body: &str) -> Result<Answer, io::Error> {
        let request: Value = serde_json::from_str(body).unwrap();
        let content = &request["spec"]["proposedContent"];
        let envelope: Value = serde_json::from_str(content["envelope"].as_str().unwrap()).unwrap();
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let signature = envelope["signatures"][0]["sig"].as_str().unwrap();
        let verifier = STANDARD.decode(content["verifiers"][0].as_str().unwrap()).unwrap();
        let verifier = String::from_utf8(verifier).unwrap();
        let entry = answered(&self.instance.entry_by(&envelope, &payload, signature, &verifier, 60));
        self.asked.lock().unwrap().push((url.to_owned(), request));
        let mut answer = Answer { status: 201, body: entry.to_string() };
        (self.change)(&mut answer);
        Ok(answer)
    }
}

#[test]
fn what_a_log_took_is_proven_by_its_root_for_that_message_and_that_key_only() {
    let (log, key) = (Log::new(|_| ()), HomeKey::generate().unwrap());
    let bundle = log.enter(&key, &log.root()).unwrap();
    assert_eq!(check_log_entry(&bundle, MESSAGE, &key, &log.root()).unwrap(), 1);
    let refused = |bundle: &str, message: &[u8], key: &HomeKey, root: &str| {
        let told = check_log_entry(bundle, message, key, root).unwrap_err().to_string();
        assert!(
            told.starts_with("the entry of the transparency log does not hold: ") && told.contains("\nhint: "),
            "{told}"
        );
    };
    refused(&bundle, b"another message", &key, &log.root());
    refused(&bundle, MESSAGE, &HomeKey::generate().unwrap(), &log.root());
    refused(&bundle, MESSAGE, &key, &Log::new(|_| ()).root());
    refused(&bundle.replace("\"treeSize\":\"2\"", "\"treeSize\":\"3\""), MESSAGE, &key, &log.root());
    let mut without: Value = serde_json::from_str(&bundle).unwrap();
    without["verificationMaterial"]["tlogEntries"] = json!([]);
    refused(&without.to_string(), MESSAGE, &key, &log.root());
    refused(&" ".repeat(70_000), MESSAGE, &key, &log.root());
    refused("{}", MESSAGE, &key, &log.root());

    // The log hears a digest and a key, and nothing of the message.
    let asked = log.asked.into_inner().unwrap();
    let (url, request) = &asked[0];
    assert_eq!((asked.len(), url.as_str()), (1, "https://log.example/api/v1/log/entries"));
    let envelope: Value =
        serde_json::from_str(request["spec"]["proposedContent"]["envelope"].as_str().unwrap()).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let hash = hex::encode(Sha256::digest(MESSAGE));
    assert_eq!(statement["subject"], json!([{ "name": "anchor", "digest": { "sha256": hash } }]));
    assert_eq!(statement["predicate"], json!({}));
}

#[test]
fn an_answer_of_a_log_that_does_not_hold_is_not_kept() {
    let key = HomeKey::generate().unwrap();
    type Case = (fn(&mut Answer), &'static str);
    let cases: [Case; 5] = [
        (|answer| answer.status = 409, "the transparency log refuses with status 409"),
        (|answer| answer.body = "{}".into(), "it has not one entry"),
        (|answer| answer.body = " ".repeat(70_000), "it is 70000 bytes"),
        (
            |answer| answer.body = answer.body.replace("\"logIndex\":1", "\"logIndex\":2"),
            "the entry of the transparency log does not hold",
        ),
        (
            |answer| answer.body = answer.body.replace("\"treeSize\":2", "\"treeSize\":4"),
            "the entry of the transparency log does not hold",
        ),
    ];
    for (change, told) in cases {
        let log = Log::new(change);
        let error = log.enter(&key, &log.root()).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("\nhint: "), "{error}");
    }
    // What another instance's log says proves nothing here.
    let (log, other) = (Log::new(|_| ()), Log::new(|_| ()));
    assert!(log.enter(&key, &other.root()).is_err());
    assert!(log.enter(&key, "{}").is_err());
}

#[test]
fn a_proof_that_is_larger_than_any_is_not_read() {
    let (log, key) = (Log::new(|_| {}), HomeKey::generate().unwrap());
    let large = " ".repeat(cara_signing::Bundle::MAX_BYTES + 1);
    let told = check_log_entry(&large, MESSAGE, &key, &log.root()).unwrap_err().to_string();
    assert!(told.contains("the bundle is too large"), "{told}");
}
