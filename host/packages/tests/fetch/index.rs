//! The index: what is read, what is refused, what is found.

use crate::fixture::{Fixture, LOCAL, missing, ok};
use crate::shelf::{LIST, MANIFEST, NAME, Shelf, descriptor};
use cara_packages::{Index, Reference};
use serde_json::{Value, json};

fn entry(id: &str, version: &str, summary: &str) -> Value {
    json!({
        "id": id,
        "version": version,
        "summary": summary,
        "kinds": ["tool"],
        "ref": format!("oci://registry.example.com/acme/{id}:{version}"),
        "digest": format!("sha256:{}", "a".repeat(64)),
        "signer": "b".repeat(64),
    })
}

fn file(entries: Vec<Value>) -> Value {
    json!({ "version": 1, "entries": entries })
}

/// As if it came from the network.
fn parse(file: &Value) -> Result<Index, String> {
    let source = Reference::parse_index("https://plugins.example.com/index.json").unwrap();
    Index::parse(file.to_string().as_bytes(), &source).map_err(|error| error.to_string())
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut file = file(vec![entry("weather", "1.0.0", "Forecasts")]);
    change(&mut file);
    parse(&file).unwrap_err()
}

fn found(index: &Index, words: &str) -> Vec<String> {
    index.search(words).iter().map(|entry| format!("{} {}", entry.id, entry.version)).collect()
}

#[test]
fn every_word_has_to_fit_and_the_better_places_come_first() {
    let index = parse(&file(vec![
        entry("maps", "1.0.0", "Maps with the weather on them"),
        entry("weather", "1.0.0", "Forecasts for any place"),
        entry("weather", "1.10.0", "Forecasts for any place"),
        entry("weather", "1.9.0", "Forecasts for any place"),
        entry("weather", "2.0.0-rc.1", "Forecasts for any place"),
        entry("sea-weather", "0.1.0", "Tides and forecasts"),
        entry("weatherman", "0.1.0-alpha", "Reads it aloud"),
        entry("notes", "1.0.0", "Notes, weatherproof"),
    ]))
    .unwrap();
    assert_eq!(
        found(&index, "Weather"),
        ["weather 1.10.0", "sea-weather 0.1.0", "weatherman 0.1.0-alpha", "maps 1.0.0", "notes 1.0.0",]
    );
    assert_eq!(found(&index, "weather forecasts"), ["weather 1.10.0", "sea-weather 0.1.0"]);
    assert_eq!(found(&index, "weather nothing"), [""; 0]);
    assert_eq!(found(&index, "").len(), 5);
}

