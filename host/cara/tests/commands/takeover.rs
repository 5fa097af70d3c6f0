//! The process that holds a home is killed, again and again, while clients
//! chat, approve, switch and install: each goes on, nothing is lost or done twice.

use super::doors::Holder;
#[cfg(target_os = "linux")]
use super::holders::Holders;
use super::home::{Home, text};
use super::watch;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// Kills in all, and homes that are worked in at once.
const KILLS: u64 = 200;
const HOMES: u64 = 4;

/// How long something that has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Messages that a run sends, one a round.
const ROUNDS: u64 = 3;

/// The policy of these homes: messages are sent unasked, notes are asked about.
const POLICY: &str = "[[policy.rule]]\ntool = \"message_send\"\nthen = \"allow\"\n[[policy.rule]]\ntool = \"memory_write\"\nthen = \"ask\"\n";

fn write(home: &Home, name: &str, script: &str) -> String {
    let path = home.path(&format!("{name}.toml"));
    std::fs::write(&path, script).unwrap();
    path.to_str().unwrap().to_owned()
}

fn sends(tag: &str) -> String {
    let turns = (1..=ROUNDS).map(|round| {
        format!(
            "[[turn]]\nstep = [{{ tool-call = {{ name = \"message_send\", arguments = {{ to = \"console:local:me\", \
             text = \"{tag}-{round}\" }} }} }}]\n"
        )
    });
    turns.chain(["[[turn]]\nstep = [{ text = \"all sent\" }]\n".to_owned()]).collect()
}

fn notes(tag: &str) -> String {
    format!(
        "[[turn]]\nstep = [{{ tool-call = {{ name = \"memory_write\", arguments = {{ key = \"{tag}\", value = \"x\" }} }} }}]\n\
         [[turn]]\nstep = [{{ text = \"noted\" }}]\n"
    )
}

/// A chat of one message, whose events can be looked at while they come.
struct Chat {
    child: Child,
    shown: tempfile::NamedTempFile,
}

impl Chat {
    fn begin(home: &Home, script: &str, message: &str, tool: &str) -> Self {
        let model = ["chat", "--json", "--model", "rehearsal:script", "--script", script];
        let shown = tempfile::NamedTempFile::new().unwrap();
        let mut command = home.command(&[&model[..], &["--tool", tool, "--message", message]].concat());
        Self { child: command.stdout(Stdio::from(shown.reopen().unwrap())).spawn().unwrap(), shown }
    }

    /// What it has printed by now.
    fn shown(&self) -> String {
        std::fs::read_to_string(self.shown.path()).unwrap()
    }

    /// Whether it has shown an event of its run.
    fn is_begun(&self) -> bool {
        self.shown().contains("\"type\":")
    }

    /// Waits for its end: what it printed, and what it said beside it.
    #[track_caller]
    fn ended(self) -> [String; 2] {
        let Self { child, shown } = self;
        let output = child.wait_with_output().unwrap();
        let [shown, told] = [std::fs::read_to_string(shown.path()).unwrap(), text(&output.stderr)];
        assert!(output.status.success(), "{shown}\n{told}");
        [shown, told]
    }
}

/// Whether a client says that the process it had asked for something was gone before it answered.
fn is_told_of_the_end(told: &str) -> bool {
    told.contains("the process that held the home ended")
}

#[track_caller]
fn ended(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    output
}

/// A stranger's clock, signed.
fn watch(home: &Home, version: &str, key: &str) -> String {
    home.signed(&format!("watch-{version}.wasm"), &watch::watch(version, &[]), key)
}

/// Waits for an install whose holder may have been killed: then it is said, and what is done again works.
fn installed(home: &Home, install: &[&str], child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stderr);
    if !output.status.success() {
        assert!(told.contains("hint: "), "{told}");
        home.ok(install);
    }
    let version = if install[2].contains("1.1.0") { "1.1.0" } else { "1.0.0" };
    let listed = home.json(&["plugin", "list", "--json"]);
    let rows: Vec<&Value> = listed.as_array().unwrap().iter().filter(|row| row["id"] == "watch").collect();
    assert!(rows.len() == 1 && rows[0]["version"] == version, "{rows:?}");
    told
}

/// When the holder is killed: after so long, or after so long since a client showed the first event of its run.
#[derive(Clone, Copy)]
struct Moment {
    met: Option<usize>,
    after: Duration,
}

