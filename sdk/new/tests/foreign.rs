//! New projects in JavaScript and Python, built with those languages' tools.
//!
//! A lane of its own, as `tests/foreign.rs` of the workspace: with `CARA_FOREIGN=1` it installs from npm and PyPI below
//! the target folder. Without it says that it was skipped.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;

use cara_authority::Interfaces;
use cara_sdk_new::{BuildError, Built, Kind, Language, build_in};
use cara_signing::Package;

use crate::support;

/// Whether the lane is open.
fn open() -> bool {
    let open = std::env::var_os("CARA_FOREIGN").is_some();
    if !open {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 to install from npm and PyPI");
    }
    open
}

/// Whether there is a Node.js that the tools of JavaScript run on.
fn node() -> bool {
    let version = Command::new("node").arg("--version").output().ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok()
    });
    let new = version.is_some_and(|version| version >= 20);
    if !new {
        println!("skipped\nhint: it needs Node.js 20 or newer, with npm");
    }
    new
}

/// Runs a program that has to succeed.
#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
}

/// Writes a new project into a folder that stays between runs, with what was installed there.
fn fresh(kind: Kind, language: Language, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for old in [".cara", "src", "tests", "dist"] {
        let old = folder.join(name).join(old);
        if old.exists() {
            std::fs::remove_dir_all(old).unwrap();
        }
    }
    support::written(folder, kind, language, name)
}

fn build(project: &Path) -> Result<Built, BuildError> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    build_in(project, &target, &mut |line| println!("{}: {line}", project.file_name().unwrap().display()))
}

#[track_caller]
fn builds(kind: Kind, language: Language, name: &str) -> PathBuf {
    let project = fresh(kind, language, name);
    let built = build(&project).unwrap();
    assert_eq!((built.id.as_str(), built.language), (name, language));
    let bytes = std::fs::read(&built.file).unwrap();
    println!("{name}: {} bytes", bytes.len());
    let package = Package::read(bytes).unwrap();
    let imports = Interfaces::read(package.bytes()).unwrap();
    assert!(imports.imports_http());
    assert!(!imports.imports_state());
    project
}

/// Adds a line to a file of the project, before everything else in it but `after`, and gives what the build then says.
#[track_caller]
fn refused(project: &Path, file: &str, after: &str, line: &str) -> String {
    let file = project.join(file);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen(after, &format!("{after}\n{line}"), 1)).unwrap();
    let error = build(project).unwrap_err();
    assert!(matches!(error, BuildError::Failed { .. }), "{error:?}");
    let said = error.to_string();
    println!("{said}");
    assert!(said.ends_with("\nhint: correct what it says above, and build again"), "{said}");
    said
}

#[test]
fn new_projects_in_javascript_pass_their_tests_and_build() {
    if !(open() && node()) {
        return;
    }
    for (kind, name) in [(Kind::Tool, "foreign-js-tool"), (Kind::Provider, "foreign-js-provider")] {
        let project = builds(kind, Language::JavaScript, name);
        run(Command::new("node").arg("--test").current_dir(&project));
        if kind == Kind::Tool {
            let line = "import '../.cara/sdk/settings.js';";
            let said = refused(&project, "src/component.js", "// @ts-check", line);
            assert!(said.contains("cara:plugin/settings@0.2.0"), "what is not declared is named: {said}");
        }
    }
    run(Command::new("node").arg("--test").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../js")));
}

#[test]
fn new_projects_in_python_pass_their_tests_and_build() {
    if !open() {
        return;
    }
    let python = || {
        let mut python = Command::new("python3");
        python.args(["-m", "unittest", "discover", "tests"]).env("PYTHONDONTWRITEBYTECODE", "1");
        python
    };
    for (kind, name) in [(Kind::Tool, "foreign-python-tool"), (Kind::Provider, "foreign-python-provider")] {
        let project = builds(kind, Language::Python, name);
        run(python().current_dir(&project));
        if kind == Kind::Tool {
            let said = refused(&project, "src/app.py", "import text", "from cara import settings");
            assert!(said.contains("settings"), "what is not declared is named: {said}");
        } else {
            let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python");
            run(python().current_dir(sdk).env("PYTHONPATH", project.join("target/bindings")));
        }
    }
}
