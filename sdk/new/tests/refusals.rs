//! What a build says of a folder that it cannot build.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use cara_sdk_new::{BuildError, Kind, Language, build};

use crate::support;

/// A new project in which something is changed, and what the build of it says.
#[track_caller]
fn refused(language: Language, change: impl FnOnce(&Path)) -> (BuildError, String) {
    let folder = tempfile::tempdir().unwrap();
    let project = support::written(folder.path(), Kind::Tool, language, "hello");
    change(&project);
    let error = build(&project, &mut |_| {}).unwrap_err();
    let said = error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER").replace('\\', "/");
    assert!(!project.join("dist").exists(), "nothing is left for somebody to install");
    (error, said)
}

fn remove(project: &Path, file: &str) {
    std::fs::remove_file(project.join(file)).unwrap();
}

#[test]
fn a_folder_without_a_manifest_is_no_project() {
    let (_, said) = refused(Language::Rust, |project| remove(project, "component.toml"));
    insta::assert_snapshot!(said, @r"
    there is no `component.toml` in `FOLDER/hello`
    hint: `cara plugin new tool NAME` makes a project that has one
    ");
}

#[test]
fn a_folder_without_a_language_is_told_which_are_known() {
    let (_, said) = refused(Language::Python, |project| remove(project, "pyproject.toml"));
    insta::assert_snapshot!(said, @r"
    what is in `FOLDER/hello` has no language known here
    hint: Rust has a `Cargo.toml`, JavaScript a `package.json`, Python a `pyproject.toml` or an `app.py`
    ");
}

#[test]
fn a_manifest_with_a_mistake_is_refused_before_anything_is_installed() {
    let (error, _) = refused(Language::JavaScript, |project| {
        std::fs::write(project.join("component.toml"), "id = \"hello\"\nnonsense = 1\n").unwrap();
    });
    assert!(matches!(error, BuildError::Manifest(_)), "{error}");
}

#[test]
fn a_description_that_cannot_be_read_is_named() {
    let (_, said) = refused(Language::JavaScript, |project| {
        std::fs::write(project.join("package.json"), "{ no json").unwrap();
    });
    insta::assert_snapshot!(said, @r"
    `FOLDER/hello/package.json` cannot be understood: key must be a string at line 1 column 3
    hint: correct it there
    ");
    let (_, said) = refused(Language::Python, |project| {
        std::fs::write(project.join("pyproject.toml"), "[project").unwrap();
    });
    insta::assert_snapshot!(said, @r"
    `FOLDER/hello/pyproject.toml` cannot be understood: unclosed table, expected `]`
    hint: correct it there
    ");
}

#[test]
fn a_project_whose_first_file_is_missing_is_told_which() {
    let (_, said) = refused(Language::JavaScript, |project| remove(project, "src/component.js"));
    insta::assert_snapshot!(said, @r"
    there is no `FOLDER/hello/src/component.js`
    hint: name the file that exports `tool` or `provider` as `main` in package.json
    ");
    let (_, said) = refused(Language::Python, |project| remove(project, "src/app.py"));
    insta::assert_snapshot!(said, @r"
    there is no `FOLDER/hello/src/app.py`
    hint: the class `Tool` or `Provider` that the host calls belongs there
    ");
}
