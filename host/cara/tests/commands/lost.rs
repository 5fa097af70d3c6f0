//! Answers that are lost on their way to the process that holds the home, or
//! whose effect is lost on the way back.

use super::doors::Holder;
use super::home::{Home, REMEMBER};
use super::terminal::Terminal;
use std::fs::{Permissions, rename, set_permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stands between a holder and its clients. The first answer to a request for approval never arrives; the second does, and
/// nobody hears that it did.
fn losing(home: &Home) -> Arc<AtomicUsize> {
    let (socket, behind) = (home.path("cara.sock"), home.path("behind.sock"));
    rename(&socket, &behind).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
    let answers = Arc::new(AtomicUsize::new(0));
    let seen = answers.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, holder, seen) = (client.unwrap(), UnixStream::connect(&behind).unwrap(), seen.clone());
            std::thread::spawn(move || pass(client, holder, &seen));
        }
    });
    answers
}

fn pass(mut client: UnixStream, mut holder: UnixStream, answers: &AtomicUsize) {
    let (mut to, mut from) = (client.try_clone().unwrap(), holder.try_clone().unwrap());
    let lost = Arc::new(AtomicUsize::new(usize::MAX));
    let lose = lost.clone();
    let back = std::thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut part) {
            if lose.load(Ordering::SeqCst) == 1 || to.write_all(&part[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let mut part = [0; 65536];
    while let Ok(read @ 1..) = client.read(&mut part) {
        if part[..read].windows(27).any(|bytes| bytes == b"POST /control/v1/approvals/") {
            lost.store(answers.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        }
        if lost.load(Ordering::SeqCst) == 0 || holder.write_all(&part[..read]).is_err() {
            break;
        }
    }
    let _ = holder.shutdown(std::net::Shutdown::Both);
    let _ = client.shutdown(std::net::Shutdown::Both);
    back.join().unwrap();
}

#[test]
fn an_answer_that_is_lost_on_its_way_is_given_all_the_same_and_once() {
    let home = Home::new();
    home.ok(&["tools", "enable", "memory"]);
    let script = home.script(REMEMBER);
    let _holder = Holder::of(&home);
    let answers = losing(&home);
    let chat = ["chat", "--model", "rehearsal:script", "--script", &script, "--message", "the window seat"];
    let mut session = Terminal::new().starts(home.command(&chat));
    session.until("allow?");
    session.types("y\n");
    session.until("Noted.");
    assert!(session.ends().0.success());
    assert_eq!(answers.load(Ordering::SeqCst), 3);
    let call = home.json(&["explain", "last", "--json"])["calls"][0].clone();
    assert_eq!((call["state"].as_str(), call["approval"]["by"].as_str()), (Some("done"), Some("prompt")), "{call}");
}
