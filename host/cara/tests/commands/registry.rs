//! Push, install, update and roll back through a real registry.
//!
//! Debian's `docker-registry`, had once with `apt-get download` and unpacked below the target folder; where that cannot
//! be done the test says so and passes.

use super::home::Home;
use super::watch::watch;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program, if it can be had.
fn program() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docker-registry");
    let program = folder.join("usr/bin/docker-registry");
    if !program.exists() {
        std::fs::create_dir_all(&folder).ok()?;
        let script = "apt-get download docker-registry && dpkg -x docker-registry_*.deb .";
        let done = Command::new("sh").args(["-c", script]).current_dir(&folder).output().ok()?;
        done.status.success().then_some(())?;
    }
    program.exists().then_some(program)
}

/// A running registry, ended by its id when dropped.
struct Registry {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = folder.path().join("storage");
        // The system chooses the port; the registry says which it was in its log.
        let configuration = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n",
            storage.display()
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let port = log.find_map(|line| {
            let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
        });
        // Read on, or the registry stops when the pipe is full.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, port: port.expect("the registry says where it listens"), _folder: folder }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_component_goes_through_a_registry_and_back() {
    let Some(program) = program() else {
        println!("skipped: `docker-registry` cannot be had with `apt-get download` here");
        return;
    };
    let registry = Registry::start(&program);
    let (home, key) = Home::trusting();
    let tagged = format!("oci://127.0.0.1:{}/acme/watch:stable", registry.port);
    let release = |version: &str| {
        let file = home.signed("watch.wasm", &watch(version, &[]), &key);
        home.ok(&["plugin", "push", &file, &tagged]).trim().to_owned()
    };
    let version = || {
        home.json(&["plugin", "list", "--json"]).as_array().unwrap().iter().find(|row| row["id"] == "watch").unwrap()["version"].clone()
    };
    let first = release("1.0.0");
    home.ok(&["plugin", "install", &tagged, "--yes"]);
    assert_eq!(version(), "1.0.0");
    let second = release("1.1.0");
    assert_ne!(first, second, "the tag moved");
    home.ok(&["plugin", "update"]);
    assert_eq!(version(), "1.1.0");
    home.ok(&["plugin", "rollback", "watch"]);
    assert_eq!(version(), "1.0.0");
    // A pin holds, wherever the tag went.
    let pinned = format!("oci://127.0.0.1:{}/acme/watch@{first}", registry.port);
    let reviewed = home.json(&["plugin", "review", &pinned, "--json"]);
    assert_eq!((&reviewed["version"], &reviewed["signer"]["name"]), (&"1.0.0".into(), &"acme".into()));
    let wrong = format!("oci://127.0.0.1:{}/acme/watch:stable@sha256:{}", registry.port, "0".repeat(64));
    assert!(home.fails(&["plugin", "install", &wrong, "--yes"]).contains("MANIFEST_UNKNOWN"));
}
