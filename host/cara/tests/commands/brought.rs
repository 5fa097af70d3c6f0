//! What one terminal's environment brings counts for its own conversation,
//! whoever holds the home.

use super::doors::Holder;
use super::home::{Home, text};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

const PASSWORD: &str = "correct horse";

/// A server that takes no key; the keys that it was sent.
struct Server {
    url: String,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys: Arc<Mutex<Vec<String>>> = Arc::default();
        let sent = keys.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let key = refuse(stream.unwrap());
                sent.lock().unwrap().push(key);
            }
        });
        Self { url, keys }
    }

    /// The keys since the last look.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.keys.lock().unwrap())
    }
}

fn refuse(mut stream: TcpStream) -> String {
    let (mut request, mut part) = (String::new(), [0; 4096]);
    let whole = |request: &str| {
        let (head, body) = request.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        (body.len() >= length.parse().unwrap()).then_some(())
    };
    while whole(&request).is_none() {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "half a request:\n{request}");
        request.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let body = "{\"error\":{\"message\":\"no\"}}";
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("authorization: "));
    key.unwrap_or("none").to_owned()
}

/// A message from a terminal with these variables.
fn says_hello(home: &Home, variables: &[(&str, &str)]) -> Output {
    let mut command = home.command(&["chat", "--model", "openai:gpt-5", "-m", "hello"]);
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn what_one_terminal_brings_moves_no_key_and_no_address_of_another() {
    let (home, configured, moved) = (Home::new(), Server::new(), Server::new());
    home.configure(&format!("[component.openai.settings]\nbase-url = \"{}\"", configured.url));
    let mut store = home.command(&["secrets", "set", "openai"]);
    let mut store = store.env("CARA_VAULT_PASSWORD", PASSWORD).stdin(Stdio::piped()).spawn().unwrap();
    store.stdin.take().unwrap().write_all(b"sk-of-the-vault").unwrap();
    assert!(store.wait().unwrap().success());
    let mut holder = home.command(&["start"]);
    let _holder = Holder::begun(&home, holder.env("CARA_VAULT_PASSWORD", PASSWORD));
    let (url, key) = (("OPENAI_BASE_URL", moved.url.as_str()), ("OPENAI_API_KEY", "sk-of-a-terminal"));
    says_hello(&home, &[key]);
    assert_eq!((configured.taken(), moved.taken()), (vec!["Bearer sk-of-a-terminal".to_owned()], vec![]));
    // And nowhere else.
    says_hello(&home, &[]);
    assert_eq!((configured.taken(), moved.taken()), (vec!["Bearer sk-of-the-vault".to_owned()], vec![]));
    // An address of its own gets a key of its own.
    says_hello(&home, &[url, key]);
    assert_eq!((configured.taken(), moved.taken()), (vec![], vec!["Bearer sk-of-a-terminal".to_owned()]));
    says_hello(&home, &[]);
    assert_eq!((configured.taken(), moved.taken()), (vec!["Bearer sk-of-the-vault".to_owned()], vec![]));
    // What is stored does not go where a terminal's environment says.
    let said = text(&says_hello(&home, &[url]).stderr);
    assert_eq!((configured.taken(), moved.taken()), (vec![], vec!["none".to_owned()]));
    assert!(said.contains("secret `openai/api-key` is not sent: OPENAI_BASE_URL of this terminal"), "{said}");
}

#[test]
fn for_a_key_that_is_not_sent_no_password_is_asked_and_the_conversation_keeps_its_model() {
    let (home, moved) = (Home::new(), Server::new());
    let mut store = home.command(&["secrets", "set", "openai"]);
    let mut store = store.env("CARA_VAULT_PASSWORD", PASSWORD).stdin(Stdio::piped()).spawn().unwrap();
    store.stdin.take().unwrap().write_all(b"sk-of-the-vault").unwrap();
    assert!(store.wait().unwrap().success());
    // Nobody is there who could type it: what needed the vault would be refused.
    let url = ("OPENAI_BASE_URL", moved.url.as_str());
    let said = text(&says_hello(&home, &[url]).stderr);
    assert_eq!(moved.taken(), ["none"], "{said}");
    assert_eq!(said.matches("secret `openai/api-key` is not sent").count(), 1, "{said}");
    let cure = "set OPENAI_API_KEY to a key for that address; or unset OPENAI_BASE_URL and name the address with \
                `cara config set component.openai.settings.base-url URL`";
    assert!(said.contains(&format!("says where to\nhint: {cure}")), "{said}");
    assert!(said.contains("hint: no key was sent: OPENAI_BASE_URL of this terminal names the address"), "{said}");
    // The one answer failed, and the model stays.
    let mut again = home.command(&["chat", "-c", "-m", "and on"]);
    let again = again.env(url.0, url.1).output().unwrap();
    assert_eq!((again.status.code(), moved.taken()), (Some(1), vec!["none".to_owned()]), "{}", text(&again.stderr));
    // A fork of it too.
    let fork = home.ok(&["sessions", "fork", &home.session()]);
    let mut again = home.command(&["chat", "--session", fork.trim(), "-m", "and on"]);
    again.env(url.0, url.1).output().unwrap();
    assert_eq!(moved.taken(), ["none"]);
}

#[test]
fn an_address_that_a_terminal_names_counts_for_its_own_requests_and_is_granted_to_nobody() {
    let (home, moved) = (Home::new(), Server::new());
    let (url, key) = (("OPENAI_BASE_URL", moved.url.as_str()), ("OPENAI_API_KEY", "sk-of-a-terminal"));
    let origin = &moved.url;
    for _ in 0..2 {
        let said = text(&says_hello(&home, &[url, key]).stderr);
        assert_eq!(moved.taken(), ["Bearer sk-of-a-terminal"]);
        assert!(
            said.contains(&format!("`openai` sends to {origin}, as OPENAI_BASE_URL of this terminal says")),
            "{said}"
        );
        let granted = home.ok(&["grants", "openai"]);
        assert!(granted.contains("environment OPENAI_BASE_URL") && !granted.contains(origin.as_str()), "{granted}");
    }
}

#[test]
fn where_a_variable_leads_is_said_of_what_has_no_key_and_of_tools_and_stands_in_the_audit_log() {
    let (home, near, far) = (Home::new(), Server::new(), Server::new());
    let says = |arguments: &[&str], url: (&str, &str)| {
        text(&home.command(&[&["chat", "-m", "hello"], arguments].concat()).env(url.0, url.1).output().unwrap().stderr)
    };
    says(&["--model", "ollama:llama3"], ("OLLAMA_HOST", &near.url));
    let said = says(&["--continue"], ("OLLAMA_HOST", &far.url));
    assert!(said.contains(&format!("`ollama` sends to {}, as OLLAMA_HOST of this terminal says", far.url)), "{said}");
    assert!(!far.taken().is_empty());
    home.ok(&["tools", "enable", "search"]);
    let said = says(&["--model", "rehearsal"], ("SEARXNG_URL", &far.url));
    assert!(said.contains(&format!("`search` sends to {}, as SEARXNG_URL of this terminal says", far.url)), "{said}");
    let log = home.ok(&["audit", "show", "--json"]);
    for to in [&near.url, &far.url] {
        assert!(log.contains("address-from-environment") && log.contains(to.as_str()), "{log}");
    }
}

/// A model that searches once.
const SEARCH: &str = r#"
[[turn]]
step = [{ tool-call = { name = "web_search", arguments = { query = "the seat" } } }]
[[turn]]
step = [{ text = "Done." }]
"#;

#[test]
fn a_yes_counts_for_the_server_that_was_shown_and_for_no_other() {
    let (mut home, shown, other) = (Home::new(), Server::new(), Server::new());
    home.configure("[[policy.rule]]\ntool = \"web_search\"\nthen = \"ask\"");
    home.ok(&["tools", "enable", "search"]);
    home.set("SEARXNG_URL", &shown.url);
    let talking = home.begin_chat(SEARCH, "which seat?", &[]);
    let asked = home.waiting();
    let id = asked["id"].as_str().unwrap();
    let told = home.ok(&["approvals", "show", id]);
    assert!(told.contains(&shown.url), "{told}");
    talking.kill();
    home.ok(&["approvals", "allow", id]);
    home.set("SEARXNG_URL", &other.url);
    let script = home.write("search.toml", SEARCH.as_bytes());
    let session = home.session();
    let said =
        home.run(&["chat", "--session", &session, "--model", "rehearsal:script", "--script", &script, "-m", "and?"]);
    assert_eq!((shown.taken(), other.taken()), (vec![], vec![]), "{}", text(&said.stderr));
}

#[test]
fn what_one_terminal_calls_a_key_is_taken_out_of_no_other_texts() {
    let home = Home::new();
    let _holder = Holder::of(&home);
    let says = |variables: &[(&str, &str)]| {
        let mut command = home.command(&["chat", "--model", "rehearsal", "-m", "hello"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let told = says(&[("BRAVE_API_KEY", "offline stand-in")]);
    assert!(told.contains("[secret]") && !told.contains("offline stand-in"), "{told}");
    let told = says(&[]);
    assert!(told.contains("offline stand-in") && !told.contains("[secret]"), "{told}");
}
