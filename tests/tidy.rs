//! The rules of docs/architecture.md and docs/style.md, as tests on source.
//!
//! It reads files only, so it needs nothing of ours compiled.
//!
//! ```text
//! Cargo.toml files ─→ tidy/layers.rs    who may depend on whom
//!                  └→ tidy/programs.rs  one test program for each crate
//! *.rs files ───────→ tidy/circles.rs   no import circle inside a crate
//! *.rs files ───────→ tidy/lines.rs     how large the trusted base is
//! *.rs files ───────→ tidy/source.rs    what the tokens of a file say; the rules on them are here
//! wit/ ─────────────→ tidy/contract.rs  one contract, documented, for both sides
//!                  └→ tidy/reference.rs docs/reference/wit.md says the same
//! sdk/rust/ ────────→ tidy/examples.rs  every item shows how it is used
//! .ci/run ──────────→ tidy/ci.rs        a lint that fails ends it
//! docs/, README.md ─→ tidy/docs.rs      the files that they name are there
//! ```

#![allow(clippy::type_complexity, reason = "a test names its tables where it uses them")]
mod ci;
mod circles;
mod contract;
mod docs;
mod examples;
mod layers;
mod lines;
mod modules;
mod programs;
mod reference;
mod source;

use source::{Source, sources};
use std::path::{Path, PathBuf};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace").to_owned()
}

/// Fails with one line for each finding.
#[track_caller]
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// The source files a rule is for: production code below these folders, but for the exceptions.
fn trusted<'a>(all: &'a [Source], folders: &'a [&str], except: &'a [&str]) -> impl Iterator<Item = &'a Source> {
    let below = |path: &str, folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    all.iter().filter(move |file| !file.is_test() && below(&file.path, folders) && !below(&file.path, except))
}

#[test]
fn every_file_begins_with_a_short_line_about_itself() {
    let all = sources(&root());
    assert!(all.len() > 50, "the walk found the workspace");
    let findings = all.iter().filter_map(|file| {
        let first = file.text.lines().next().unwrap_or_default();
        match first.strip_prefix("//! ") {
            None => Some(format!("{}: does not begin with `//! `", file.path)),
            Some(_) if first.chars().count() >= 80 => {
                Some(format!("{}: its first line is 80 columns or more", file.path))
            }
            Some(_) => None,
        }
    });
    none("the first line says what the file is", findings.collect());
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let all = sources(&root());
    let long = all.iter().map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines > 500);
    none("split by noun", long.map(|(file, lines)| format!("{}: {lines} lines", file.path)).collect());
}

/// Vendors, products and networks that could tempt somebody to write a special case into the host.
const NAMES: [&str; 19] = [
    "openai",
    "anthropic",
    "ollama",
    "claude",
    "gpt-",
    "gemini",
    "mistral",
    "deepseek",
    "bedrock",
    "openrouter",
    "telegram",
    "discord",
    "slack",
    "whatsapp",
    "signal.org",
    "matrix.org",
    "teams.microsoft",
    "github.com",
    "googleapis",
];

#[test]
fn no_string_of_the_trusted_part_names_a_component_or_vendor() {
    let root = root();
    let all = sources(&root);
    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    names.extend(layers::component_names(&root));
    let mut findings = Vec::new();
    // Headers and fields of the APIs that others speak are called as those call them.
    for file in trusted(&all, &["host/", "signing/"], &["host/gateway/src/api", "host/gateway/src/refusal.rs"]) {
        for (line, literal) in file.strings() {
            let text = literal.to_ascii_lowercase();
            if let Some(name) = names.iter().find(|name| text.contains(name.as_str())) {
                findings.push(format!("{}:{line}: names `{name}`", file.path));
            }
        }
    }
    none("what is particular to a component stands in its manifest", findings);
}

#[test]
fn each_kind_of_effect_has_one_home() {
    // What it is, the paths that give it away, and its home. Tools that build, and tests, are no part of what runs.
    let homes: [(&str, &[&[&str]], &[&str]); 5] = [
        (
            "files",
            &[&["std", "fs"], &["tokio", "fs"]],
            // The program's own log, which grows and is followed, the journal of calls, which is only added to and emptied; and
            // outside the home the file of anchors, which is only added to, and the unit of a service manager.
            &[
                "host/services/src/files",
                "host/control/src/logs",
                "host/control/src/call_journal.rs",
                "host/control/src/anchoring.rs",
                "host/control/src/service.rs",
            ],
        ),
        (
            "processes",
            &[&["std", "process", "Command"], &["std", "process", "Stdio"], &["tokio", "process"]],
            // The program begins itself in the background, and what the operator named: an editor, the service manager.
            &[
                "host/services/src/jail",
                "host/cara/src/commands/start.rs",
                "host/terminal/src/external_editor.rs",
                "host/control/src/service.rs",
                "host/control/src/operator_program.rs",
            ],
        ),
        (
            "sockets",
            &[
                &["tokio", "net"],
                &["std", "net", "TcpStream"],
                &["std", "net", "TcpListener"],
                &["std", "net", "UdpSocket"],
                &["std", "net", "ToSocketAddrs"],
            ],
            &["host/services/src/egress", "host/gateway/src/listen", "host/gateway/src/auth/tailnet.rs"],
        ),
        (
            "the clock",
            &[&["std", "time", "SystemTime"], &["jiff", "Zoned", "now"], &["jiff", "Timestamp", "now"]],
            &["host/services/src/clock.rs"],
        ),
        ("wasmtime", &[&["wasmtime"], &["wasmtime_wasi"], &["wasmtime_wasi_http"]], &["host/kernel/src"]),
    ];
    let all = sources(&root());
    let mut findings = Vec::new();
    for (what, paths, home) in homes {
        for file in trusted(&all, &["host/", "signing/", "components/", "sdk/rust/"], home) {
            let build_tool = ["components/bundle/", "host/assistant/build/"].iter().any(|at| file.path.starts_with(at));
            for (line, path) in file.paths() {
                let hit = paths.iter().any(|tell| path.starts_with(&tell.map_owned()));
                if hit && !build_tool {
                    findings.push(format!(
                        "{}:{line}: `{}`; the home of {what} is {}",
                        file.path,
                        path.join("::"),
                        home.join(", ")
                    ));
                }
            }
        }
    }
    none("one gate per kind of effect", findings);
}

