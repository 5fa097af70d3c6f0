//! `cara audit anchor`: an old copy of the whole ledger that is put back is
//! noticed.
//!
//! A copy of the home has the keys of its chain as well: whoever puts it back breaks no hash. What shows it is a line that
//! is kept elsewhere.

use super::doors::Holder;
use super::home::{Home, text};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A home, and a folder elsewhere for its anchors.
struct Kept {
    home: Home,
    elsewhere: TempDir,
}

impl Kept {
    fn new() -> Self {
        Self { home: Home::new(), elsewhere: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.elsewhere.path().join("anchors.jsonl")
    }

    fn anchor(&self) -> String {
        self.home.notes(&["audit", "anchor", "--file", self.file().to_str().unwrap()])
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.file(), lines.join("\n") + "\n").unwrap();
    }

    fn verified(&self) -> String {
        self.home.ok(&["audit", "verify", "--anchor", self.file().to_str().unwrap()])
    }

    #[track_caller]
    fn refused(&self) -> String {
        let told = self.home.fails(&["audit", "verify", "--anchor", self.file().to_str().unwrap()]);
        // By itself the ledger is whole: nothing but the anchor tells.
        self.home.ok(&["audit", "verify"]);
        assert!(told.contains("\nhint: "), "{told}");
        told
    }

    /// Two more events.
    fn goes_on(&self) {
        self.home.ok(&["tools", "enable", "memory"]);
        self.home.ok(&["tools", "disable", "memory"]);
    }
}

/// The files of a home's ledger, as they are now.
fn copied(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let names = ["ledger.db", "ledger.db-wal", "ledger.db-shm"].map(|name| home.path(name));
    names.into_iter().filter_map(|path| fs::read(&path).ok().map(|bytes| (path, bytes))).collect()
}

fn put_back(home: &Home, copy: &[(PathBuf, Vec<u8>)]) {
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(home.path(name));
    }
    for (path, bytes) in copy {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn an_old_copy_of_the_ledger_that_is_put_back_is_noticed_and_so_is_one_that_went_on_from_there() {
    let kept = Kept::new();
    kept.goes_on();
    let told = kept.anchor();
    assert!(told.contains("event 2 is anchored: "), "{told}");
    let old = copied(&kept.home);
    kept.goes_on();
    kept.anchor();
    let verified = kept.verified();
    assert!(
        verified.starts_with("4 events: ok\n") && verified.contains("anchors: 2 ok; the newest of event 4"),
        "{verified}"
    );

    put_back(&kept.home, &old);
    let told = kept.refused();
    assert!(told.contains("the ledger ends with event 2, and event 4 was there at 20"), "{told}");
    assert!(told.contains("an older copy of the ledger was put back"), "{told}");
    // Nothing is anchored over it: the next line would hide what happened.
    let before = kept.lines();
    let told = kept.home.fails(&["audit", "anchor", "--file", kept.file().to_str().unwrap()]);
    assert!(told.contains("the ledger ends with event 2"), "{told}");
    assert_eq!(kept.lines(), before);

    // As many events, and other ones.
    kept.goes_on();
    kept.goes_on();
    let told = kept.refused();
    assert!(told.contains("event 4 of the ledger is not the one that was there at 20"), "{told}");
    assert!(told.contains("went on from there"), "{told}");
    let json = kept.home.run(&["audit", "verify", "--anchor", kept.file().to_str().unwrap(), "--json"]);
    assert_eq!(json.status.code(), Some(1));
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap()["ok"], false);
}

