//! Pushing: what is sent in which order, and what a hostile registry tries.

use crate::fixture::{Asked, Fixture, Step, answer, missing, ok};
use crate::package::signed;
use crate::shelf::{BUNDLE, LIST, MANIFEST, NAME, Shelf, without_digests};
use cara_packages::{Credentials, Reference, push};
use cara_services::vault::SecretValue;
use cara_signing::{Digest, PREDICATE_TYPE};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A registry that takes what it is given.
#[derive(Clone, Default)]
struct Taking {
    shelf: Arc<Mutex<Shelf>>,
    /// Whether it keeps the lists of what refers to a manifest.
    lists: bool,
}

impl Taking {
    fn serve(&self, asked: &Asked) -> Vec<Step> {
        let mut shelf = self.shelf.lock().unwrap();
        let path = asked.path.strip_prefix("/v2/acme/weather/").unwrap().to_owned();
        match asked.method.as_str() {
            "POST" => answer("202 Accepted", "location: /v2/acme/weather/session?state=a%2Fb\r\n", b""),
            "PUT" if path.starts_with("session?state=a%2Fb&digest=") => {
                assert_eq!(path.split("digest=").nth(1).unwrap(), Digest::of(&asked.body).to_string());
                shelf.blob(&asked.body);
                answer("201 Created", "content-length: 0\r\n", b"")
            }
            "PUT" => {
                let kind = asked.header("content-type").unwrap().to_owned();
                shelf.put(&path, &kind, &asked.body);
                let manifest: Value = serde_json::from_slice(&asked.body).unwrap();
                let listed = if self.lists && manifest["subject"].is_object() { "oci-subject: x\r\n" } else { "" };
                answer("201 Created", &format!("{listed}content-length: 0\r\n"), b"")
            }
            _ => shelf.serve(asked),
        }
    }

    fn fixture(&self) -> Fixture {
        let own = self.clone();
        Fixture::new(move |asked| own.serve(asked))
    }
}

async fn pushed(fixture: &Fixture, reference: &str) -> Result<Digest, String> {
    let (package, bundle) = signed("1.2.0", 100);
    let Ok(Reference::Registry(name)) = reference.parse() else { panic!("{reference}") };
    push(&name, &package, &bundle, fixture.access()).await.map_err(|error| without_digests(&error.to_string()))
}

#[tokio::test]
async fn what_is_pushed_can_be_fetched() {
    let registry = Taking::default();
    let fixture = registry.fixture();
    let digest = pushed(&fixture, NAME).await.unwrap();
    let fetched = fixture.fetch(NAME).await.unwrap();
    assert_eq!((fetched.manifest, fetched.bundles.len()), (Some(digest), 1));
    assert_eq!(fetched.wasm, *signed("1.2.0", 100).0.bytes());
}

