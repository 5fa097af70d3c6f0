//! New projects in JavaScript and Python, built with the tools of those languages.
//!
//! A lane of its own, as `tests/foreign.rs` of the workspace: with `CARA_FOREIGN=1` it installs from npm and PyPI below
//! the target folder. Without it says that it was skipped.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;

use cara_authority::Interfaces;
use cara_sdk_new::{Kind, Language, build_in};
use cara_signing::Package;

mod support;

/// Whether the lane is open.
fn open() -> bool {
    let open = std::env::var_os("CARA_FOREIGN").is_some();
    if !open {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 to install from npm and PyPI");
    }
    open
}

/// Runs a program that has to succeed.
#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
}

/// Builds a new project in a folder that stays between runs, with what was installed there.
#[track_caller]
fn builds(kind: Kind, language: Language, name: &str) -> std::path::PathBuf {
    let project = support::written(Path::new(env!("CARGO_TARGET_TMPDIR")), kind, language, name);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let built = build_in(&project, &target, &mut |line| println!("{name}: {line}")).unwrap();
    assert_eq!((built.id.as_str(), built.language), (name, language));
    let bytes = std::fs::read(&built.file).unwrap();
    println!("{name}: {} bytes", bytes.len());
    let package = Package::read(bytes).unwrap();
    let imports = Interfaces::read(package.bytes()).unwrap();
    assert!(imports.imports_http());
    assert_eq!((imports.imports_secrets(), imports.imports_state()), (kind == Kind::Provider, false));
    project
}

#[test]
fn new_projects_in_javascript_pass_their_tests_and_build() {
    if !open() {
        return;
    }
    for (kind, name) in [(Kind::Tool, "foreign-js-tool"), (Kind::Provider, "foreign-js-provider")] {
        let project = builds(kind, Language::JavaScript, name);
        run(Command::new("node").arg("--test").current_dir(project));
    }
}

#[test]
fn new_projects_in_python_pass_their_tests_and_build() {
    if !open() {
        return;
    }
    for (kind, name) in [(Kind::Tool, "foreign-python-tool"), (Kind::Provider, "foreign-python-provider")] {
        let project = builds(kind, Language::Python, name);
        run(Command::new("python3").args(["-m", "unittest", "discover", "tests"]).current_dir(project));
    }
}
