//! `README.md`, typed from top to bottom at a terminal of 80 columns and 24
//! rows, as it stands.
//!
//! Once on a fresh headless machine, once on one with a keystore: GNOME's, had with `apt-get download` and unpacked below
//! the target folder. Vendors are served by this machine.

use super::home::Home;
use super::terminal::{Session, Terminal};
use super::watch::named;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is not typed here, and why.
const NOT_TYPED: [(&str, &str); 4] = [
    ("cargo install --path host/cara", "builds for minutes what cargo built for this test"),
    ("cargo test --workspace", "is what runs this test"),
    ("cara start --detach", "listens at a port that another test, or a daemon of whoever runs this one, may have"),
    (ASKS, "asks that daemon; `tests/clients/documents.rs` asks one of its own"),
];

/// Asks a daemon what it offers.
const ASKS: &str = r#"curl -s localhost:18789/v1/models -H "Authorization: Bearer $CARA_TOKEN""#;

/// What is typed on the headless machine alone: it takes a minute, and knows no keystore.
const ONCE: [&str; 3] = ["cara plugin build hello", "cara plugin test hello", "cara plugin dev hello"];

/// The shell's prompt, behind the exit code of the last command.
const PROMPT: &str = "]> ";

/// The commands of the page, in their order, without the remarks beside them.
fn page() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("\n```\n").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|line| line.split("  #").next().unwrap().trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// What a person answers to what a command shows, in this order.
fn answers(command: &str, keystore: bool) -> Vec<(&'static str, &'static str)> {
    let talk = command.contains("cara chat --model") && !command.contains("--message");
    match command {
        "cara chat" => vec![("› ", "/exit\r")],
        _ if talk => vec![("› ", "Hello\r"), ("Good-day.", ""), ("› ", "/exit\r")],
        "cara secrets set openai" if keystore => vec![("platform.openai.com: ", "sk-a-key\r")],
        "cara secrets set openai" => vec![
            ("no keystore here", ""),
            ("vault.json: ", "correct horse\r"),
            ("Again: ", "correct horse\r"),
            ("platform.openai.com: ", "sk-a-key\r"),
        ],
        "cara secrets remove openai" => vec![("[y/N] ", "y\r")],
        "cara secrets rotate-password" if !keystore => {
            vec![
                ("vault.json: ", "correct horse\r"),
                ("New password", ""),
                (": ", "correct house\r"),
                ("Again: ", "correct house\r"),
            ]
        }
        "cara plugin install ./acme.wasm" => vec![("[y/N] ", "y\r")],
        "cara plugin dev hello" => vec![("[y/N] ", "y\r"), ("waiting for a file to change", "\u{3}")],
        _ => Vec::new(),
    }
}

/// How a command ends.
fn code(command: &str, keystore: bool) -> &'static str {
    match command {
        // Nobody said yet whom to trust.
        "cara plugin review ./acme.wasm" => "1",
        // There is none.
        "cara secrets rotate-password" if keystore => "1",
        _ => "0",
    }
}

/// The stranger's component of the page.
fn acme(version: &str) -> Vec<u8> {
    named("acme", version, &[])
}

/// The vendors, all at one address of this machine; each says the same.
pub(crate) fn vendors() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Who goes away early is not served.
            std::thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