#[test]
fn a_line_that_the_home_did_not_write_is_named() {
    let kept = Kept::new();
    kept.goes_on();
    kept.anchor();
    let old = copied(&kept.home);
    kept.goes_on();
    kept.anchor();
    let lines = kept.lines();
    let old_head: Value = serde_json::from_str(&lines[0]).unwrap();

    // Whoever put the old copy back makes the newest line fit to it.
    put_back(&kept.home, &old);
    let mut forged: Value = serde_json::from_str(&lines[1]).unwrap();
    (forged["seq"], forged["hash"]) = (old_head["seq"].clone(), old_head["hash"].clone());
    kept.write(&[lines[0].clone(), forged.to_string()]);
    assert!(kept.refused().contains("line 2 of the anchors was changed: this home did not sign what it says"));
    // Another time, another signature, another home.
    for (key, value, told) in [
        ("at-ms", Value::from(1), "line 1 of the anchors was changed"),
        ("signature", Value::from("AAAA"), "line 1 of the anchors was changed"),
        ("home", Value::from("0".repeat(64)), "line 1 of the anchors is of home `000000"),
        ("more", Value::from(1), "line 1 of the anchors is no anchor"),
        ("seq", Value::from("\u{202e}2"), "line 1 of the anchors is no anchor"),
    ] {
        let mut forged = old_head.clone();
        forged[key] = value;
        kept.write(&[forged.to_string()]);
        let said = kept.refused();
        assert!(said.contains(told) && !said.contains('\u{202e}'), "{said}");
    }
    // What a crash left of a line is named, and the next line does not join it.
    fs::write(kept.file(), format!("{}\n{}", lines[0], &lines[0][..20])).unwrap();
    assert!(kept.refused().contains("line 2 of the anchors is no anchor"));
    fs::write(kept.file(), &lines[0]).unwrap();
    kept.anchor();
    assert_eq!((kept.lines().len(), kept.lines()[0] == lines[0]), (2, true));
    assert!(kept.verified().contains("anchors: 2 ok"));
    fs::write(kept.file(), "\n").unwrap();
    assert!(kept.refused().contains("there is no anchor in it"));

    let other = Kept::new();
    other.goes_on();
    other.write(&lines[..1]);
    assert!(other.refused().contains("this home has no key that signs any"));
    fs::remove_file(other.file()).unwrap();
    other.anchor();
    other.write(&lines[..1]);
    assert!(other.refused().contains("line 1 of the anchors is of home `"));
}

#[test]
fn an_anchor_in_the_home_or_nowhere_is_refused() {
    let kept = Kept::new();
    let inside = kept.home.path("anchors");
    let told = kept.home.fails(&["audit", "anchor", "--file", inside.to_str().unwrap()]);
    assert!(told.contains("would be put back together with the ledger\nhint: "), "{told}");
    std::os::unix::fs::symlink(kept.home.path("keys"), kept.elsewhere.path().join("led")).unwrap();
    let led = kept.elsewhere.path().join("led/anchors");
    assert!(
        kept.home.fails(&["audit", "anchor", "--file", led.to_str().unwrap()]).contains("together with the ledger")
    );
    assert!(kept.home.fails(&["audit", "anchor"]).contains("nowhere to anchor the audit log\nhint: "));
    let (link, folder) = (kept.elsewhere.path().join("link"), kept.elsewhere.path().join("folder"));
    std::os::unix::fs::symlink(kept.home.path("anchors"), &link).unwrap();
    fs::create_dir(&folder).unwrap();
    for place in [link, folder] {
        let told = kept.home.fails(&["audit", "anchor", "--file", place.to_str().unwrap()]);
        assert!(told.contains("is a link, or no plain file\nhint: ") && !inside.exists(), "{told}");
    }
    let gone = kept.elsewhere.path().join("no/anchors");
    assert!(
        kept.home
            .fails(&["audit", "anchor", "--file", gone.to_str().unwrap()])
            .contains("no folder to keep anchors in")
    );
    for url in ["http://example.com/", "http://10.0.0.1/", "https://127.0.0.1.example.com@x/", "ftp://x/"] {
        let told = kept.home.fails(&["audit", "anchor", "--url", url]);
        assert!(told.contains("`audit.anchor.url`"), "{told}");
    }
}

/// A server that keeps what it is sent, and answers with these statuses in turn.
fn server(statuses: &'static [u16]) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/anchors?token=not-shown", listener.local_addr().unwrap());
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (stream, status) in listener.incoming().zip(statuses) {
            let (mut stream, mut request, mut part) = (stream.unwrap(), String::new(), [0; 4096]);
            let length = |request: &str| {
                let (head, body) = request.split_once("\r\n\r\n")?;
                let length: usize =
                    head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
                (body.len() >= length).then(|| body.to_owned())
            };
            let body = loop {
                if let Some(body) = length(&request) {
                    break body;
                }
                let read = stream.read(&mut part).unwrap();
                assert!(read > 0, "half a request:\n{request}");
                request.push_str(&text(&part[..read]));
            };
            sender.send(body).unwrap();
            write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (url, received)
}

#[test]
fn a_url_gets_the_line_and_what_it_kept_tells_an_old_copy() {
    let kept = Kept::new();
    let (url, received) = server(&[204, 500]);
    kept.goes_on();
    let old = copied(&kept.home);
    kept.goes_on();
    let told = kept.home.notes(&["audit", "anchor", "--url", &url]);
    assert!(told.contains("event 4 is anchored: http://127.0.0.1:") && !told.contains("not-shown"), "{told}");
    kept.write(&[received.recv().unwrap()]);
    assert!(kept.verified().contains("anchors: 1 ok"));
    let told = kept.home.fails(&["audit", "anchor", "--url", &url]);
    assert!(told.contains("answered 500 to the anchor\nhint: ") && !told.contains("not-shown"), "{told}");
    put_back(&kept.home, &old);
    assert!(kept.refused().contains("an older copy of the ledger was put back"));
}

/// The status of a daemon, once it is as wanted.
#[track_caller]
fn status(home: &Home, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let status: Value = serde_json::from_slice(&home.run(&["status", "--json"]).stdout).unwrap_or_default();
        if wanted(&status["anchored"]) {
            return status;
        }
        assert!(Instant::now() < until, "{status:#}");
    }
}