#[tokio::test]
async fn the_manifest_is_the_layout_of_the_cncf_and_the_same_each_time() {
    let (one, other) = (Taking::default(), Taking::default());
    assert_eq!(pushed(&one.fixture(), NAME).await.unwrap(), pushed(&other.fixture(), NAME).await.unwrap());
    let shelf = one.shelf.lock().unwrap();
    let bytes = &shelf.things["manifests/1.0.0"].1;
    let manifest: Value = serde_json::from_slice(bytes).unwrap();
    let config = format!("blobs/{}", manifest["config"]["digest"].as_str().unwrap());
    insta::assert_snapshot!(String::from_utf8_lossy(&shelf.things[&config].1).replace(&signed("1.2.0", 100).0.digest().to_string(), "<digest>"), @r#"{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","layerDigests":["<digest>"],"component":{"exports":["cara:plugin/provider@0.2.0"],"imports":["cara:plugin/log@0.2.0"],"target":null}}"#);
    insta::assert_snapshot!(without_digests(&String::from_utf8_lossy(bytes)), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.wasm.config.v0+json","digest":"<digest>","size":266},"layers":[{"mediaType":"application/wasm","digest":"<digest>","size":234}],"annotations":{"org.opencontainers.image.title":"weather","org.opencontainers.image.version":"1.2.0"}}"#);
}

#[tokio::test]
async fn the_signature_is_a_referrer_and_listed_where_the_registry_keeps_no_list() {
    let registry = Taking::default();
    let digest = pushed(&registry.fixture(), NAME).await.unwrap();
    let tag = format!("manifests/sha256-{}", digest.to_hex());
    let list: Value = serde_json::from_slice(&registry.shelf.lock().unwrap().things[&tag].1).unwrap();
    assert_eq!(list["mediaType"], LIST);
    let entry = &list["manifests"][0];
    assert_eq!((&entry["artifactType"], &entry["mediaType"]), (&BUNDLE.into(), &MANIFEST.into()));
    assert_eq!(entry["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    assert_eq!(entry["annotations"]["dev.sigstore.bundle.predicateType"], PREDICATE_TYPE);
    let path = format!("manifests/{}", entry["digest"].as_str().unwrap());
    let signature: Value = serde_json::from_slice(&registry.shelf.lock().unwrap().things[&path].1).unwrap();
    assert_eq!(signature["subject"]["digest"], digest.to_string());
    // A second signature is added, what others put there stays as it is.
    let mut others = list.clone();
    others["annotations"] = serde_json::json!({ "a": "b" });
    others["manifests"][0]["platform"] = serde_json::json!({ "os": "x" });
    registry.shelf.lock().unwrap().put(&tag, LIST, others.to_string().as_bytes());
    pushed(&registry.fixture(), NAME).await.unwrap();
    let list: Value = serde_json::from_slice(&registry.shelf.lock().unwrap().things[&tag].1).unwrap();
    assert_eq!((list["manifests"].as_array().unwrap().len(), &list["annotations"]["a"]), (2, &"b".into()));
    assert_eq!(list["manifests"][0], others["manifests"][0]);
    // And a registry that keeps the list is left to it.
    let registry = Taking { lists: true, ..Taking::default() };
    let digest = pushed(&registry.fixture(), NAME).await.unwrap();
    let tag = format!("manifests/sha256-{}", digest.to_hex());
    assert!(!registry.shelf.lock().unwrap().things.contains_key(&tag));
}

#[tokio::test]
async fn the_tag_comes_after_the_signature() {
    let fixture = Taking::default().fixture();
    pushed(&fixture, NAME).await.unwrap();
    let puts: Vec<String> = fixture.lines().into_iter().filter(|line| line.starts_with("PUT ")).collect();
    assert_eq!(puts.last().unwrap(), "PUT 127.0.0.1:5000/v2/acme/weather/manifests/1.0.0");
    let sent = |fixture: &Fixture| fixture.lines().iter().filter(|line| line.contains("session")).count();
    assert_eq!(sent(&fixture), 4);
    pushed(&fixture, NAME).await.unwrap();
    assert_eq!(sent(&fixture), 5, "what is there is not sent again; the signature is a new one");
}

#[tokio::test]
async fn a_push_asks_for_a_token_to_push_with() {
    let registry = Taking::default();
    let own = registry.clone();
    let mut fixture = Fixture::new(move |asked| match asked.path.starts_with("/v2/") {
        true if asked.header("authorization") == Some("Bearer abc") => own.serve(asked),
        true => answer("401 Unauthorized", "www-authenticate: Bearer realm=\"/token\"\r\n", b""),
        false => ok(br#"{"token":"abc"}"#),
    });
    let password = Arc::new(SecretValue::new(b"hunter2-hunter2".to_vec()).unwrap());
    fixture.credentials = Credentials::Basic { user: "me".into(), password };
    pushed(&fixture, NAME).await.unwrap();
    let token = fixture.asked().into_iter().find(|asked| asked.path.starts_with("/token")).unwrap();
    assert_eq!(token.path, "/token?scope=repository%3Aacme%2Fweather%3Apull%2Cpush");
    assert_eq!(token.header("authorization"), Some("Basic bWU6aHVudGVyMi1odW50ZXIy"));
}

#[tokio::test]
async fn an_upload_is_not_led_to_another_server_of_this_machine() {
    for (location, host) in [("http://127.0.0.1:6000/x", "127.0.0.1:6000"), ("https://10.0.0.1/x", "10.0.0.1")] {
        let fixture = Fixture::new(move |asked| match asked.method.as_str() {
            "POST" => answer("202 Accepted", &format!("location: {location}\r\n"), b""),
            _ => missing(),
        });
        let text = pushed(&fixture, NAME).await.unwrap_err();
        assert!(text.starts_with("`http://127.0.0.1:5000` leads to `") && text.contains(host), "{text}");
    }
}

#[tokio::test]
async fn a_registry_that_refuses_or_lies_is_named() {
    let fixture = Fixture::new(|asked| match asked.method.as_str() {
        "POST" => {
            let said = br#"{"errors":[{"code":"DENIED","message":"read only"}]}"#;
            answer("403 Forbidden", &format!("content-length: {}\r\n", said.len()), said)
        }
        _ => missing(),
    });
    insta::assert_snapshot!(pushed(&fixture, NAME).await.unwrap_err(), @"
    `http://127.0.0.1:5000/v2/acme/weather/blobs/uploads/` answered 403 Forbidden: DENIED read only
    hint: check what the login may do there
    ");
    let registry = Taking::default();
    let fixture = Fixture::new(move |asked| match (asked.method.as_str(), asked.path.contains("/manifests/")) {
        ("PUT", true) => {
            let other = Digest::of(b"other");
            answer("201 Created", &format!("docker-content-digest: {other}\r\ncontent-length: 0\r\n"), b"")
        }
        _ => registry.serve(asked),
    });
    insta::assert_snapshot!(pushed(&fixture, NAME).await.unwrap_err(), @"
    the manifest of `oci://127.0.0.1:5000/acme/weather:1.0.0` has the digest `<digest>`, not `<digest>`
    hint: do not trust that registry
    ");
    let pinned = format!("{NAME}@{}", Digest::of(b"x"));
    insta::assert_snapshot!(pushed(&Taking::default().fixture(), &pinned).await.unwrap_err(), @"
    `oci://127.0.0.1:5000/acme/weather:1.0.0@<digest>` names a digest, which nobody can choose
    hint: push to a tag
    ");
}