#[test]
fn keys_of_ones_own_are_passed_over_and_others_are_errors() {
    let mut own = file(vec![entry("weather", "1.0.0", "Forecasts")]);
    own["x-made-by"] = "a script".into();
    own["entries"][0]["x-stars"] = json!({ "n": 5 });
    assert_eq!(parse(&own).unwrap().entries().len(), 1);
    insta::assert_snapshot!(refused(|file| file["entires"] = json!([])), @"
    the index has the key `entires`, which is not known
    hint: keys of your own begin with `x-`
    ");
    insta::assert_snapshot!(refused(|file| file["entries"][0]["sumary"] = "x".into()), @"
    entry 1 of the index has the key `sumary`, which is not known
    hint: keys of your own begin with `x-`
    ");
}

#[test]
fn every_value_is_checked() {
    for (key, value) in [
        ("id", json!("Weather")),
        ("version", json!("1")),
        ("summary", json!("")),
        ("summary", json!("two\nlines")),
        ("summary", json!("x".repeat(301))),
        ("kinds", json!(["tool", "toaster"])),
        ("ref", json!("weather")),
        ("digest", json!("sha256:00")),
        ("signer", json!("bb")),
    ] {
        let text = refused(|file| file["entries"][0][key] = value.clone());
        assert!(text.starts_with("entry 1 of the index: "), "{key} {value}: {text}");
    }
    for (key, value) in [("id", json!(1)), ("kinds", json!("tool")), ("digest", Value::Null)] {
        let text = refused(|file| file["entries"][0][key] = value.clone());
        assert!(text.starts_with("the index cannot be read: "), "{key} {value}: {text}");
    }
    insta::assert_snapshot!(refused(|file| file["entries"][0]["id"] = "we\u{1b}ather".into()), @r"
    entry 1 of the index: its `id` is `we\u{1b}ather`
    hint: whoever keeps the index has to correct it
    ");
    insta::assert_snapshot!(refused(|file| file["version"] = 2.into()), @"
    the index is of version 2, this cara reads version 1
    hint: use a newer cara
    ");
    insta::assert_snapshot!(refused(|file| { let again = file["entries"][0].clone(); file["entries"].as_array_mut().unwrap().push(again) }), @"
    the index has `weather` 1.0.0 twice
    hint: whoever keeps the index has to correct it
    ");
    insta::assert_snapshot!(refused(|file| file["entries"] = vec![0; 10_001].into()), @"the index cannot be read: invalid type: integer `0`, expected an entry of an index at line 1 column 13
hint: whoever keeps the index has to correct it");
}

#[test]
fn an_index_has_a_most_of_bytes_and_entries() {
    let many = |count: usize| file((0..count).map(|n| entry(&format!("a{n}"), "1.0.0", "x")).collect());
    assert_eq!(parse(&many(10_000)).unwrap().entries().len(), 10_000);
    insta::assert_snapshot!(parse(&many(10_001)).unwrap_err(), @"
    the index has 10001 entries, the most is 10000
    hint: whoever keeps the index has to correct it
    ");
    let source = Reference::parse_index("./index.json").unwrap();
    insta::assert_snapshot!(Index::parse(&vec![b' '; 4 * 1024 * 1024 + 1], &source).unwrap_err(), @"
    the index is 4194305 bytes, the most is 4194304
    hint: whoever keeps the index has to correct it
    ");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Index::parse(deep.as_bytes(), &source).is_err());
}

#[test]
fn an_index_of_the_network_names_nothing_on_this_machine() {
    insta::assert_snapshot!(refused(|file| file["entries"][0]["ref"] = "http://127.0.0.1:5000/a.wasm".into()), @"
    entry 1 of the index leads to `http://127.0.0.1:5000/a.wasm`
    hint: a public index names `https` and `oci` on public hosts only
    ");
    for inward in ["oci://localhost:5000/a", "./a.wasm", "/etc/a.wasm"] {
        assert!(refused(|file| file["entries"][0]["ref"] = inward.into()).contains("leads to `"), "{inward}");
    }
    let mut local = file(vec![entry("weather", "1.0.0", "Forecasts")]);
    local["entries"][0]["ref"] = "oci://localhost:5000/a".into();
    let own = Reference::parse_index("./index.json").unwrap();
    assert!(Index::parse(local.to_string().as_bytes(), &own).is_ok());
    local["entries"][0]["ref"] = "./a.wasm".into();
    assert!(Index::parse(local.to_string().as_bytes(), &own).is_err());
}

#[tokio::test]
async fn an_index_comes_from_a_file_a_server_and_a_registry() {
    let text = file(vec![entry("weather", "1.0.0", "Forecasts")]).to_string();
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("index.json"), &text).unwrap();
    let mut shelf = Shelf::default();
    shelf.blob(text.as_bytes());
    let kind = "application/vnd.cara.index.v1+json";
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor(kind, text.as_bytes())],
    });
    shelf.tag("1.0.0", MANIFEST, manifest.to_string().as_bytes());
    manifest["artifactType"] = LIST.into();
    shelf.tag("other", MANIFEST, manifest.to_string().as_bytes());
    let fixture =
        Fixture::new(move |asked| if asked.path == "/index.json" { ok(text.as_bytes()) } else { shelf.serve(asked) });
    let path = root.path().join("index.json").display().to_string();
    for source in [path.as_str(), &format!("{LOCAL}/index.json"), "https://plugins.example.com/index.json", NAME] {
        let source = Reference::parse_index(source).unwrap();
        assert_eq!(Index::fetch(&source, fixture.access()).await.unwrap().entries().len(), 1, "{source}");
    }
    let other = Reference::parse_index("oci://127.0.0.1:5000/acme/weather:other").unwrap();
    assert!(
        Index::fetch(&other, fixture.access()).await.unwrap_err().to_string().contains("is another kind of artifact")
    );
    let pinned = Reference::parse_index(&format!("{LOCAL}/index.json#sha256:{}", "0".repeat(64))).unwrap();
    assert!(Index::fetch(&pinned, fixture.access()).await.unwrap_err().to_string().contains("has the digest"));
    let none = Reference::parse_index(&format!("{LOCAL}/none.json")).unwrap();
    assert!(Index::fetch(&none, Fixture::new(|_| missing()).access()).await.is_err());
}
