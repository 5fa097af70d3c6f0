//! A home folder, and the binary run on it.

use serde_json::Value;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something that has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// A script that says one thing.
pub(crate) const HELLO: &str = "[[turn]]\nstep = [{ text = \"Hello.\" }, { usage = { input = 100, output = 20 } }]\n";

/// A script that asks the clock, then answers.
pub(crate) const CLOCK: &str = r#"
[[turn]]
step = [{ tool-call = { name = "time_now", arguments = { zone = "Europe/Oslo" } } }]
[[turn]]
expect-tool-result = "Europe/Oslo"
step = [{ text = "It is late.\n![pixel](https://evil.example/x.png)" }]
"#;

/// A script that wants something remembered, then answers.
pub(crate) const REMEMBER: &str = r#"
[[turn]]
step = [{ tool-call = { name = "memory_write", arguments = { key = "seat", value = "window" } } }]
[[turn]]
step = [{ text = "Noted." }]
"#;

/// The first start of all, in which everything is compiled: what it said, and its home, of which each other one gets a copy
/// of the cache and of the key it is authenticated with.
pub(crate) static COLD_START: LazyLock<(Output, TempDir)> = LazyLock::new(|| {
    let home = Home::bare();
    let output = home.chat_output(HELLO, "hi");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    (output, home.folder)
});

/// A home folder of its own.
pub(crate) struct Home {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    /// A new one in which nothing happened.
    pub(crate) fn new() -> Self {
        let home = Self::bare();
        for folder in ["cache", "keys"] {
            let to = home.path(folder);
            fs::create_dir_all(&to).unwrap();
            private(&to, 0o700);
            for entry in fs::read_dir(COLD_START.1.path().join(folder)).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name();
                if folder == "cache" || name == "compiled-code" {
                    fs::copy(entry.path(), to.join(name)).unwrap();
                }
            }
        }
        home
    }

    fn bare() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() };
        home.configure("");
        home
    }

    /// A file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration; secrets stay out of this machine's keystore.
    pub(crate) fn configure(&self, toml: &str) {
        fs::write(self.path("config.toml"), format!("[vault]\nstore = \"file\"\n{toml}\n")).unwrap();
    }

    /// Sets an environment variable for what is run from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A command on it, without the environment of the tester.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cara"));
        // Daemons of tests run side by side: each listens where its own configuration says, or nowhere.
        let starts = arguments.contains(&"start") && !arguments.contains(&"--listen");
        let alone = starts && !fs::read_to_string(self.path("config.toml")).unwrap_or_default().contains("[gateway");
        command.args(arguments).args(if alone { &["--listen", "none"][..] } else { &[] });
        command.env_clear().env("CARA_HOME", self.folder.path()).env("TZ", "UTC");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it, and kills it after so long.
    pub(crate) fn killed(&self, arguments: &[&str], after: Duration) {
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + after;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// What it prints when it works.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What it notes on stderr when it works.
    #[track_caller]
    pub(crate) fn notes(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// The JSON it prints when it works.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// The error it ends in, with exit code 1.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
        text(&output.stderr)
    }

    /// The path of a file with this script.
    pub(crate) fn script(&self, script: &str) -> String {
        // Each in a file of its own: a chat that goes on may not have read its own yet.
        let mut hasher = DefaultHasher::new();
        script.hash(&mut hasher);
        let file = self.path(&format!("script-{:x}.toml", hasher.finish()));
        if !file.exists() {
            fs::write(&file, script).unwrap();
        }
        file.to_str().unwrap().to_owned()
    }

    fn chat_command(&self, script: &str, message: &str, more: &[&str]) -> Command {
        let file = self.script(script);
        let model = ["chat", "--model", "rehearsal:script", "--script", &file, "--json"];
        self.command(&[&model[..], more, &["--message", message]].concat())
    }

    /// One message, answered; the events.
    #[track_caller]
    pub(crate) fn chat(&self, script: &str, message: &str, more: &[&str]) -> Vec<Value> {
        let output = self.chat_command(script, message, more).output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        events(&output.stdout)
    }

    /// One message, and all that was printed.
    pub(crate) fn chat_output(&self, script: &str, message: &str) -> Output {
        self.chat_command(script, message, &[]).output().unwrap()
    }

    /// One message; the answer comes while other things happen.
    pub(crate) fn begin_chat(&self, script: &str, message: &str, more: &[&str]) -> Talking {
        Talking(Some(self.chat_command(script, message, more).spawn().unwrap()))
    }

    /// The first request for approval that waits, as soon as there is one.
    #[track_caller]
    pub(crate) fn waiting(&self) -> Value {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let waiting = self.json(&["approvals", "list", "--json"]);
            if let Some(first) = waiting.as_array().unwrap().first() {
                return first.clone();
            }
        }
        panic!("nothing is asked");
    }

    /// The id of the session that changed last.
    #[track_caller]
    pub(crate) fn session(&self) -> String {
        self.json(&["sessions", "list", "--json"])[0]["id"].as_str().unwrap().to_owned()
    }
}

/// A `cara chat` that goes on; killed when it is dropped.
pub(crate) struct Talking(Option<Child>);

impl Talking {
    /// Waits for its end; the events.
    #[track_caller]
    pub(crate) fn end(mut self) -> Vec<Value> {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        events(&output.stdout)
    }

    /// The process's number.
    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    /// All that it says when it is ended as `kill -9` does, for a test that failed.
    #[cfg(target_os = "linux")]
    pub(crate) fn told(mut self) -> String {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All that was said, in one text.
pub(crate) fn said(events: &[Value]) -> String {
    events.iter().filter(|event| event["type"] == "text").filter_map(|event| event["text"].as_str()).collect()
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn events(stdout: &[u8]) -> Vec<Value> {
    text(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asserts that no line is wider than a terminal.
#[track_caller]
pub(crate) fn fits_a_terminal(text: &str) {
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) {}
