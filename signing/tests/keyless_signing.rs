//! Signing with a certificate, the test in the place of authority and log.

#![allow(clippy::unwrap_used)]

use std::io;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::instance::{AUTHOR, Instance, PublicKey, Signing, WORKFLOW, answered, pem};
use crate::support::package;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cara_sdk_sign::{Answer, KeylessError, Transport, sign_keyless};
use cara_signing::{Bundle, CertificateError, Package, Signer, TrustRoot, verify};
use rcgen::KeyPair;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::{Value, json};

const AUTHORITY: &str = "https://authority.example/api/v2/signingCert";
const LOG: &str = "https://log.example/api/v1/log/entries";

fn hello() -> Package {
    package("hello", "1.2.3")
}

/// A token as a sign-in service makes it, but for its signature, which the authority would check.
fn token(claims: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(&claims.to_string()), part("signature"))
}

fn author() -> String {
    token(&json!({ "email": AUTHOR, "sub": "1234", "aud": "sigstore" }))
}

/// What a service does to the right answer.
type Change = fn(&mut Answer);

/// Both services, each with what it does to the right answer, and what was asked.
struct Services {
    instance: Instance,
    identity: String,
    authority: Change,
    log: Change,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Services {
    fn new() -> Self {
        let (instance, identity, asked) = (Instance::new(), AUTHOR.to_owned(), Mutex::default());
        Self { instance, identity, authority: |_| (), log: |_| (), asked }
    }

    fn root(&self) -> TrustRoot {
        TrustRoot::from_json(&self.instance.root().to_string()).unwrap()
    }

    fn sign(&self, token: &str) -> Result<Bundle, KeylessError> {
        self.sign_by(self, token, self.root())
    }

    fn sign_by(&self, transport: &impl Transport, token: &str, root: TrustRoot) -> Result<Bundle, KeylessError> {
        let endpoint = |text: &str| text.parse().unwrap();
        let (authority, log) = (endpoint("https://authority.example/"), endpoint("https://log.example"));
        at_once(sign_keyless(&hello(), token, &cara_sdk_sign::Instance { authority, log, root }, transport))
    }

    /// The certificate for the key in `request`, for whose owner the proof has to be, then the authority's own.
    fn certificate(&self, request: &Value) -> Value {
        let public = request["publicKeyRequest"]["publicKey"]["content"].as_str().unwrap();
        let key = PublicKey::from_spki(&from_pem(public));
        let proof = STANDARD.decode(request["publicKeyRequest"]["proofOfPossession"].as_str().unwrap()).unwrap();
        let proven = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.point());
        proven.verify(self.identity.as_bytes(), &proof).unwrap();
        let own =
            self.instance.certificate(&key, &Signing { identity: self.identity.clone(), ..Signing::of(&hello()) });
        json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": [pem(&own), "not looked at"] } } })
    }

    /// The entry for `request` in the form of the log's API: numbers are numbers, digests hexadecimal.
    fn entry(&self, request: &Value) -> Value {
        assert_eq!((&request["apiVersion"], &request["kind"]), (&json!("0.0.1"), &json!("dsse")));
        let content = &request["spec"]["proposedContent"];
        let envelope: Value = serde_json::from_str(content["envelope"].as_str().unwrap()).unwrap();
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let signature = envelope["signatures"][0]["sig"].as_str().unwrap();
        let verifier = STANDARD.decode(content["verifiers"][0].as_str().unwrap()).unwrap();
        let certificate = from_pem(&String::from_utf8(verifier).unwrap());
        answered(&self.instance.entry(&envelope, &payload, signature, &certificate, 60))
    }
}

impl Transport for Services {
    type Error = io::Error;

    async fn post(&self, url: &str, body: &str) -> Result<Answer, io::Error> {
        let request: Value = serde_json::from_str(body).unwrap();
        let (right, change) = match url {
            AUTHORITY => (self.certificate(&request), self.authority),
            LOG => (self.entry(&request), self.log),
            other => panic!("nobody is at {other}"),
        };
        self.asked.lock().unwrap().push((url.to_owned(), request));
        let mut answer = Answer { status: 201, body: right.to_string() };
        change(&mut answer);
        // A status no server sends stands for a way out that is closed.
        if answer.status == 0 { Err(io::Error::other("the way out is closed")) } else { Ok(answer) }
    }
}

