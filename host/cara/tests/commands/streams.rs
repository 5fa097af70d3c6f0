//! Standard output that is full, and readers who have read enough.

use super::home::{CLOCK, HELLO, Home, text};
use std::fs::OpenOptions;
use std::process::Output;

/// A script whose answer is refused by the model, or empty.
fn ends(stop: &str, said: &str) -> String {
    format!("[[turn]]\nstep = [{{ text = \"{said}\" }}, {{ stop = \"{stop}\" }}]\n")
}

impl Home {
    /// Runs it where every write fails, as on a full disk.
    fn on_a_full_disk(&self, arguments: &[&str]) -> Output {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        self.command(arguments).stdout(full).output().unwrap()
    }

    /// Runs it for a reader who is gone before it begins.
    fn unread(&self, arguments: &[&str]) -> Output {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command(arguments).stdout(writer).output().unwrap()
    }
}

#[test]
fn an_empty_message_is_not_sent() {
    let home = Home::new();
    for message in ["", " \n", "-"] {
        let refused = home.run(&["chat", "--model", "rehearsal", "--message", message]);
        assert_eq!(refused.status.code(), Some(1), "{message:?}");
        assert!(text(&refused.stderr).starts_with("error: the message is empty\nhint: "), "{}", text(&refused.stderr));
    }
    assert_eq!(home.json(&["sessions", "list", "--json"]).as_array().unwrap().len(), 0);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    home.chat(HELLO, "hi", &[]);
    let session = home.session();
    let secret = home.path("me.pem");
    for arguments in [
        &["sessions", "export", &session][..],
        &["sessions", "list"],
        &["plugin", "list"],
        &["plugin", "keygen", "me", "--file", secret.to_str().unwrap()],
        &["tools", "list", "--json"],
        &["completion", "bash"],
        &["--help"],
        &["plugin", "--help"],
        &["--version"],
    ] {
        let output = home.on_a_full_disk(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("error: standard output cannot be written") && told.contains("hint:"), "{told}");
    }
    // The key was made, and its public part can be had again.
    assert!(home.ok(&["plugin", "pubkey", secret.to_str().unwrap()]).contains("BEGIN PUBLIC KEY"));
}

#[test]
fn a_closed_pipe_ends_the_output_quietly() {
    let home = Home::new();
    home.chat(HELLO, "hi", &[]);
    let session = home.session();
    for arguments in [
        &["completion", "bash"][..],
        &["--help"],
        &["plugin", "list"],
        &["tools", "list", "--json"],
        &["sessions", "export", &session],
        &["sessions", "show", &session],
    ] {
        let output = home.unread(arguments);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{arguments:?}");
    }
    // Nobody reads an answer that is still being made, so it is not made.
    let script = home.write("script.toml", HELLO.as_bytes());
    let chat = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"];
    let output = home.unread(&chat);
    assert!(matches!(output.status.code(), Some(0 | 141)), "{:?} {}", output.status, text(&output.stderr));
    assert!(!text(&output.stderr).contains("panicked"));
    // Notes are nobody's either.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = home.command(&["tools", "enable", "memory"]).stderr(writer).output().unwrap();
    assert!(output.status.success());
}

#[test]
fn what_is_told_of_tools_is_not_in_the_answer_of_a_pipe() {
    let home = Home::new();
    let script = home.write("script.toml", CLOCK.as_bytes());
    let chat = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "how late is it?"];
    let output = home.run(&chat);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("It is late."), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("▸ time_now"), "{}", text(&output.stderr));
}

#[test]
fn a_refused_or_an_empty_answer_is_said_and_is_no_success() {
    let home = Home::new();
    for (script, told) in [
        (ends("refused", "I cannot do that."), "the model declined to answer"),
        (ends("complete", ""), "the model gave an empty answer"),
    ] {
        let script = home.write("script.toml", script.as_bytes());
        let chat = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "hi"];
        let refused = home.fails(&chat);
        assert!(refused.contains(told), "{refused}");
        assert_eq!(home.run(&[&chat[..], &["--json"]].concat()).status.code(), Some(1), "{told}");
    }
}
