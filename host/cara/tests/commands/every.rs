//! Every command of the program once, on a home in which something happened.
//!
//! The same script is played through each door (`doors.rs`), and written down as exit codes and shapes (`golden.rs`).

use super::home::{Home, REMEMBER, text};
use super::watch::watch;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;
use std::sync::LazyLock;
use tempfile::TempDir;

/// One command a line; words in capitals are looked up when it is their turn, `<` gives what comes on stdin.
const SCRIPT: &str = "
sessions list
sessions list --all
sessions show SESSION
sessions show s-nobody
sessions show No/Id
sessions export SESSION
sessions export SESSION --format markdown
sessions fork SESSION
sessions rename FORK Journey
sessions rename s-nobody x
sessions pin FORK
sessions unpin FORK
sessions pin s-nobody
sessions search window SEAT
sessions search journey
sessions search - ?
sessions delete FORK
sessions delete FORK --yes
people list
people name anna Anna
people name anna --role member
people name Anna
people name owner --role guest
people link anna chat:main:4711
people link owner chat:main:4711
people link anna chat
people link nobody chat:main:1
people show anna
people show nobody
people unlink chat:main:4711
people unlink chat:main:4711
people export anna
people export anna EXPORT
people export anna EXPORT
people export anna EXPORT --force
people forget owner
people forget anna
people forget anna --yes
people forget anna --yes
token create editor --scope chat,read --agent main --tokens-per-day 1000 --expires 30d
token create editor --scope chat --agent main
token create editor --scope chat --expires 3y
token create guest --scope chat --person nobody
token create paper --scope read --certificate PUBLIC
token create net --scope read --tailscale anna@example.com
token create net --scope read --tailscale anna@example.com
token list
token rotate editor
token rotate nobody
token revoke editor
token revoke editor
device pair phone
device list
device revoke phone
device revoke phone
password set < short
password set < a password of the page
password remove
password remove
memory list
memory list --person nobody
memory show seat
memory search window seat
memory forget seat
memory forget seat --yes
approvals list
approvals show ASKED
approvals deny ASKED --reason later
approvals deny ASKED
approvals allow OTHER --always
approvals allow a-nobody
approvals rules
approvals forget RULE
approvals forget 7
inbox list
inbox list --state missed
inbox show i-nobody
inbox replay i-nobody
inbox drop i-nobody
outbox list
outbox list --state sent
outbox list --state lost
outbox show OUT
outbox show o-nobody
outbox drop OUT
outbox drop OUT
outbox retry OUT
outbox retry o-nobody
policy show
policy explain memory_write
policy explain no_such_tool
explain last
explain r-nobody
usage
usage --by model
audit show --limit 3
audit verify
audit anchor
audit anchor --file ANCHORS
audit anchor --file TOKEN
audit verify --anchor ANCHORS
audit verify --anchor BROKEN
ledger show
ledger downgrade
ledger downgrade --to 99 --yes
config get
config get run.turns
config edit
config set run.turns 9
config set run.turn 9
config diff
config unset run.turns
config check
config check BROKEN
config schema
grants
grant memory memory
grants memory
revoke memory
tools list
tools enable memory
tools enable nothing
tools disable memory
secrets set openai < sk-a-stored-key
secrets set nobody < x
channel list
channel add nothing
channel add telegram --set base-url=http://127.0.0.1:9 < 1:a-token
channel test telegram
channel test nothing
channel pair telegram
channel pause telegram
channel resume telegram
channel remove telegram --yes
secrets remove telegram/bot-token@main --yes
secrets list
secrets remove openai
secrets remove openai --yes
secrets unlock
secrets rotate-password
secrets seal
secrets unseal
trust add acme PUBLIC --may wat*
trust add acme PUBLIC --may time
trust add other --identity a@example.com --issuer https://issuer.example --may *
trust add
trust root public-good
trust list
trust root --remove
trust remove other
trust revoke 0000000000000000000000000000000000000000000000000000000000000000
trust revoke nothing
plugin list
plugin inspect memory
plugin inspect nothing
plugin disable math
plugin enable math
plugin keygen me
plugin keygen me
plugin keygen NAMED --file NAMED
plugin pubkey me
plugin pubkey nobody
plugin sign FILE --key me
plugin sign FILE --key SECRET
plugin sign FILE --keyless --token TOKEN --authority http://127.0.0.1:1 --log http://127.0.0.1:1
plugin verify FILE
plugin verify FILE --key PUBLIC
plugin verify UNSIGNED
plugin review FILE
plugin review memory
plugin review UNSIGNED
plugin install FILE
plugin install FILE --yes
plugin install NEWER --yes
plugin rollback watch
plugin update watch --yes
plugin update math --yes
plugin update --yes
plugin search --index INDEX clock
plugin push FILE oci://127.0.0.1:1/watch:1
plugin remove watch --state
plugin remove watch
plugin new tool PROJECT
plugin new tool openai
plugin refresh PROJECT
plugin check FILE
plugin check UNSIGNED
plugin test PROJECT
models
models --model rehearsal
models --model gpt-5
chat --model rehearsal:script --script HELLO -m hi
chat --model rehearsal:script --script SUM -m 2+3?
chat --model rehearsal:script --script EMPTY -m hi
chat --model rehearsal:script --script HELLO --session s-nobody -m hi
chat --model rehearsal:script --script HELLO --session SESSION -m hi
chat --no-such-flag
tls show
tls list
tls init-ca --name Ours
tls init-ca
tls issue laptop --client --days 30
tls issue laptop --client
tls issue ../laptop
tls issue gateway --for cara.example
tls list
tls revoke laptop
tls revoke laptop
tls show
service show --system systemd
service show --system launchd
service show --system windows
service install
service remove
service remove
";

