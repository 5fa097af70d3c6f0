//! Where the daemon listens: as configured, while that changes, and not where
//! others could reach what is not protected.

use super::doors::Holder;
use super::home::{Home, text};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// How the daemon is reached, once that is as wanted.
#[track_caller]
fn reached(home: &Home, wanted: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let status: Value = serde_json::from_slice(&home.run(&["status", "--json"]).stdout).unwrap_or_default();
        let reachable = status["reachable"].clone();
        if wanted(&reachable) {
            return reachable;
        }
        assert!(since.elapsed() < PATIENCE, "{reachable:#}");
    }
}

fn listens(reachable: &Value) -> bool {
    reachable["listening"].as_array().is_some_and(|all| !all.is_empty())
}

fn address(reachable: &Value) -> String {
    reachable["listening"][0].as_str().unwrap().to_owned()
}

/// Where the daemon of a home listens, once it does.
pub(crate) fn listening(home: &Home) -> String {
    address(&reached(home, listens))
}

/// What a request without anything in it is answered with.
fn asked(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /control/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const SOMEWHERE: &str = "[gateway]\nlisten = [\"127.0.0.1:0\"]";

#[test]
fn a_daemon_says_where_it_listens_and_lets_nobody_in_whom_it_does_not_know() {
    let home = Home::new();
    home.configure(SOMEWHERE);
    let _holder = Holder::of(&home);
    let reachable = reached(&home, listens);
    let address = address(&reachable);
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
    assert!(asked(&address).starts_with("HTTP/1.1 401"), "{}", asked(&address));
    assert!(home.ok(&["status"]).contains(&format!("listens      {address}")));
}

#[test]
fn what_others_could_reach_is_not_opened_without_tls_and_a_credential() {
    let home = Home::new();
    let listens_at = |address: &str, more: &str| {
        home.configure(&format!("[gateway]\nlisten = [\"{address}\"]\n{more}"));
        home.fails(&["start"])
    };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let told = listens_at(address, "");
        assert!(told.contains("nothing is encrypted") && told.contains("hint: "), "{told}");
        let told = listens_at(address, "tls.mode = \"self-signed\"");
        assert!(told.contains("nobody has a credential") && told.contains("hint: "), "{told}");
    }
    home.configure("");
    assert!(home.fails(&["start", "--listen", "0.0.0.0:0"]).contains("nothing is encrypted"));
    assert!(home.fails(&["start", "--listen", "everywhere"]).contains("no address with a port"));
    assert!(home.fails(&["config", "set", "gateway.listen", "[\"0.0.0.0:1\"]"]).contains("nothing is encrypted"));
}

#[test]
fn an_address_that_is_taken_is_told_with_its_cure() {
    let (home, other) = (Home::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = other.local_addr().unwrap().to_string();
    let told = home.fails(&["start", "--listen", &address]);
    assert!(told.contains(&format!("cannot listen at `{address}`: another program has the address")), "{told}");
    assert!(told.contains("hint: `ss -ltnp"), "{told}");
    // In the background it is told as well.
    let told = home.fails(&["start", "--detach", "--listen", &address]);
    assert!(told.contains("ended at once: cara cannot listen at") && told.contains("hint: `ss -ltnp"), "{told}");
}

#[test]
fn a_change_of_the_configuration_opens_and_closes_and_a_bad_one_does_neither() {
    let home = Home::new();
    home.configure(SOMEWHERE);
    let _holder = Holder::of(&home);
    let first = address(&reached(&home, listens));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    // One that cannot be opened: all stays.
    home.configure(&format!("[gateway]\nlisten = [\"{taken}\"]"));
    let reachable = reached(&home, |reachable| !reachable["problems"][0].is_null());
    assert_eq!(address(&reachable), first);
    assert!(reachable["problems"][0].as_str().unwrap().contains("another program has the address"));
    assert!(asked(&first).starts_with("HTTP/1.1 401"));
    assert!(home.ok(&["status"]).contains("problem "));
    // Free by now: it takes the place of the first.
    drop(other);
    home.configure(&format!("[gateway]\nlisten = [\"{taken}\", \"127.0.0.1:0\"]"));
    let reachable = reached(&home, |reachable| reachable["listening"].as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(reachable["problems"], Value::Array(Vec::new()));
    assert!(asked(&taken.to_string()).starts_with("HTTP/1.1 401"));
    home.configure("[gateway]\nlisten = []");
    reached(&home, |reachable| !reachable.is_null() && !listens(reachable));
    let since = Instant::now();
    while TcpStream::connect(taken).is_ok() {
        assert!(since.elapsed() < PATIENCE);
    }
}

#[test]
fn a_certificate_that_signs_itself_is_made_once_and_its_fingerprint_is_told() {
    let home = Home::new();
    home.configure(&format!("{SOMEWHERE}\ntls.mode = \"self-signed\""));
    home.ok(&["start", "--detach"]);
    let reachable = reached(&home, listens);
    let fingerprint = reachable["certificate"]["fingerprint"].as_str().unwrap().to_owned();
    assert!(fingerprint.len() == 64 && home.ok(&["tls", "show"]).contains(&fingerprint));
    let mode = |name: &str| std::fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls"), mode("tls/self-signed.key")), (0o700, 0o600));
    home.ok(&["stop"]);
    assert!(home.notes(&["start", "--detach"]).contains(&fingerprint));
    // Another name needs another certificate.
    home.configure(&format!("{SOMEWHERE}\ntls = {{ mode = \"self-signed\", names = [\"cara.example\"] }}"));
    let other = |reachable: &Value| reachable["certificate"]["fingerprint"] != fingerprint.as_str();
    reached(&home, other);
    home.ok(&["stop"]);
}

#[test]
fn the_authority_of_a_home_signs_what_the_daemon_shows_and_its_key_is_in_the_vault() {
    let mut home = Home::new();
    home.set("CARA_VAULT_PASSWORD", "correct horse");
    home.configure(&format!("{SOMEWHERE}\ntls.mode = \"ca\""));
    assert!(home.fails(&["start"]).contains("`cara tls init-ca` makes it"));
    home.ok(&["tls", "init-ca"]);
    let holder = Holder::of(&home);
    let first = reached(&home, listens)["certificate"]["fingerprint"].clone();
    home.ok(&["tls", "issue", "gateway"]);
    reached(&home, |reachable| reachable["certificate"]["fingerprint"] != first);
    drop(holder);
    let issued = home.json(&["tls", "list", "--json"]);
    assert_eq!(issued.as_array().unwrap().len(), 2);
    // The one in use is replaced, not revoked; the one before can be.
    assert!(home.fails(&["tls", "revoke", "gateway"]).contains("hint: `cara tls issue gateway`"));
    home.ok(&["tls", "revoke", issued[0]["serial"].as_str().unwrap()]);
    let kept = std::fs::read_dir(home.path("tls")).unwrap().map(|entry| entry.unwrap().file_name());
    let kept: Vec<String> =
        kept.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".key")).collect();
    assert_eq!(kept, ["gateway.key"], "the key of the authority is in no file");
}