impl Moment {
    /// The moment of a kill: of each four, one in the run that sends, one in the run that notes, and two while all begin.
    fn of(kill: u64, random: u64) -> Self {
        let (met, most) = [(Some(0), 63), (Some(1), 63), (None, 255), (None, 63)][(kill % 4) as usize];
        Self { met, after: Duration::from_millis(random & most) }
    }

    fn wait(self, chats: [&Chat; 2]) {
        let until = Instant::now() + PATIENCE;
        while self.met.is_some_and(|chat| !chats[chat].is_begun()) {
            assert!(Instant::now() < until, "a run does not begin");
            std::thread::yield_now();
        }
        // Nobody sends: so long nothing happens.
        let (_quiet, nobody) = std::sync::mpsc::channel::<()>();
        let _ = nobody.recv_timeout(self.after);
    }
}

/// What a round came to.
struct Round {
    /// Of each client, whether the kill met it at its work: it had asked for something, was not answered, and says so; a
    /// chat had also shown an event of its run.
    met: [u64; 4],
    /// What the chat printed that sends messages.
    sent: String,
}

/// One round: four clients at work, and the holder killed.
fn round(home: &Home, tag: &str, file: &str, moment: Moment) -> Round {
    let mut holder = Holder::of(home);
    let sender = Chat::begin(home, &write(home, "sends", &sends(tag)), tag, "message");
    let noting = Chat::begin(home, &write(home, "notes", &notes(tag)), &format!("note {tag}"), "memory");
    let enabling = home.command(&["tools", "enable", "math", "fetch"]).spawn().unwrap();
    let install = ["plugin", "install", file, "--yes", "--allow-downgrade"];
    let installing = home.command(&install).spawn().unwrap();
    let begun = std::thread::scope(|scope| {
        let approving = scope.spawn(|| approve(home, tag));
        moment.wait([&sender, &noting]);
        assert!(holder.0.try_wait().unwrap().is_none(), "the holder ended by itself");
        let begun = [&sender, &noting].map(Chat::is_begun);
        holder.0.kill().unwrap();
        holder.0.wait().unwrap();
        approving.join().unwrap();
        begun
    });
    let ([sent, of_sender], [noted, of_noting]) = (sender.ended(), noting.ended());
    assert!(sent.contains("all sent") && noted.contains("noted"), "{sent}\n{noted}");
    let told = [of_sender, of_noting, text(&ended(enabling).stderr), installed(home, &install, installing)];
    let [sender, noting, enabling, installing] = told.map(|told| is_told_of_the_end(&told));
    let met = [sender && begun[0], noting && begun[1], enabling, installing].map(u64::from);
    Round { met, sent }
}

/// Checks what became of messages: none was sent twice, and each was sent of which the model was told so.
fn check_sent(tag: &str, sent: &str, transcript: &Value) {
    let parts =
        transcript["messages"].as_array().unwrap().iter().flat_map(|message| message["parts"].as_array().unwrap());
    let results: Vec<&Value> = parts.filter(|part| part["kind"] == "tool-result").collect();
    assert_eq!(results.len() as u64, ROUNDS, "{transcript}");
    for (round, result) in (1..).zip(results) {
        let times = sent.lines().filter(|line| line.ends_with(&format!("] {tag}-{round}"))).count();
        let least = usize::from(result["failed"] == false);
        assert!((least..=1).contains(&times), "{tag}-{round} was sent {times} times:\n{result}\n{sent}");
    }
}

/// Allows what is asked about this note, once it is asked; also after the process that asked is gone.
fn approve(home: &Home, tag: &str) {
    loop {
        let waiting = home.json(&["approvals", "list", "--json"]);
        let asked =
            waiting.as_array().unwrap().iter().find(|request| request["asked"]["arguments"].to_string().contains(tag));
        let Some(id) = asked.map(|request| request["id"].as_str().unwrap().to_owned()) else { continue };
        let output = home.run(&["approvals", "allow", &id]);
        let told = text(&output.stderr);
        // It was allowed, perhaps by a command whose answer was lost with the process it asked.
        if output.status.success() || told.contains("already") || told.contains("was answered") {
            return;
        }
        let state = home.json(&["approvals", "show", &id, "--json"]);
        if state["state"] != "waiting" {
            return;
        }
    }
}

