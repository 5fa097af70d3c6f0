//! `docs/add-a-component.md`, followed word by word.
//!
//! What is in its `sh` blocks is typed into a shell, with nothing left out. JavaScript and Python are a lane of their own:
//! with `CARA_FOREIGN=1` their tools are installed from npm and PyPI below the target folder; without it the test says
//! that they were skipped.

use super::home::Home;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The commands in the `sh` blocks of a section.
fn commands(section: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/add-a-component.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {section}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A folder that a person works in, and what is remembered of what they typed.
struct Desk {
    home: Home,
    folder: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let home = Home::new();
        let folder = home.path("work");
        fs::create_dir(&folder).unwrap();
        Self { home, folder }
    }

    /// A command of the shell, in the folder.
    fn shell(&self, text: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_cara"));
        let path = std::env::var("PATH").unwrap();
        // The target folder of this workspace: what components share is compiled already.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-euc", text])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
            .env("CARA_HOME", self.home.path(""))
            .env("CARA_VAULT_PASSWORD", "open sesame")
            .env("CARA_PLUGIN_TARGET_DIR", target);
        command
    }

    /// Types a text into a shell that stops at the first failure; what it printed.
    #[track_caller]
    fn types(&self, text: &str) -> String {
        let output = self.shell(text).output().unwrap();
        let told = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{text}\n{}{}", told(&output.stdout), told(&output.stderr));
        told(&output.stdout)
    }
}

#[test]
fn a_tool_in_rust_comes_from_nothing_to_an_answer() {
    let blocks = commands("A tool");
    let desk = Desk::new();
    let told = desk.types(&format!("{}{}", blocks[0], blocks[1]));
    assert!(told.contains("Done."), "{told}");
    dev_takes_over(&desk);
}

/// A command that runs until it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `cara plugin dev`, as the page tells of it: what is written is in use, without anything typed.
fn dev_takes_over(desk: &Desk) {
    let dev = desk.shell("cd hello; exec cara plugin dev --yes").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut dev = Running(dev.unwrap());
    let mut lines = BufReader::new(dev.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    // All it says until it waits again.
    let mut round = || {
        let mut told = String::new();
        for line in lines.by_ref() {
            told.push_str(&line);
            told.push('\n');
            if line.contains("waiting for a file to change") {
                return told;
            }
        }
        panic!("it ended:\n{told}");
    };
    let greeted = |word: &str| {
        let chat = "cara chat --model rehearsal:script --script script.toml --message 'Greet Ada'";
        let text = format!("cd hello; sed -i 's/[A-Z][a-z]*, Ada/{word}, Ada/' script.toml; {chat}");
        desk.shell(&text).output().unwrap().status.success()
    };
    let told = round();
    assert!(told.contains("is in use from the next call on"), "{told}");
    assert!(greeted("Hello"));
    let source = desk.folder.join("hello/src/text.rs");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replacen("Hello", "Howdy", 1)).unwrap();
    // The script's own change may have begun a round that saw the text before.
    let mut told = String::new();
    let taken = (0..3).any(|_| {
        told.push_str(&round());
        greeted("Howdy")
    });
    assert!(taken, "{told}");
    // What cannot be built leaves the version before in use.
    fs::write(&source, "fn").unwrap();
    while !round().contains("error") {}
    assert!(greeted("Howdy"));
}

#[test]
fn a_provider_in_rust_comes_from_nothing_to_being_installed() {
    let desk = Desk::new();
    let told = desk.types(&commands("A provider")[0]);
    assert!(told.contains("parrot"), "{told}");
}

#[test]
fn the_same_tool_in_javascript_and_python() {
    if std::env::var_os("CARA_FOREIGN").is_none() {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 to install from npm and PyPI");
        return;
    }
    let blocks = commands("A tool");
    let node = Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success());
    for first in blocks[2].lines() {
        if first.ends_with("js") && !node {
            println!("skipped: `npm` is not on the path");
            continue;
        }
        let desk = Desk::new();
        let (_, rest) = blocks[0].split_once('\n').unwrap();
        let told = desk.types(&format!("{first}\n{rest}{}", blocks[1]));
        assert!(told.contains("Done."), "{told}");
    }
}
