//! The files of a new project, and what is said when there can be none.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use cara_authority::Manifest;
use cara_sdk_new::{File, Kind, Language, project, refresh, write};

fn every() -> impl Iterator<Item = (Kind, Language)> {
    Kind::ALL.into_iter().flat_map(|kind| Language::ALL.map(|language| (kind, language)))
}

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no `{path}`"));
    std::str::from_utf8(&file.bytes).unwrap()
}

#[test]
fn a_project_is_the_same_each_time_and_complete() {
    for (kind, language) in every() {
        let files = project(kind, language, "acme-2").unwrap();
        assert_eq!(files, project(kind, language, "acme-2").unwrap(), "{kind} in {language}");
        for path in ["README.md", "DEVELOPING.md", ".gitignore", "component.toml", "tests/acme-2.toml", ".cara/LICENSE"]
        {
            assert!(!text(&files, path).is_empty(), "{path} of a {kind} in {language}");
        }
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), files.len(), "each path once");
        assert!(paths.iter().all(|path| !path.starts_with('/') && !path.contains("..") && !path.contains('\\')));
    }
}

#[test]
fn nothing_is_left_to_be_filled_in_and_nothing_is_of_this_machine() {
    let here = env!("CARGO_MANIFEST_DIR");
    for (kind, language) in every() {
        for file in project(kind, language, "acme-2").unwrap() {
            let text = String::from_utf8(file.bytes.into_owned()).unwrap();
            let placeholder = ["name", "snake", "kind", "schemars", "serde", "serde_json", "edition", "rust-version"]
                .into_iter()
                .find(|key| text.contains(&format!("{{{{{key}}}}}")));
            assert_eq!(placeholder, None, "{}", file.path);
            assert!(!text.contains(here), "{}", file.path);
            assert!(!text.contains("workspace = true"), "{}: a version that is not here", file.path);
        }
    }
}

#[test]
fn its_manifest_is_accepted_and_named_after_it() {
    for (kind, language) in every() {
        let files = project(kind, language, "acme-2").unwrap();
        let manifest = manifest(&files);
        assert_eq!(manifest.id().as_str(), "acme-2");
        assert_eq!(
            (manifest.provider().is_some(), manifest.tools().is_empty()),
            match kind {
                Kind::Provider => (true, true),
                Kind::Tool => (false, false),
            }
        );
    }
}

/// Its manifest; what the build of one in Rust adds from the code is anything here.
fn manifest(files: &[File]) -> Manifest {
    let mut table: toml::Table = text(files, "component.toml").parse().unwrap();
    let tools = table.get_mut("tool").and_then(toml::Value::as_array_mut);
    for tool in tools.into_iter().flatten().filter_map(toml::Value::as_table_mut) {
        tool.entry("input").or_insert(toml::Table::from_iter([("type".to_owned(), "object".into())]).into());
    }
    Manifest::parse(&table.to_string()).unwrap()
}

/// The runner of scripted worlds is not here; their shape and the names in them are.
#[test]
fn its_scripted_tests_call_what_the_manifest_declares() {
    for (kind, language) in every() {
        let files = project(kind, language, "acme-2").unwrap();
        let manifest = manifest(&files);
        let world: toml::Table = text(&files, "tests/acme-2.toml").parse().unwrap();
        let tests = world["test"].as_array().unwrap();
        assert!(tests.len() >= 3);
        for test in tests {
            assert!(!test["name"].as_str().unwrap().is_empty());
            match kind {
                Kind::Provider => assert!(test.get("prompt").is_some()),
                Kind::Tool => {
                    let tool = test["tool"].as_str().unwrap();
                    assert!(manifest.tools().iter().any(|known| known.name.as_str() == tool), "{tool}");
                }
            }
        }
    }
}

