//! A vault that is locked when a conversation begins.
//!
//! Its password is asked for on the terminal before a tool is called, and nothing of it is read twice.

use super::doors::Holder;
use super::home::{Home, text};
use super::packages::remade;
use super::terminal::{TWO, Terminal};
use std::fs::{Permissions, set_permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const PASSWORD: &str = "correct horse";

/// A search engine on this machine that finds nothing; the keys it was given.
fn engine() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys: Arc<Mutex<Vec<String>>> = Arc::default();
    let given = keys.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let key = answer(stream.unwrap());
            given.lock().unwrap().push(key);
        }
    });
    (url, keys)
}

fn answer(mut stream: TcpStream) -> String {
    let (mut head, mut part) = (String::new(), [0; 4096]);
    while !head.contains("\r\n\r\n") {
        let read = stream.read(&mut part).unwrap();
        head.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let body = "{\"results\":[]}";
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("x-subscription-token: "));
    key.unwrap_or("none").to_owned()
}

/// The same command as the first one of a session of its own, so that a password can be asked for on its terminal.
fn leading(command: &Command) -> Command {
    let mut leading = Command::new("/usr/bin/setsid");
    leading.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args()).env_clear();
    leading.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    leading
}

#[test]
fn the_vaults_password_is_asked_for_before_a_tool_is_called_and_no_value_is_read_twice() {
    let (home, key) = Home::trusting();
    let (url, keys) = engine();
    home.configure(&format!("[component.seeker.settings]\nengine = \"searxng\"\nsearxng-url = \"{url}\""));
    home.ok(&["plugin", "disable", "search"]);
    let seeker = remade("search", |manifest| {
        manifest.insert("id".into(), "seeker".into());
        let own: toml::Value = vec!["{setting:searxng-url}"].into();
        manifest["http"].as_array_mut().unwrap().retain(|place| place["host"].as_str() == own[0].as_str());
        let secrets = manifest["secret"].as_array_mut().unwrap();
        secrets.retain(|secret| secret["name"].as_str() == Some("brave-key"));
        secrets[0].as_table_mut().unwrap().insert("audience".into(), own.clone());
    });
    let file = home.signed("seeker.wasm", &seeker, &key);
    home.ok(&["plugin", "install", &file, "--yes"]);
    let mut store = home.command(&["secrets", "set", "seeker/brave-key"]);
    let mut store = store.env("CARA_VAULT_PASSWORD", PASSWORD).stdin(Stdio::piped()).spawn().unwrap();
    store.stdin.take().unwrap().write_all(b"the-stored-key").unwrap();
    assert!(store.wait().unwrap().success());

    let search = "[[turn]]\nstep = [{ tool-call = { name = \"web_search\", arguments = { query = \"x\" } } }]\n";
    let script = home.write("script.toml", TWO.replace("[[turn]]", &format!("{search}[[turn]]")).as_bytes());
    let mut command = home.command(&["chat", "--model", "rehearsal:script", "--script", &script]);
    command.env("TERM", "xterm");
    let mut session = Terminal::new().starts(leading(&command));
    let before = session.until("Password of ");
    assert!(!before.contains("web_search"), "{before}");
    session.types(&format!("{PASSWORD}\n"));
    session.until("› ");
    session.types("Find it\r");
    session.until("Hello.");
    // Whoever reads the file again is refused: it is open to others now.
    let vault = home.path("vault/vault.json");
    set_permissions(&vault, Permissions::from_mode(0o644)).unwrap();
    session.until("› ");
    session.types("Find it again\r");
    let rest = session.until("Again.");
    assert!(!rest.contains("Password"), "{rest}");
    session.types("/exit\r");
    assert!(session.ends().0.success());
    assert_eq!(*keys.lock().unwrap(), ["the-stored-key", "the-stored-key"]);
}

#[test]
fn nothing_is_written_over_the_question_for_the_password() {
    let home = Home::new();
    let sealed = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("CARA_VAULT_PASSWORD", PASSWORD);
        command
    };
    let output = sealed(&["secrets", "seal"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let holder = Holder::begun(&home, &mut sealed(&["start"]));
    let script = home.write("script.toml", TWO.as_bytes());
    let mut command = home.command(&["chat", "--model", "rehearsal:script", "--script", &script]);
    command.env("TERM", "xterm");
    let mut session = Terminal::new().starts(leading(&command));
    session.until("› ");
    drop(holder);
    // The chat takes the home, and its vault is locked there.
    session.types("Hello\r");
    session.until("Password of ");
    // Nobody sends: so long a spinner would have been drawn several times.
    let (_quiet, nobody) = std::sync::mpsc::channel::<()>();
    let _ = nobody.recv_timeout(std::time::Duration::from_millis(1500));
    session.types(&format!("{PASSWORD}\n"));
    let between = session.until("Hello.");
    let (asked, _) = between.split_once('\n').unwrap();
    assert!(!asked.contains("waiting for"), "{between}");
    session.until("› ");
    session.types("/exit\r");
    assert!(session.ends().0.success());
}
