//! Schemathesis, by the document of the control API, against the door over
//! TCP: no answer fails on the side of the server, none is other than the
//! document says.
//!
//! It makes requests that fit the document and requests that do not, by a fixed seed, and judges each answer.

use super::installed::{is_on, python, run};
use super::served::{Door, Served};
use std::path::Path;
use std::process::Command;

/// What is installed from PyPI.
const PACKAGES: [&str; 1] = ["schemathesis==4.32.5"];

/// What answers may take how long, in seconds: a debug build, on a machine that does other things.
const PATIENCE: &str = "30";

/// Operations that write a file wherever they are told, whose answer has no end while nobody ends it, or that end the daemon.
const APART: [&str; 4] = ["audit.anchor", "changes.follow", "events.follow", "stop"];

/// Operations with which a request takes away what the others stand on: the token, and the settings of the gate.
const LAST: [&str; 5] = ["config.replace", "config.set", "config.unset", "tokens.revoke", "tokens.rotate"];

/// How a home is, that the attempts of Schemathesis to come in without a token are no guesses.
const CONFIG: &str = "[vault]\nstore = 'file'\n[gateway.access.attempts]\nper-source = 1000\nin-all = 1000";

/// Has these operations judged; how many were.
async fn judged(choice: Vec<String>) -> usize {
    let served = Served::with(CONFIG).await;
    let door = served.door().await;
    let document = served.home.path().join("api.json");
    std::fs::write(&document, cara_gateway::document().to_string()).unwrap();
    let mut command = judge(&door, &document);
    command.args(choice).current_dir(served.home.path());
    let told = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    // The home is as good as before, and the token too.
    let mut ready = Command::new("curl");
    ready.args(["-sf", &format!("{}/control/v1/ready", door.url("http")), "-H"]).env("NO_PROXY", "*");
    ready.arg(format!("Authorization: Bearer {}", door.token));
    let ready = tokio::task::spawn_blocking(move || ready.status()).await.unwrap().unwrap();
    assert!(ready.success(), "{told}");
    door.close().await;
    let tested = told.lines().find_map(|line| line.trim().strip_prefix("Tested: ")).unwrap_or_else(|| panic!("{told}"));
    tested.parse().unwrap()
}

/// How answers are judged. That all that fits the document is done, no document can promise: there is no person of any name.
fn judge(door: &Door, document: &Path) -> Command {
    let mut command = Command::new(python("schemathesis", &PACKAGES).join("st"));
    command.arg("run").arg(document).args(["--url", &door.url("http"), "--no-color"]);
    command.args(["--header", &format!("Authorization: Bearer {}", door.token)]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--continue-on-failure"]);
    command.args(["--generation-deterministic", "--request-timeout", PATIENCE]);
    command.args(["--suppress-health-check", "all", "--warnings", "off"]);
    command.args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"]).env("NO_PROXY", "*");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_answer_other_than_the_document_says() {
    if !is_on() {
        return;
    }
    let but = |name: &&str| ["--exclude-operation-id".to_owned(), (*name).to_owned()];
    let only = |name: &&str| ["--include-operation-id".to_owned(), (*name).to_owned()];
    let most = judged(APART.iter().chain(&LAST).flat_map(but).collect());
    let (most, last) = tokio::join!(most, judged(LAST.iter().flat_map(only).collect()));
    let all = cara_control::operations().len();
    assert_eq!((most + APART.len() + last, last), (all, LAST.len()), "each operation was judged");
}
