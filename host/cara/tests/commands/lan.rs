//! Servers off this machine that are neither public nor `https`: each by a
//! grant that names it, and servers that refuse a key or have no such model.

use super::home::Home;
use std::io::{Read, Write};
use std::net::TcpListener;

/// An address that nothing listens at; a private one is not connected to in any of these tests.
const LAN: &str = "http://10.0.0.5:11434";

#[test]
fn a_server_in_the_network_is_named_by_its_variable_and_opened_by_a_grant_that_says_so() {
    let mut home = Home::new();
    home.set("OLLAMA_HOST", "10.0.0.5");
    let found = home.notes(&["chat", "--message", "help"]);
    let command = format!("cara grant ollama {LAN} --plain --private");
    assert!(found.contains(&command) && found.contains("if you trust that server"), "{found}");
    let named = home.fails(&["models", "--model", "ollama"]);
    assert!(
        named.contains(&format!("component `ollama` may not reach `{LAN}`")) && named.contains(&command),
        "{named}"
    );
    let granted = home.ok(&["grants", "ollama"]);
    assert!(!granted.contains("plain") && !granted.contains("private"), "naming it opens nothing: {granted}");

    let half = home.fails(&["grant", "ollama", LAN, "--plain"]);
    assert!(half.contains("the address is private (RFC 1918)") && half.contains("--private"), "{half}");
    home.ok(&["grant", "ollama", LAN, "--plain", "--private"]);
    let granted = home.ok(&["grants", "ollama"]);
    for what in ["http", "plain", "private"] {
        assert!(granted.contains(&format!("{what} {LAN}")), "{granted}");
    }
    let audit = home.json(&["audit", "show", "--kind", "grant", "--json"]).to_string();
    assert!(audit.contains(&format!("plain {LAN}")) && audit.contains(&format!("private {LAN}")), "{audit}");
    let review = home.ok(&["plugin", "review", "ollama"]);
    assert!(review.contains("you granted `plain") && review.contains("read and changed on the way"), "{review}");

    // What is taken away with it does not come back when the provider is named again.
    home.ok(&["revoke", "ollama", LAN]);
    let granted = home.ok(&["grants", "ollama"]);
    assert!(!granted.contains(LAN), "{granted}");
    assert!(home.fails(&["models", "--model", "ollama"]).contains(&command));
}

#[test]
fn a_server_that_listens_everywhere_is_asked_on_this_machine() {
    let mut home = Home::new();
    home.set("OLLAMA_HOST", "0.0.0.0");
    let error = home.fails(&["models", "--model", "ollama"]);
    assert!(error.contains("http://127.0.0.1:11434") && !error.contains("0.0.0.0"), "{error}");
    let granted = home.ok(&["grants", "ollama"]);
    assert!(granted.contains("http http://127.0.0.1:11434") && !granted.contains("0.0.0.0"), "{granted}");
}

#[test]
fn a_grant_opens_only_what_a_component_could_ask_for_and_what_may_be_opened() {
    let home = Home::new();
    for (arguments, why) in [
        (&["grant", "fetch", "http://10.0.0.5", "--plain", "--private"][..], "does not ask for"),
        (&["grant", "ollama", "http://169.254.169.254", "--plain", "--private"], "link-local"),
        (&["grant", "ollama", "http://127.0.0.1:9", "--private"], "is on this machine"),
        (&["grant", "ollama", "https://10.0.0.5", "--plain", "--private"], "is not plain HTTP"),
        (&["grant", "ollama", "http://8.8.8.8", "--plain", "--private"], "which was not granted as private"),
        (&["grant", "ollama", "http://169.254.169.254"], "no grant opens it"),
        (&["grant", "memory", "memory", "--private"], "are about an address"),
        (&["grant", "ollama", "private https://*"], "does not ask for `private https://*`"),
    ] {
        let error = home.fails(arguments);
        assert!(error.contains(why) && error.contains("hint: "), "{arguments:?}: {error}");
    }
    assert!(home.notes(&["grants", "ollama"]).contains("nothing is granted"));
}

/// A vendor on this machine that has one model, and answers each question with this status and error.
fn vendor(status: &'static str, error: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head, mut part) = (stream.unwrap(), String::new(), [0; 65536]);
            while !head.contains("\r\n\r\n") {
                let read = stream.read(&mut part).unwrap();
                head.push_str(&String::from_utf8_lossy(&part[..read]));
            }
            let models = "{\"data\":[{\"id\":\"gpt-5\"},{\"id\":\"o9\"}]}";
            let (status, body) = if head.starts_with("GET") { ("200 OK", models) } else { (status, error) };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn a_refused_key_is_named_by_where_it_came_from_and_never_shown() {
    let mut home = Home::new();
    let url = vendor(
        "401 Unauthorized",
        "{\"error\":{\"message\":\"Incorrect API key provided\",\"type\":\"invalid_request_error\"}}",
    );
    home.configure(&format!("[component.openai.settings]\nbase-url = \"{url}\""));
    let message = ["chat", "--model", "openai:gpt-5", "--message", "hi"];
    let error = home.fails(&message);
    assert!(
        error.contains(
            "hint: no key was sent, since there is none: `cara secrets set openai/api-key` to store one, or `export"
        ),
        "{error}"
    );
    home.set("OPENAI_API_KEY", "sk-canary-of-the-variable");
    let error = home.fails(&message);
    assert!(error.contains("401: Incorrect API key provided"), "{error}");
    assert!(error.contains("the environment variable OPENAI_API_KEY") && !error.contains("canary"), "{error}");

    home.set("OPENAI_API_KEY", "");
    home.set("CARA_VAULT_PASSWORD", "correct horse");
    home.set("CARA_VAULT_NEW_PASSWORD", "correct horse");
    let mut set = home.command(&["secrets", "set", "openai"]);
    let mut set = set.stdin(std::process::Stdio::piped()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(b"sk-canary-of-the-vault\n").unwrap();
    assert!(set.wait().unwrap().success());
    let error = home.fails(&message);
    assert!(error.contains("the stored secret `openai/api-key`; `cara secrets set openai/api-key`"), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn a_model_that_a_server_has_not_is_told_with_those_of_like_names() {
    let mut home = Home::new();
    let url = vendor(
        "404 Not Found",
        "{\"error\":{\"message\":\"The model does not exist\",\"type\":\"invalid_request_error\"}}",
    );
    home.configure(&format!("[component.openai.settings]\nbase-url = \"{url}\""));
    home.set("OPENAI_API_KEY", "sk-canary");
    let error = home.fails(&["chat", "--model", "openai:gpt-55", "--message", "hi"]);
    assert!(error.contains("404: The model does not exist"), "{error}");
    assert!(error.contains("did you mean `openai:gpt-5`? `cara models --model openai`"), "{error}");
    assert!(!error.contains("\\n"), "{error}");
}

#[test]
fn a_stored_key_in_a_message_is_not_sent() {
    let mut home = Home::new();
    let url = vendor("500 Internal Server Error", "{}");
    home.configure(&format!("[component.openai.settings]\nbase-url = \"{url}\""));
    home.set("OPENAI_API_KEY", "sk-canary-of-the-variable");
    let error =
        home.fails(&["chat", "--model", "openai:gpt-5", "--message", "is sk-canary-of-the-variable a good key?"]);
    assert!(error.contains("your message contains the value of secret `openai/api-key`; it was not sent"), "{error}");
    assert!(!error.contains("canary"), "{error}");
    let listed = home.json(&["sessions", "list", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 0, "{listed}");
}