/// Commands that the script leaves out, and why.
const ELSEWHERE: [(&str, &str); 8] = [
    ("api", "prints the document that doors.rs compares"),
    ("completion", "prints a script, no JSON; tools.rs"),
    (
        "logs",
        "reads what the holder wrote, whose times and ids are another each time; config.rs, and its shape in golden.rs",
    ),
    ("plugin build", "compiles for a minute; docs.rs"),
    ("plugin dev", "goes on until it is stopped; docs.rs"),
    ("start", "is the holder; doors.rs"),
    ("status", "tells of the holder; doors.rs, and its shape in golden.rs"),
    ("stop", "ends the holder; doors.rs"),
];

/// A script of the stand-in model that calls a tool.
const SUM: &str = r#"
[[turn]]
step = [{ tool-call = { name = "math_evaluate", arguments = { expression = "2+3" } } }]
[[turn]]
expect-tool-result = "5"
step = [{ text = "It is 5." }]
"#;

/// A script of the stand-in model that sends a message to the terminal.
const TELL: &str = r#"
[[turn]]
step = [{ tool-call = { name = "message_send", arguments = { to = "console:local:me", text = "here" } } }]
[[turn]]
step = [{ text = "Sent." }]
"#;

/// A script of the stand-in model that says nothing.
const EMPTY: &str = "[[turn]]\nstep = [{ text = \"\" }]\n";

/// An index with one component in it.
const INDEX: &str = r#"{ "version": 1, "entries": [{
    "id": "watch", "version": "1.0.0", "summary": "A clock for the wrist", "kinds": ["tool"],
    "ref": "oci://registry.example.com/acme/watch:1.0.0",
    "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "signer": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
}] }"#;

/// A command as it was played: what was typed, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) typed: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A home that the script is played on.
pub(crate) struct Stage {
    pub(crate) home: Home,
    session: String,
    asked: [String; 2],
    /// A folder that is not in the home.
    outside: TempDir,
}