#[test]
fn a_certificate_of_the_authority_that_lacks_a_name_is_issued_anew_once_the_vault_is_open() {
    let mut home = Home::new();
    home.set("CARA_VAULT_PASSWORD", "correct horse");
    home.configure(&format!("{SOMEWHERE}\ntls.mode = \"ca\""));
    home.ok(&["tls", "init-ca"]);
    home.configure(&format!("{SOMEWHERE}\ntls = {{ mode = \"ca\", names = [\"cara.example\"] }}"));
    home.set("CARA_VAULT_PASSWORD", "");
    let _holder = Holder::of(&home);
    let reachable = reached(&home, listens);
    let problem = reachable["problems"][0].as_str().unwrap_or_default();
    assert!(problem.contains("not for `cara.example`\nhint: `cara tls issue gateway`"), "{reachable}");
    home.set("CARA_VAULT_PASSWORD", "correct horse");
    home.ok(&["secrets", "unlock"]);
    let other = reached(&home, |other| other["certificate"]["fingerprint"] != reachable["certificate"]["fingerprint"]);
    assert_eq!(other["problems"], Value::Array(Vec::new()));
    assert_eq!(home.json(&["tls", "list", "--json"]).as_array().unwrap().len(), 2);
}

#[test]
fn a_daemon_that_stops_lets_go_of_its_address() {
    let home = Home::new();
    home.configure(SOMEWHERE);
    let mut holder = Holder::of(&home);
    let first = address(&reached(&home, listens));
    let mut idle = TcpStream::connect(&first).unwrap();
    home.ok(&["stop"]);
    assert!(holder.0.wait().unwrap().success());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    let again = home.command(&["start", "--listen", &first]).spawn().unwrap();
    let _again = Holder(again);
    assert_eq!(address(&reached(&home, listens)), first);
    assert!(text(asked(&first).as_bytes()).starts_with("HTTP/1.1 401"));
}

/// What testssl.sh says of any certificate that no authority of the web signed, and of none of ours to be revoked there.
const OF_OWN_AUTHORITY: [&str; 4] = ["cert_chain_of_trust", "cert_revocation", "cert_trust", "cert_extlifeSpan"];

/// Takes minutes; installs nothing.
#[test]
#[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
fn testssl_finds_nothing_above_low() {
    let there = std::process::Command::new("testssl").arg("--version").output().is_ok();
    if std::env::var_os("CARA_TESTSSL").is_none() || !there {
        println!("skipped\nhint: install `testssl.sh` from Debian, and run it with CARA_TESTSSL=1");
        return;
    }
    for versions in ["self-signed", "ca"] {
        let mut home = Home::new();
        home.set("CARA_VAULT_PASSWORD", "correct horse");
        home.configure(&format!("{SOMEWHERE}\ntls.mode = \"{versions}\""));
        home.ok(&["tls", "init-ca"]);
        let _holder = Holder::of(&home);
        let address = address(&reached(&home, listens));
        let found = home.path("found.json");
        let mut looking = std::process::Command::new("testssl");
        looking.args(["--quiet", "--color", "0", "--warnings", "off", "--severity", "MEDIUM", "--jsonfile"]);
        looking.arg(&found).arg(&address).current_dir(home.path("")).output().unwrap();
        let found: Value = serde_json::from_slice(&std::fs::read(&found).unwrap()).unwrap();
        let is_ours = |id: &str| OF_OWN_AUTHORITY.iter().any(|known| id.starts_with(known));
        let found = found.as_array().unwrap().iter().filter(|one| !is_ours(one["id"].as_str().unwrap_or_default()));
        let found: Vec<&Value> = found.collect();
        assert!(found.is_empty(), "{versions}: {found:#?}");
    }
}