/// Answers one request by its path, as its vendor publishes it.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    let (kind, body) = match first.split(' ').nth(1).unwrap_or_default() {
        path if path.ends_with("/messages") => ("text/event-stream", ANTHROPIC),
        path if path.ends_with("/api/chat") => ("application/x-ndjson", OLLAMA),
        path if path.ends_with("/models") => ("application/json", r#"{"data":[{"id":"my-model"}]}"#),
        path if path.ends_with("/api/tags") => ("application/json", r#"{"models":[{"name":"llama3.2:latest"}]}"#),
        _ => ("text/event-stream", OPENAI),
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

const OPENAI: &str = r#"data: {"model":"m","choices":[{"index":0,"delta":{"content":"Good-day."},"finish_reason":"stop"}]}

data: {"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}

data: [DONE]

"#;

const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good-day."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}

event: message_stop
data: {"type":"message_stop"}

"#;

const OLLAMA: &str = r#"{"model":"llama3.2","message":{"role":"assistant","content":"Good-day."},"done":false}
{"model":"llama3.2","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}
"#;

/// A shell at a terminal, in a folder with a project under git, on a fresh home.
struct Person {
    home: Home,
    desk: PathBuf,
    key: String,
    session: Session,
}

impl Person {
    /// Sits down; `before` begins what the shell runs in.
    fn new(before: &[&str]) -> Self {
        let home = Home::new();
        let desk = home.path("desk");
        fs::create_dir(&desk).unwrap();
        let git = "git init -q && echo one > poem && git add poem && git -c user.name=me -c user.email=me@example.com commit -qm one && echo two > poem";
        assert!(Command::new("sh").args(["-ec", git]).current_dir(&desk).status().unwrap().success());
        let (key, public) = home.keygen("acme");
        fs::copy(public, desk.join("acme.pub")).unwrap();
        home.signed("desk/acme.wasm", &acme("1.0.0"), &key);
        // Nothing is configured on a fresh home.
        fs::remove_file(home.path("config.toml")).unwrap();
        let shell = ["setsid", "--ctty", "--wait", "bash", "--noprofile", "--norc", "--noediting", "-i"];
        let words = [before, &shell].concat();
        let program = Path::new(env!("CARGO_BIN_EXE_cara")).parent().unwrap();
        let user = std::env::var("HOME").unwrap();
        let rust = |name: &str, folder: &str| std::env::var(name).unwrap_or_else(|_| format!("{user}/{folder}"));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(&desk).env_clear();
        command
            .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
            .env("HOME", &desk)
            .env("CARA_HOME", home.path(""))
            .env("CARGO_HOME", rust("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", rust("RUSTUP_HOME", ".rustup"))
            // What components share is compiled already.
            .env("CARA_PLUGIN_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
            .env("TERM", "xterm")
            .env("PS1", "[$?]> ");
        let mut session = Terminal::new().starts(command);
        session.until(PROMPT);
        Self { home, desk, key, session }
    }

    /// Types a command and what it asks for; the exit code.
    #[track_caller]
    fn types(&mut self, command: &str, answers: &[(&str, &str)], password: &str) -> String {
        self.session.types(&format!("{command}\r"));
        let mut left = answers.iter();
        let mut next = left.next();
        loop {
            // Where the conversations' key is sealed, most commands ask for the vault's password.
            let waited = [PROMPT, "Password of", next.map_or(PROMPT, |(text, _)| text)];
            let shown = self.session.until_any(&waited);
            match next {
                Some((text, typed)) if shown.ends_with(text) => {
                    self.session.types(typed);
                    next = left.next();
                }
                _ if shown.ends_with(PROMPT) => {
                    assert!(next.is_none(), "`{command}` did not show {next:?}:\n{shown}");
                    return shown.rsplit('[').next().unwrap().trim_end_matches(PROMPT).to_owned();
                }
                // It is among the answers.
                Some((text, _)) if *text == "vault.json: " => {}
                _ => {
                    self.session.until("vault.json: ");
                    self.session.types(&format!("{password}\r"));
                }
            }
        }
    }
}

/// Types the page.
fn follow(mut person: Person, keystore: bool) {
    let address = vendors();
    let mut password = "correct horse";
    let page = page();
    assert!(page.len() > 30, "{page:?}");
    for (left, _) in NOT_TYPED {
        assert!(page.iter().any(|command| command == left), "the page has no `{left}`");
    }
    for command in page {
        if NOT_TYPED.iter().any(|(not, _)| *not == command) || (keystore && ONCE.contains(&command.as_str())) {
            continue;
        }
        match command.as_str() {
            "cara chat --model openai" => {
                let live = format!(
                    "export OPENAI_BASE_URL=http://{address}/v1 ANTHROPIC_BASE_URL=http://{address} ANTHROPIC_API_KEY=x OLLAMA_HOST=http://{address}"
                );
                assert_eq!(person.types(&live, &[], ""), "0");
            }
            // Meanwhile its author publishes a newer one.
            "cara plugin update" => drop(person.home.signed("desk/acme.wasm", &acme("1.1.0"), &person.key)),
            _ => {}
        }
        let told = person.types(
            &command.replace("127.0.0.1:8000", &address.to_string()),
            &answers(&command, keystore),
            password,
        );
        assert_eq!(told, code(&command, keystore), "{command}");
        if command == "cara secrets rotate-password" {
            password = "correct house";
        }
    }
    assert!(person.desk.join("hello/component.toml").exists());
    let sealed = fs::read(person.home.path("keys/ledger-content")).unwrap();
    assert_eq!(sealed, b"in the vault\n");
    person.session.types("exit\r");
    assert!(person.session.ends().0.success());
}

#[test]
fn the_readme_can_be_typed_from_top_to_bottom_on_a_headless_machine() {
    follow(Person::new(&[]), false);
}

/// GNOME's keystore, if it can be had: the folder that it is unpacked in.
fn keystore() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gnome-keyring");
    let program = folder.join("usr/bin/gnome-keyring-daemon");
    if !program.exists() {
        fs::create_dir_all(&folder).ok()?;
        let script =
            "apt-get download gnome-keyring libgck-1-0 libgcr-base-3-1 && for file in *.deb; do dpkg -x $file .; done";
        Command::new("sh").args(["-c", script]).current_dir(&folder).output().ok()?.status.success().then_some(())?;
    }
    let runs = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let starts = runs(Command::new(&program).arg("--version").env("LD_LIBRARY_PATH", libraries(&folder)));
    (starts && runs(Command::new("dbus-run-session").arg("--version"))).then_some(folder)
}

/// Where its libraries are.
fn libraries(folder: &Path) -> PathBuf {
    let below = folder.join("usr/lib");
    let found = fs::read_dir(&below).into_iter().flatten().map_while(Result::ok);
    found.map(|entry| entry.path()).find(|path| path.join("libgck-1.so.0").exists()).unwrap_or(below)
}

#[test]
fn the_readme_can_be_typed_from_top_to_bottom_on_a_machine_with_a_keystore() {
    let Some(folder) = keystore() else {
        println!("skipped: GNOME's keystore cannot be started\nhint: it comes from Debian, with `dbus`");
        return;
    };
    let unlock = format!(
        "printf secret | LD_LIBRARY_PATH={} {} --unlock --components=secrets >/dev/null 2>&1 && exec \"$@\"",
        libraries(&folder).display(),
        folder.join("usr/bin/gnome-keyring-daemon").display()
    );
    follow(Person::new(&["dbus-run-session", "--", "sh", "-c", &unlock, "sh"]), true);
}