impl Stage {
    /// A home with a conversation, an answered question, and two requests whose process was killed.
    pub(crate) fn new() -> Self {
        let mut home = Home::new();
        home.configure("[[policy.rule]]\ntool = \"memory_write\"\nthen = \"ask\"\n[[policy.rule]]\ntool = \"message_send\"\nthen = \"allow\"\n[run]\nturns = 7 # enough");
        home.set("HOME", home.path("").to_str().unwrap().trim_end_matches('/'));
        home.set("EDITOR", "/bin/sed -i s/7/8/");
        home.set("CARA_VAULT_PASSWORD", "correct horse");
        home.set("CARA_VAULT_NEW_PASSWORD", "correct horse");
        // A shell for the editor, and no program that starts services.
        let programs = home.path("bin");
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink("/bin/sh", programs.join("sh")).unwrap();
        home.set("PATH", programs.to_str().unwrap());
        home.write("tell.toml", TELL.as_bytes());
        let tell = home.path("tell.toml");
        let tell = ["chat", "--model", "rehearsal:script", "--script", tell.to_str().unwrap(), "-m", "tell me"];
        home.ok(&[&tell[..], &["--tool", "message"]].concat());
        home.chat(SUM, "2+3?", &[]);
        let session = home.session();
        let asked = ["window", "aisle"].map(|seat| {
            let talking = home.begin_chat(&REMEMBER.replace("window", seat), seat, &["--tool", "memory"]);
            let id = loop {
                let waiting = home.json(&["approvals", "list", "--json"]);
                let mut requests = waiting.as_array().unwrap().iter();
                if let Some(request) = requests.find(|request| request.to_string().contains(seat)) {
                    break request["id"].as_str().unwrap().to_owned();
                }
            };
            talking.kill();
            id
        });
        let (secret, _) = home.keygen("acme");
        for (name, version) in [("watch-1.wasm", "1.0.0"), ("watch-2.wasm", "1.1.0")] {
            home.signed(name, &watch(version, &[]), &secret);
        }
        home.write("unsigned.wasm", &watch("1.0.0", &[]));
        home.write("token", b"no token");
        home.write("broken.toml", b"[run]\nturn = 1\n");
        for (name, script) in [("hello.toml", super::home::HELLO), ("sum.toml", SUM), ("empty.toml", EMPTY)] {
            home.write(name, script.as_bytes());
        }
        home.write("index.json", INDEX.as_bytes());
        Self { home, session, asked, outside: tempfile::tempdir().unwrap() }
    }

    /// What a word in capitals stands for.
    fn word(&self, word: &str) -> String {
        let first = |arguments: &[&str], what: &str| {
            let listed = self.home.json(arguments);
            let found = listed[0][what].as_str().map(str::to_owned);
            found.unwrap_or_else(|| listed[0][what].to_string())
        };
        let file = |name: &str| self.home.path(name).to_str().unwrap().to_owned();
        match word {
            "SESSION" => self.session.clone(),
            "FORK" => first(&["sessions", "list", "--json"], "id"),
            "ASKED" => self.asked[0].clone(),
            "OTHER" => self.asked[1].clone(),
            "OUT" => first(&["outbox", "list", "--state", "sent", "--json"], "id"),
            "RULE" => first(&["approvals", "rules", "--json"], "id"),
            "PUBLIC" => file("acme.pub"),
            "SECRET" => file("acme.pem"),
            "NAMED" => file("named.pem"),
            "EXPORT" => file("export.json"),
            "TOKEN" => file("token"),
            "ANCHORS" => self.outside.path().join("anchors").to_str().unwrap().to_owned(),
            "BROKEN" => file("broken.toml"),
            "FILE" => file("watch-1.wasm"),
            "NEWER" => file("watch-2.wasm"),
            "UNSIGNED" => file("unsigned.wasm"),
            "INDEX" => file("index.json"),
            "PROJECT" => "hello".to_owned(),
            "HELLO" => file("hello.toml"),
            "SUM" => file("sum.toml"),
            "EMPTY" => file("empty.toml"),
            word => word.to_owned(),
        }
    }

    /// Plays the script to its end.
    pub(crate) fn play(&self, json: bool) -> Vec<Played> {
        lines().map(|line| self.one(line, json)).collect()
    }