fn health(home: &Home) -> Value {
    let mut stream = std::os::unix::net::UnixStream::connect(home.path("cara.sock")).unwrap();
    stream.write_all(b"GET /control/v1/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn the_daemon_anchors_by_itself_and_says_when_the_ledger_was_put_back() {
    let kept = Kept::new();
    let shown = |file: &Path| format!("[audit.anchor]\nfile = \"{}\"\nevery = \"10m\"\n", file.display());
    kept.home.configure(&shown(&kept.file()));
    // A file that is not there may be on a disk that is not: the daemon begins none.
    let mut holder = Holder::of(&kept.home);
    let told = status(&kept.home, |anchored| !anchored["problem"].is_null());
    assert!(told["anchored"]["problem"]["message"].as_str().unwrap().contains("is not there"), "{told:#}");
    kept.home.ok(&["audit", "anchor"]);
    status(&kept.home, |anchored| anchored["problem"].is_null());
    kept.home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    let begun = kept.lines().len();
    kept.goes_on();
    let old = copied(&kept.home);
    let mut holder = Holder::of(&kept.home);
    let anchored = status(&kept.home, |anchored| anchored["seq"] == 2);
    assert_eq!(anchored["anchored"]["problem"], Value::Null);
    assert!(kept.home.ok(&["status"]).contains("anchored     event 2, 20"));
    // What happened since is anchored when it ends.
    kept.goes_on();
    kept.home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    let lines = kept.lines();
    assert_eq!(lines.len(), begun + 2, "{lines:?}");
    assert!(kept.verified().contains("the newest of event 4"));

    put_back(&kept.home, &old);
    let mut holder = Holder::of(&kept.home);
    let told = status(&kept.home, |anchored| !anchored["problem"].is_null());
    let told = told["anchored"]["problem"]["message"].as_str().unwrap().to_owned();
    assert!(told.contains("an older copy of the ledger was put back"), "{told}");
    let health = health(&kept.home);
    assert_eq!(health["condition"], "degraded");
    let parts = health["parts"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["name"] == "audit anchor" && part["why"].to_string().contains("older copy")));
    let log = fs::read_to_string(kept.home.path("logs/cara.log")).unwrap();
    assert!(log.contains("the audit log is not anchored"), "{log}");
    kept.home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    assert_eq!(kept.lines(), lines);
}

#[test]
fn a_configuration_of_anchors_that_does_nothing_is_refused() {
    let home = Home::new();
    for (table, told) in [
        ("every = \"5m\"", "counts only with `audit.anchor.file`"),
        ("file = \"anchors\"", "write its whole path"),
        ("file = \"/tmp/a\"\nevery = \"30s\"", "shorter than a minute"),
        ("log = \"https://log.example\"", "`audit.anchor.file`, which keeps the log's proof, is not"),
        ("file = \"/tmp/a\"\nlog = \"http://log.example\"", "`audit.anchor.log`"),
        ("url = \"http://example.com/\"", "`audit.anchor.url`"),
    ] {
        home.configure(&format!("[audit.anchor]\n{table}\n"));
        let said = home.fails(&["config", "check"]);
        assert!(said.contains(told) && said.contains("hint: "), "{said}");
    }
}

#[test]
fn a_file_that_is_too_large_to_compare_and_a_log_that_nothing_proves_are_refused() {
    let kept = Kept::new();
    let large = kept.elsewhere.path().join("large");
    fs::File::create(&large).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    let told = kept.home.fails(&["audit", "verify", "--anchor", large.to_str().unwrap()]);
    assert!(told.contains("is too large\nhint: name a file of at most 16777216 bytes"), "{told}");
    let file = kept.file();
    let log = ["audit", "anchor", "--file", file.to_str().unwrap(), "--log", "https://log.example.com"];
    let told = kept.home.fails(&log);
    assert!(told.contains("no Sigstore instance is trusted, so nothing proves its log\nhint: "), "{told}");
    // The file has its line all the same, and no proof in it.
    let lines = kept.lines();
    assert!(lines.len() == 1 && !lines[0].contains("bundle"), "{lines:?}");
}