#[test]
fn the_sdk_of_a_rust_project_has_the_versions_of_this_workspace() {
    let files = project(Kind::Tool, Language::Rust, "acme-2").unwrap();
    let sdk: toml::Table = text(&files, ".cara/sdk/rust/Cargo.toml").parse().unwrap();
    let root = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")).unwrap();
    let root: toml::Table = root.parse().unwrap();
    assert_eq!(sdk["package"]["version"], root["workspace"]["package"]["version"]);
    assert_eq!(sdk["dependencies"]["wit-bindgen"], root["workspace"]["dependencies"]["wit-bindgen"]);
    let own: toml::Table = text(&files, "Cargo.toml").parse().unwrap();
    assert_eq!(own["dependencies"]["serde"], root["workspace"]["dependencies"]["serde"]);
    assert_eq!(own["package"]["edition"], root["workspace"]["package"]["edition"]);
}

#[test]
fn a_project_made_with_another_sdk_gets_this_one_and_keeps_the_rest() {
    for language in Language::ALL {
        let folder = tempfile::tempdir().unwrap();
        let files = project(Kind::Tool, language, "acme").unwrap();
        let home = folder.path().join("acme");
        write(&home, &files).unwrap();
        assert_eq!(refresh(&home).unwrap(), Vec::<String>::new());

        let carried: Vec<&str> =
            files.iter().map(|file| file.path.as_str()).filter(|path| path.starts_with(".cara/")).collect();
        let (older, missing) = (carried[1], carried[2]);
        std::fs::write(home.join(older), "older").unwrap();
        std::fs::remove_file(home.join(missing)).unwrap();
        let own = ["component.toml", ".cara/notes.txt"];
        for path in own {
            std::fs::write(home.join(path), "mine").unwrap();
        }
        let mut changed = refresh(&home).unwrap();
        changed.sort();
        assert_eq!(changed, [older, missing]);
        for file in files.iter().filter(|file| file.path.starts_with(".cara/")) {
            assert_eq!(std::fs::read(home.join(&file.path)).unwrap(), *file.bytes, "{}", file.path);
        }
        for path in own {
            assert_eq!(std::fs::read_to_string(home.join(path)).unwrap(), "mine");
        }
    }
}

#[test]
fn a_project_that_carries_no_sdk_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || refresh(folder.path()).unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "FOLDER");
    assert!(refused().contains("no language known here"), "{}", refused());
    std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
    insta::assert_snapshot!(refused(), @r"
    `FOLDER` carries no SDK
    hint: only what `cara plugin new` made has one; another project names its own version of it
    ");
    assert!(!folder.path().join(".cara").exists());
}

#[test]
fn a_name_that_is_no_id_is_refused() {
    let refused = |kind, name: &str| project(kind, Language::Rust, name).unwrap_err().to_string();
    insta::assert_snapshot!(refused(Kind::Tool, "Acme Mail"), @r"
    `Acme Mail` is not a component id
    hint: an id is a lower-case letter, then up to 62 of `a-z`, `0-9` and `-`
    ");
    insta::assert_snapshot!(refused(Kind::Provider, "../acme"), @r"
    `../acme` is not a component id
    hint: an id is a lower-case letter, then up to 62 of `a-z`, `0-9` and `-`
    ");
    insta::assert_snapshot!(refused(Kind::Tool, &"a".repeat(59)), @r"
    `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is too long for the names of its tools
    hint: use at most 58 characters
    ");
    assert!(project(Kind::Tool, Language::Rust, &"a".repeat(58)).is_ok());
    assert!(project(Kind::Provider, Language::Rust, &"a".repeat(63)).is_ok());
    for name in ["", "1a", "a_b", "a/b", "ä", "a\n"] {
        for (kind, language) in every() {
            assert!(project(kind, language, name).is_err(), "{name:?}");
        }
    }
}

#[test]
fn kinds_and_languages_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(kind.to_string().parse::<Kind>().unwrap(), kind);
    }
    for language in Language::ALL {
        assert_eq!(language.to_string().parse::<Language>().unwrap(), language);
    }
    insta::assert_snapshot!("go".parse::<Language>().unwrap_err(), @r"
    there is no language `go`
    hint: use rust, js or python
    ");
    insta::assert_snapshot!("channel".parse::<Kind>().unwrap_err(), @r"
    there is no kind `channel`
    hint: use provider or tool
    ");
}