    fn one(&self, line: &str, json: bool) -> Played {
        let (typed, stdin) = line.split_once(" < ").unwrap_or((line, ""));
        let words: Vec<String> = typed.split(' ').map(|word| self.word(word)).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if json {
            words.push("--json");
        }
        let mut command = self.home.command(&words);
        command.current_dir(self.home.path("")).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What reads nothing has ended perhaps.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| self.told_apart(&text(bytes)));
        Played { typed: line.to_owned(), code: output.status.code(), stdout, stderr }
    }

    /// Without what is another each time: ids, times, digests, keys, the folder.
    fn told_apart(&self, text: &str) -> String {
        let folder = self.home.path("").to_str().unwrap().trim_end_matches('/').to_owned();
        let text = text.replace(self.outside.path().to_str().unwrap(), "OUTSIDE");
        let text = whole(&text.replace(&folder, "HOME"));
        let inner = |letter: char| letter.is_ascii_alphanumeric() || "-+=/".contains(letter);
        let words: Vec<&str> = text.split_inclusive(|letter: char| !inner(letter)).collect();
        let bare = |word: &str| word.trim_end_matches(|letter: char| !inner(letter)).to_owned();
        let hour = |word: &str| word.len() == 3 && word.ends_with(':') && is_number(&word[..2]);
        let shown = words.iter().enumerate().map(|(at, word)| {
            let (this, next) = (bare(word), words.get(at + 1).map(|word| bare(word)).unwrap_or_default());
            let time = hour(word) || (at > 0 && hour(words[at - 1])) || ["ms", "s", "min"].contains(&next.as_str());
            match &this {
                // A number stays one, so that JSON stays JSON.
                this if is_number(this) && (time || this.len() >= 6) => word.replacen(this, "0", 1),
                this if is_chance(this) => word.replacen(this, "…", 1),
                _ => (*word).to_owned(),
            }
        });
        shown.collect()
    }
}

/// An answer in one event: where it is cut is a matter of time.
fn whole(text: &str) -> String {
    let part = "{\"type\":\"text\",\"text\":\"";
    let mut lines: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match (lines.last_mut().filter(|last| last.starts_with(part)), line.strip_prefix(part)) {
            (Some(last), Some(more)) => *last = format!("{}{more}", last.trim_end().trim_end_matches("\"}")),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.concat()
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a word is another one each time: an id, a digest, a day, a signature.
fn is_chance(word: &str) -> bool {
    let id = word.split_once('-').is_some_and(|(kind, random)| kind.len() == 1 && random.len() >= 6);
    let hex = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let day = word.bytes().enumerate().all(|(at, byte)| (byte == b'-') == (at == 4 || at == 7));
    // A code that is typed.
    let code = word.len() == 14 && word.split('-').all(|part| part.len() == 4) && word.split('-').count() == 3;
    code || (id && !word.ends_with("-nobody"))
        || hex
        || (word.starts_with("20") && word.len() >= 10 && day)
        || word.len() >= 40
}

/// The commands of the script.
fn lines() -> impl Iterator<Item = &'static str> {
    SCRIPT.lines().filter(|line| !line.is_empty())
}

/// What came of the script with `--json`, with nobody else at the home.
pub(crate) static ALONE: LazyLock<Vec<Played>> = LazyLock::new(|| Stage::new().play(true));

/// The commands that have none below them, as the program's own help lists them.
fn commands(home: &Home, above: &[&str], found: &mut BTreeSet<String>) {
    let help = home.ok(&[above, &["--help"]].concat());
    let Some((_, rest)) = help.split_once("\nCommands:\n") else {
        found.insert(above.join(" "));
        return;
    };
    let names = rest.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        (!name.starts_with(' ')).then(|| name.split(' ').next().unwrap())
    });
    for name in names.filter(|name| *name != "help") {
        commands(home, &[above, &[name]].concat(), found);
    }
}

#[test]
fn the_script_types_every_command_there_is() {
    let home = Home::new();
    let mut all = BTreeSet::new();
    commands(&home, &[], &mut all);
    assert!(all.len() > 50, "{all:?}");
    let (typed, absent): (BTreeSet<String>, BTreeSet<String>) = all
        .into_iter()
        .partition(|command| lines().any(|line| line == command || line.starts_with(&format!("{command} "))));
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(absent, elsewhere, "typed: {typed:?}");
}