/// A path's segments as `source` returns them.
trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|segment| (*segment).to_owned()).collect()
    }
}

#[test]
fn bytes_that_nobody_hashed_are_taken_for_a_package_in_one_place() {
    let all = sources(&root());
    let known = ["host/control/src/installed/built_in.rs", "tests/hostile/manifests.rs"];
    let mut seen = Vec::new();
    for file in all.iter().filter(|file| file.path != "signing/src/package.rs") {
        seen.extend(file.calls(&["Package", "built_in"]).into_iter().map(|_| file.path.clone()));
    }
    assert_eq!(seen, known, "`Package::built_in` is for what the program embeds");
}

#[test]
fn principals_are_made_where_somebody_was_authenticated() {
    let all = sources(&root());
    let homes: [(&[&str], &str); 3] = [
        // Sockets whose other side is a process of the account.
        (&["Principal", "of_account"], "host/gateway/src/auth/mod.rs"),
        // A credential that holds, which a door was shown.
        (&["Principal", "of_credential"], "host/control/src/credentials/held.rs"),
        // The registry, which a channel asks for the sender of a message.
        (&["Principal", "of_address"], "host/services/src/ledger/records/people.rs"),
    ];
    let mut findings = Vec::new();
    for (maker, home) in homes {
        let path: Vec<String> = maker.iter().map(|part| (*part).to_owned()).collect();
        for file in trusted(&all, &["host/", "signing/"], &[home]) {
            let made = file.paths().into_iter().filter(|(_, made)| made.ends_with(&path));
            findings.extend(
                made.map(|(line, _)| format!("{}:{line}: `{}`, whose home is {home}", file.path, path.join("::"))),
            );
        }
    }
    none("a principal is a proof", findings);
}

#[test]
fn the_only_unsafe_block_of_the_host_is_the_one_that_loads_authenticated_code() {
    let all = sources(&root());
    let mut seen = Vec::new();
    for file in trusted(&all, &["host/", "signing/", "sdk/build/"], &[]) {
        seen.extend(file.words("unsafe").into_iter().map(|line| format!("{}:{line}", file.path)));
    }
    let home = |place: &String| place.starts_with("host/kernel/src/cache.rs:");
    assert!(seen.len() == 1 && seen.iter().all(home), "only `deserialize` in host/kernel/src/cache.rs may: {seen:?}");
}

#[test]
fn no_library_returns_text_as_its_error() {
    let all = sources(&root());
    let mut findings = Vec::new();
    for file in trusted(&all, &["host/", "signing/", "sdk/"], &[]) {
        findings.extend(file.public_text_errors().into_iter().map(|line| format!("{}:{line}", file.path)));
    }
    none("a checked thing is never a `String`: no public `Result<_, String>`", findings);
}

#[test]
fn no_code_is_left_for_later() {
    let all = sources(&root());
    // In two parts, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut findings = Vec::new();
    for file in &all {
        let lines = file.text.lines().enumerate();
        let marked = lines.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        findings.extend(marked.map(|(at, _)| format!("{}:{}", file.path, at + 1)));
        findings.extend(
            file.words("todo").into_iter().chain(file.words("unimplemented")).map(|at| format!("{}:{at}", file.path)),
        );
        findings
            .extend(file.attributes("ignore").into_iter().map(|at| format!("{}:{at}: a test is ignored", file.path)));
    }
    none("do it, or write an issue", findings);
}

#[test]
fn no_test_sleeps() {
    let all = sources(&root());
    let mut findings = Vec::new();
    // The bench looks at what is idle through a window.
    for file in all.iter().filter(|file| file.is_test() && !file.path.starts_with("tests/bench/")) {
        findings.extend(file.calls(&["thread", "sleep"]).into_iter().map(|at| format!("{}:{at}", file.path)));
    }
    none("a test waits for what it waits for", findings);
}