/// Whether each note is there, and each question was answered and used once.
fn check_notes(home: &Home, tags: &[String]) {
    let list = "[[turn]]\nstep = [{ tool-call = { name = \"memory_list\", arguments = { prefix = \"k\" } } }]\n\
                [[turn]]\nstep = [{ text = \"listed\" }]\n";
    let [listed, _] = Chat::begin(home, &write(home, "list", list), "list them", "memory").ended();
    let events = listed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>();
    let result = events.iter().find(|event| event["type"] == "tool-result").unwrap()["text"].as_str().unwrap();
    for tag in tags {
        let words = result.split(|letter: char| !letter.is_alphanumeric() && letter != '-');
        assert_eq!(words.filter(|word| word == tag).count(), 1, "{tag}: {result}");
    }
    assert_eq!(home.json(&["approvals", "list", "--json"]), Value::Array(Vec::new()));
    let decided = home.json(&["audit", "show", "--kind", "approval-decided", "--limit", "1000", "--json"]);
    let mut asked: Vec<&str> =
        decided.as_array().unwrap().iter().map(|event| event["subject"].as_str().unwrap()).collect();
    asked.sort_unstable();
    let all = asked.len();
    asked.dedup();
    assert_eq!(asked.len(), all, "a question was answered twice");
    let states = asked.iter().map(|id| home.json(&["approvals", "show", id, "--json"])["state"].clone());
    let spent = states.filter(|state| state == "spent").count();
    assert_eq!(spent, tags.len(), "each note was allowed once, and written with that");
}

fn work(number: u64, home: &Home) -> [u64; 4] {
    home.configure(POLICY);
    let (key, public) = home.keygen("acme");
    home.ok(&["trust", "add", "acme", &public, "--may", "watch"]);
    // One after the other, so that each round changes what is installed.
    let files = ["1.0.0", "1.1.0"].map(|version| watch(home, version, &key));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number + 1);
    let (mut met, mut sent) = ([0; 4], BTreeMap::new());
    for kill in 0..KILLS / HOMES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let tag = format!("k{number}-{kill}");
        let of_round = round(home, &tag, &files[(kill % 2) as usize], Moment::of(kill, random >> 33));
        met = std::array::from_fn(|client| met[client] + of_round.met[client]);
        sent.insert(tag, of_round.sent);
    }
    // Each message was answered once: no session has another number of messages than its script makes.
    let sessions = home.json(&["sessions", "list", "--all", "--json"]);
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len() as u64, 2 * KILLS / HOMES);
    for session in sessions {
        let shown = home.json(&["sessions", "show", session["id"].as_str().unwrap(), "--json"]);
        let of =
            |role: &str| shown["messages"].as_array().unwrap().iter().filter(|message| message["role"] == role).count();
        // What the model answered and what each call gave is kept once, also where another process went on.
        let title = shown["title"].as_str().unwrap();
        if let Some(sent) = sent.get(title) {
            check_sent(title, sent, &shown);
        }
        let calls = if title.starts_with("note ") { 1 } else { ROUNDS as usize };
        assert_eq!([of("user"), of("assistant"), of("tool")], [1, calls + 1, calls], "{shown}");
        let runs: Vec<&Value> = shown["runs"].as_array().unwrap().iter().collect();
        assert!(runs.len() == 1 && runs[0]["state"] == "done", "{runs:?}");
    }
    check_notes(home, &sent.into_keys().collect::<Vec<_>>());
    home.ok(&["audit", "verify"]);
    met
}

#[test]
fn clients_go_on_whenever_the_holder_of_the_home_is_killed() {
    let homes: Vec<Home> = (0..HOMES).map(|_| Home::new()).collect();
    let met: Vec<[u64; 4]> = std::thread::scope(|scope| {
        #[cfg(target_os = "linux")]
        let (working, until) = std::sync::mpsc::channel::<()>();
        #[cfg(target_os = "linux")]
        let watching = scope.spawn(|| {
            let until = until;
            Holders::of(&homes, &until)
        });
        let at_work: Vec<_> = (0..).zip(&homes).map(|(number, home)| scope.spawn(move || work(number, home))).collect();
        let met = at_work.into_iter().map(|home| home.join().unwrap()).collect();
        #[cfg(target_os = "linux")]
        {
            drop(working);
            let holders = watching.join().unwrap();
            // One after the other, and of each kind: the killed daemons, and clients that went on by themselves.
            let of = ["daemon", "chat", "command"].map(|role| holders.in_role(role) as u64);
            assert!(of[0] > KILLS / 2 && of[1] > 0 && of[2] > 0, "{of:?} holders were seen");
        }
        met
    });
    // Every kind of client was met at its work, by what it printed.
    let times: [u64; 4] = std::array::from_fn(|client| met.iter().map(|of_home| of_home[client]).sum());
    println!("of {KILLS} kills met a sender, a noter, an enabler, an installer: {times:?}");
    assert!(times.iter().all(|times| *times > KILLS / 40), "{times:?}");
}
