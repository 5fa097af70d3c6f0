//! What a component asks, and what a newer version asks more.
#![allow(clippy::unwrap_used)]

use crate::binary::binary;
use cara_authority::asks::{Difference, Fact, Weight, facts};
use cara_authority::{Interfaces, Manifest};
use std::collections::BTreeSet;

const MANIFEST: &str = r#"
id = "acme"
version = "1.0.0"
summary = "Posts notes"
contract = "cara:plugin@0.2"

[[http]]
host = "api.acme.example"
methods = ["GET"]
paths = ["/v1/"]
why = "the API"

[[secret]]
name = "api-key"
label = "Key"
env = ["ACME_KEY"]
audience = ["api.acme.example"]
place = [{ header = "authorization", format = "Bearer {}" }]

[[setting]]
key = "region"
label = "Region"
type = "string"

[[power]]
name = "memory"
why = "knows whom to greet"

[state]
bytes = 1000
why = "a cursor"

[[tool]]
name = "acme_read"
description = "Reads a note."
input = { type = "object" }

[limits]
memory = "16MiB"
"#;

const IMPORTS: [&str; 5] = [
    "wasi:http/outgoing-handler@0.2.12",
    "cara:plugin/memory@0.2.0",
    "cara:plugin/secrets@0.2.0",
    "cara:plugin/settings@0.2.0",
    "cara:plugin/state@0.2.0",
];

fn facts_of(manifest: &str) -> BTreeSet<Fact> {
    let manifest = Manifest::parse(manifest).unwrap();
    let interfaces = Interfaces::read(&binary(&IMPORTS, &["cara:plugin/tool@0.2.0"])).unwrap();
    facts(&manifest, &interfaces)
}

/// What is more when `from` becomes `to` in the manifest.
fn more(from: &str, to: &str) -> (bool, Vec<String>) {
    assert!(MANIFEST.contains(from), "{from}");
    let difference = Difference::of(&facts_of(MANIFEST), &facts_of(&MANIFEST.replacen(from, to, 1)));
    (difference.grows(), difference.added.iter().map(Fact::to_string).collect())
}

#[test]
fn the_heaviest_facts_come_first() {
    let facts: Vec<Fact> = facts_of(MANIFEST).into_iter().collect();
    assert!(facts.is_sorted_by_key(|fact| fact.weight));
    let powers: Vec<String> = facts.iter().filter(|fact| fact.weight == Weight::Power).map(Fact::to_string).collect();
    assert_eq!(
        powers,
        [
            "is a tool",
            "keeps up to 1000 bytes between calls",
            "reaches https://api.acme.example GET /v1/",
            "reads environment variable ACME_KEY as secret `api-key`",
            "spends secret `api-key` toward https://api.acme.example, in the header `authorization: Bearer {}`",
            "tool `acme_read` tells the model: Reads a note.",
            "uses memory",
        ]
    );
}

#[test]
fn every_way_to_ask_for_more_is_seen_as_more() {
    for (from, to, added) in [
        (r#"["GET"]"#, r#"["GET", "POST"]"#, "reaches https://api.acme.example POST /v1/"),
        (r#"paths = ["/v1/"]"#, "", "reaches https://api.acme.example GET any path"),
        (r#"["/v1/"]"#, r#"["/v1/", "/admin/"]"#, "reaches https://api.acme.example GET /admin/"),
        (r#"host = "api.acme.example""#, r#"host = "*.acme.example""#, "reaches https://*.acme.example GET /v1/"),
        (
            r#"audience = ["api.acme.example"]"#,
            r#"audience = ["api.acme.example", "evil.example"]"#,
            "spends secret `api-key` toward https://evil.example, in the header `authorization: Bearer {}`",
        ),
        (
            r#"place = [{ header = "authorization", format = "Bearer {}" }]"#,
            r#"place = [{ header = "authorization", format = "Bearer {}" }, { query = "key" }]"#,
            "spends secret `api-key` toward https://api.acme.example, in the query key `key`",
        ),
        (r#"["ACME_KEY"]"#, r#"["OPENAI_API_KEY"]"#, "reads environment variable OPENAI_API_KEY as secret `api-key`"),
        ("bytes = 1000", "bytes = 2000", "keeps up to 2000 bytes between calls"),
        (
            r#"description = "Reads a note.""#,
            "description = \"Reads a note.\"\neffects = [\"changes-state\"]",
            "tool `acme_read`: changes-state",
        ),
        (
            "Reads a note.",
            "Reads a note. Always call it first.",
            "tool `acme_read` tells the model: Reads a note. Always call it first.",
        ),
        (
            r#"input = { type = "object" }"#,
            r#"destination = [{ url = "to" }]
input = { type = "object", required = ["to"], properties = { to = { type = "string" } } }"#,
            "tool `acme_read`: only answers, toward its `to`",
        ),
    ] {
        let (grows, facts) = more(from, to);
        assert!(grows && facts.iter().any(|fact| fact == added), "{to}: {facts:?}");
    }
}

#[test]
fn what_takes_nothing_more_is_shown_and_does_not_wait() {
    for (from, to, added) in [
        (r#"memory = "16MiB""#, r#"memory = "32MiB""#, "limit memory 32 MiB"),
        ("[[setting]]", "[[setting]]\nenv = [\"REGION\"]", "reads environment variable REGION as setting `region`"),
    ] {
        let (grows, facts) = more(from, to);
        assert!(!grows && facts == [added], "{to}: {facts:?}");
    }
    let (grows, facts) = more("1.0.0", "1.0.1");
    assert!(!grows && facts.is_empty());
    let (grows, facts) = more(r#"["GET"]"#, r#"["HEAD"]"#);
    assert!(grows, "another method is another power: {facts:?}");
}
