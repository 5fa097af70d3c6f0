//! The whole check fails where a lint does: its own lines, tried on a crate
//! of two lines.

use super::root;
use std::path::Path;
use std::process::{Command, Output};

/// The lines of `.ci/run` that lint and test.
fn lines() -> String {
    let script = std::fs::read_to_string(root().join(".ci/run")).expect("the script is there");
    let lines = script.lines().skip_while(|line| !line.starts_with("step \"lints and tests\"")).skip(1);
    lines.take_while(|line| !line.starts_with("step ")).collect::<Vec<_>>().join("\n")
}

/// Runs them on a crate with this code.
fn run(folder: &Path, code: &str) -> Output {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("the folder is writable");
    let package = "name = \"two-lines\"\nversion = \"0.0.0\"\n";
    write("Cargo.toml", &format!("[package]\n{package}edition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n"));
    write("Cargo.lock", &format!("version = 4\n[[package]]\n{package}"));
    write("lib.rs", code);
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &format!("target=$PWD/target\n{}", lines())]);
    shell.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    shell.current_dir(folder).output().expect("bash runs")
}

#[test]
fn a_lint_that_fails_and_a_test_that_fails_end_the_whole_check() {
    if !Command::new("clippy-driver").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no clippy");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let good = "pub fn none(of: &[u8]) -> bool { of.is_empty() }\n#[test] fn it() { assert!(none(&[])); }\n";
    let passed = run(folder.path(), good);
    assert!(passed.status.success(), "{}", String::from_utf8_lossy(&passed.stderr));
    for (code, told) in [
        (good.replace("of.is_empty()", "of.len() == 0"), "len_zero"),
        (good.replace("assert!(none", "assert!(!none"), "test failed"),
    ] {
        let failed = run(folder.path(), &code);
        let text = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(!failed.status.success() && text.contains(told), "{text}");
    }
}