/// What a future that never waits comes to; `Send`, as a runtime of several threads wants it.
fn at_once<T>(future: impl Future<Output = T> + Send) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn from_pem(text: &str) -> Vec<u8> {
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

/// Changes one value of an answer.
fn edit(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_str(&answer.body).unwrap();
    change(&mut value);
    answer.body = value.to_string();
}

#[test]
fn what_is_signed_with_a_certificate_is_accepted() {
    let services = Services::new();
    let bundle = services.sign(&author()).unwrap();
    let verified = verify(hello(), &bundle, &services.instance.trust(AUTHOR, &["hello"]), None).unwrap();
    assert!(matches!(verified.signer(), Signer::Identity { identity, .. } if identity == AUTHOR));
}

#[test]
fn a_workflow_signs_with_the_subject_of_its_token() {
    let identity = format!("{WORKFLOW}v1.2.3");
    let services = Services { identity: identity.clone(), ..Services::new() };
    let bundle = services.sign(&token(&json!({ "sub": identity, "email": "" }))).unwrap();
    let trust = services.instance.trust(&format!("{WORKFLOW}*"), &["hello"]);
    assert!(verify(hello(), &bundle, &trust, None).is_ok());
}

#[test]
fn the_token_goes_to_the_authority_and_nowhere_else() {
    let services = Services::new();
    services.sign(&author()).unwrap();
    let asked = services.asked.into_inner().unwrap();
    let [(authority, request), (log, entry)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((authority.as_str(), log.as_str()), (AUTHORITY, LOG));
    assert_eq!(request["credentials"], json!({ "oidcIdentityToken": author() }));
    assert_eq!(request["publicKeyRequest"]["publicKey"]["algorithm"], "ECDSA");
    assert!(!entry.to_string().contains(&author()));
}

#[test]
fn each_signature_has_a_key_of_its_own() {
    let services = Services::new();
    services.sign(&author()).unwrap();
    services.sign(&author()).unwrap();
    let asked = services.asked.into_inner().unwrap();
    let key = |at: usize| asked[at].1["publicKeyRequest"]["publicKey"]["content"].clone();
    assert_ne!(key(0), key(2));
}

#[test]
fn a_token_that_names_nobody_is_sent_nowhere() {
    let whole = author();
    let (header, _) = whole.split_once('.').unwrap();
    let tokens = [
        String::new(),
        "hello".to_owned(),
        whole.clone() + ".more",
        format!("{header}.!.x"),
        format!("{header}.{}.x", URL_SAFE_NO_PAD.encode("hello")),
        token(&json!({})),
        token(&json!({ "sub": "" })),
        token(&json!({ "sub": 1 })),
    ];
    for token in tokens {
        let services = Services::new();
        let error = services.sign(&token).unwrap_err();
        assert!(matches!(error, KeylessError::Token), "{error:?}");
        insta::assert_snapshot!("token", error);
        assert!(services.asked.into_inner().unwrap().is_empty());
    }
}

#[test]
fn a_closed_way_out_says_so_itself() {
    for services in [
        Services { authority: |answer| answer.status = 0, ..Services::new() },
        Services { log: |answer| answer.status = 0, ..Services::new() },
    ] {
        let error = services.sign(&author()).unwrap_err();
        assert!(matches!(error, KeylessError::Transport(_)), "{error:?}");
        assert_eq!(error.to_string(), "the way out is closed");
    }
}

#[test]
fn an_authority_that_refuses_or_answers_something_else_is_refused() {
    let cases: [(&str, Change); 7] = [
        ("authority-refuses", |answer| {
            *answer = Answer { status: 400, body: json!({ "code": 3, "message": "no\x1b[2J" }).to_string() };
        }),
        ("authority-moved", |answer| answer.status = 302),
        ("authority-error", |answer| answer.body = json!({ "code": 3, "message": "no\x1b[2J" }).to_string()),
        ("authority-detached", |answer| {
            answer.body = answer.body.replace("signedCertificateEmbeddedSct", "signedCertificateDetachedSct");
            edit(answer, |value| value["signedCertificateDetachedSct"]["chain"]["certificates"] = json!([]));
        }),
        ("authority-without-certificate", |answer| {
            edit(answer, |value| value["signedCertificateEmbeddedSct"]["chain"]["certificates"] = json!([]));
        }),
        ("authority-with-a-broken-certificate", |answer| {
            let broken = json!([pem(b"any")]);
            edit(answer, |value| value["signedCertificateEmbeddedSct"]["chain"]["certificates"] = broken);
        }),
        ("authority-too-large", |answer| answer.body = " ".repeat(Bundle::MAX_BYTES + 1)),
    ];
    for (name, authority) in cases {
        let services = Services { authority, ..Services::new() };
        let error = services.sign(&author()).unwrap_err();
        let right = matches!(error, KeylessError::Authority(_) | KeylessError::AuthorityRefuses { .. });
        assert!(right, "{error:?}");
        insta::assert_snapshot!(name, error);
        assert_eq!(services.asked.into_inner().unwrap().len(), 1, "the log is not asked");
    }
}

#[test]
fn a_log_that_refuses_or_answers_something_else_is_refused() {
    let cases: [(&str, Change); 6] = [
        ("log-refuses", |answer| {
            *answer =
                Answer { status: 409, body: json!({ "code": 409, "message": "it is there already" }).to_string() };
        }),
        ("log-error", |answer| answer.body = json!({ "code": 400 }).to_string()),
        ("log-two-entries", |answer| edit(answer, |value| value["second"] = value["24296fb24b8ad77a"].clone())),
        ("log-no-entry", |answer| answer.body = json!({}).to_string()),
        ("log-without-proof", |answer| {
            edit(answer, |value| {
                value["24296fb24b8ad77a"].as_object_mut().unwrap().remove("verification").unwrap();
            });
        }),
        ("log-too-large", |answer| answer.body = " ".repeat(Bundle::MAX_BYTES + 1)),
    ];
    for (name, log) in cases {
        let error = Services { log, ..Services::new() }.sign(&author()).unwrap_err();
        assert!(matches!(error, KeylessError::Log(_) | KeylessError::LogRefuses { .. }), "{error:?}");
        insta::assert_snapshot!(name, error);
    }
}

#[test]
fn no_bundle_leaves_that_would_be_refused() {
    let log =
        |answer: &mut Answer| edit(answer, |value| value["24296fb24b8ad77a"]["integratedTime"] = json!(1_748_736_001));
    let error = Services { log, ..Services::new() }.sign(&author()).unwrap_err();
    assert!(matches!(error, KeylessError::Unproven(CertificateError::LogEntry(_))), "{error:?}");
    insta::assert_snapshot!("log-with-another-time", error);

    let services = Services::new();
    let error = services.sign_by(&services, &author(), Services::new().root()).unwrap_err();
    assert!(matches!(error, KeylessError::Unproven(_)), "{error:?}");
}

/// An authority that certifies a key of its own for the author.
struct SwapsKeys<'a>(&'a Services);

impl Transport for SwapsKeys<'_> {
    type Error = io::Error;

    async fn post(&self, url: &str, body: &str) -> Result<Answer, io::Error> {
        let mut answer = self.0.post(url, body).await?;
        if url == AUTHORITY {
            let own = self.0.instance.certificate(&KeyPair::generate().unwrap(), &Signing::of(&hello()));
            let chain = json!([pem(&own)]);
            edit(&mut answer, |value| value["signedCertificateEmbeddedSct"]["chain"]["certificates"] = chain);
        }
        Ok(answer)
    }
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let services = Services::new();
    let error = services.sign_by(&SwapsKeys(&services), &author(), services.root()).unwrap_err();
    assert!(matches!(error, KeylessError::Unproven(CertificateError::Signature)), "{error:?}");
}
