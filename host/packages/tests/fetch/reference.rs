//! What a person types, what it means, what is said when it means nothing.

use cara_packages::Reference;
use proptest::prelude::*;

const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn error(text: &str) -> String {
    Reference::parse(text).unwrap_err().to_string()
}

#[test]
fn each_form_is_read_and_shown_in_its_canonical_form() {
    for (typed, shown) in [
        ("./weather.wasm", "./weather.wasm"),
        ("weather.wasm", "weather.wasm"),
        ("../plugins/weather/", "../plugins/weather/"),
        ("/opt/weather", "/opt/weather"),
        (".", "."),
        ("https://Example.com:443/a/weather.wasm", "https://example.com/a/weather.wasm"),
        ("https://example.com/a/../weather.wasm", "https://example.com/weather.wasm"),
        ("http://127.0.0.1:8080/weather.wasm", "http://127.0.0.1:8080/weather.wasm"),
        ("http://localhost/weather.wasm", "http://localhost/weather.wasm"),
        ("http://[::1]:8080/weather.wasm", "http://[::1]:8080/weather.wasm"),
        ("oci://registry.example.com/acme/weather", "oci://registry.example.com/acme/weather:latest"),
        ("oci://Registry.example.com:443/weather:1.2.0", "oci://registry.example.com/weather:1.2.0"),
        ("oci://registry.example.com:5000/a/b/c__d-e.f:V_1", "oci://registry.example.com:5000/a/b/c__d-e.f:V_1"),
        ("oci://127.0.0.1:5000/weather", "oci://127.0.0.1:5000/weather:latest"),
        ("oci://[::1]:5000/weather:1", "oci://[::1]:5000/weather:1"),
        ("oci://localhost/weather:1", "oci://localhost/weather:1"),
    ] {
        let read = Reference::parse(typed).unwrap();
        assert_eq!(read.to_string(), shown, "{typed}");
        assert_eq!(Reference::parse(shown).unwrap(), read, "{shown} reads back");
    }
}

#[test]
fn a_pin_is_read_and_shown() {
    for text in [
        format!("./weather.wasm#sha256:{HEX}"),
        format!("https://example.com/weather.wasm#sha256:{HEX}"),
        format!("oci://registry.example.com/weather@sha256:{HEX}"),
        format!("oci://registry.example.com/weather:1.2.0@sha256:{HEX}"),
    ] {
        let read = Reference::parse(&text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(read.digest().unwrap().to_hex(), HEX);
    }
}

#[test]
fn only_other_machines_are_public() {
    for (text, public) in [
        ("./a.wasm", false),
        ("http://127.0.0.1/a.wasm", false),
        ("oci://localhost:5000/a", false),
        ("https://example.com/a.wasm", true),
        ("oci://example.com/a", true),
    ] {
        assert_eq!(Reference::parse(text).unwrap().is_public(), public, "{text}");
    }
}

#[test]
fn what_is_no_reference_is_refused_with_the_cure() {
    insta::assert_snapshot!(error("weather"), @"
    `weather` is neither a path nor a URL
    hint: write `./weather` for a file or folder, or look for it with `cara plugin search weather`
    ");
    insta::assert_snapshot!(error("ftp://example.com/a.wasm"), @"
    `ftp://example.com/a.wasm` begins with a scheme that cara does not fetch
    hint: write `./weather.wasm`, `https://example.com/weather.wasm` or `oci://registry.example.com/acme/weather:1.2.0`
    ");
    insta::assert_snapshot!(error("http://example.com/a.wasm"), @"
    `http://example.com/a.wasm` is not encrypted
    hint: use `https`; `http` is for servers on this machine (127.0.0.1, localhost)
    ");
    insta::assert_snapshot!(error("https://example.com/a.zip"), @"
    `https://example.com/a.zip` does not end in `.wasm`
    hint: name the file itself; archives are never unpacked
    ");
    insta::assert_snapshot!(error("https://example.com/a.wasm?token=1"), @"
    `https://example.com/a.wasm?token=1` cannot be fetched: it has a query, and the signature beside it could not be named
    hint: write `./weather.wasm`, `https://example.com/weather.wasm` or `oci://registry.example.com/acme/weather:1.2.0`
    ");
    insta::assert_snapshot!(error("https://user:hunter2@example.com/a.wasm"), @"
    `https://…` cannot be fetched: it carries a user name or password, which would be stored and shown
    hint: write `./weather.wasm`, `https://example.com/weather.wasm` or `oci://registry.example.com/acme/weather:1.2.0`
    ");
    insta::assert_snapshot!(error("https://example.com/a.wasm#sha256:12"), @"
    `sha256:12` is not a digest
    hint: a digest is `sha256:` and 64 lower-case hex digits
    ");
    insta::assert_snapshot!(error("oci://example.com"), @"
    `oci://example.com` is not a name in a registry: it has no repository
    hint: write it like `oci://registry.example.com/acme/weather:1.2.0`
    ");
    insta::assert_snapshot!(error("oci://example.com/Acme/weather"), @"
    `oci://example.com/Acme/weather` is not a name in a registry: a repository is lower-case words of `a-z` and `0-9`, joined by `.`, `_`, `-` and `/`
    hint: write it like `oci://registry.example.com/acme/weather:1.2.0`
    ");
}

#[test]
fn every_odd_form_is_refused() {
    let long = format!("oci://example.com/{}", "a".repeat(300));
    let tag = format!("oci://example.com/a:{}", "t".repeat(129));
    for text in [
        "",
        " ./a.wasm",
        "./a\n.wasm",
        "#sha256:",
        "https://example.com/.wasm",
        "https://example.com/",
        "https://example.com",
        "https:///a.wasm",
        "https://@example.com/a.wasm",
        "https://example.com/a.wasm#x",
        "https://exa mple.com/a.wasm",
        "http://10.0.0.1/a.wasm",
        "HTTPS://example.com/a.wasm",
        "oci:///a",
        "oci://user@example.com/a",
        "oci://user:pw@example.com/a:1",
        "oci://example.com/a@sha512:00",
        "oci://example.com/a@sha256:00",
        "oci://example.com/",
        "oci://example.com//a",
        "oci://example.com/a/",
        "oci://example.com/../a",
        "oci://example.com/a/../b",
        "oci://example.com/a%2fb",
        "oci://example.com/a._b",
        "oci://example.com/a___b",
        "oci://example.com/-a",
        "oci://example.com/a:",
        "oci://example.com/a:.x",
        "oci://example.com/a:b:c",
        "oci://example.com/a?x",
        "oci://example.com/a#x",
        "oci://exa_mple.com/a",
        "oci://example.com:x/a",
        &long,
        &tag,
    ] {
        assert!(Reference::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back_as_the_same(text in "(\\./|https://[a-z]{1,5}\\.ex/|oci://[a-z]{1,4}\\.ex(:[0-9]{1,5})?/)[a-z0-9._/:-]{0,20}(\\.wasm)?") {
        if let Ok(read) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&read.to_string()), Ok(read));
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_judged(text in "\\PC{0,80}") {
        let _ = Reference::parse(&text);
    }
}
