//! What a home costs in which much was said: its start and its memory, beside
//! an empty one.

use crate::Counts;
use crate::daemon::Daemon;
use crate::door::{application, told};
use crate::process::{ASK, cara, command, first_byte};
use crate::samples::{Samples, in_turns};
use crate::table::{Aim, Row, Unit};
use anyhow::Result;
use cara_assistant::part::{Part, label_of};
use cara_authority::{PersonId, Source};
use cara_records::{NewConversation, NewMessage, Role, RunState};
use cara_services::files;
use std::path::Path;

/// How much more a home may cost in which much was said.
const FLAT: f64 = 1.1;

/// Fills a home with conversations, each of which has an address, a question and an answer.
async fn fill(home: &Path, sessions: usize) -> Result<()> {
    let (application, _) = application(home)?;
    let records = application.records().await.map_err(told)?;
    let said = |role, text: &str| {
        let parts = [Part::text(Source::Owner, text.repeat(10))];
        let label = label_of(&parts);
        serde_json::to_value(&parts).map(|body| NewMessage { role, body, label, speaker: None })
    };
    let (asks, answer) = (said(Role::User, "what is six times seven? ")?, said(Role::Assistant, "forty-two ")?);
    let person = PersonId::owner();
    for number in 0..sessions {
        let (key, title) = (format!("bench {number}"), format!("conversation {number}"));
        let new = NewConversation { key: &key, person: &person, channel: "chat", agent: "main", title: &title };
        let session = records.begin_conversation(&new).await?;
        let run = records.begin_run(&session, "a bench", &asks).await?;
        records.end_run(&run, std::slice::from_ref(&answer), RunState::Done, None, &[]).await?;
    }
    application.close().await;
    Ok(())
}

/// Measures both.
pub(crate) fn measure(counts: Counts, runtime: &tokio::runtime::Runtime) -> Result<Vec<Row>> {
    let (cara, full, empty) = (cara()?, tempfile::tempdir()?, tempfile::tempdir()?);
    for home in [&full, &empty] {
        // Everything is compiled, and the keys are made.
        files::ensure_private_dir(&home.path().join("cara"))?;
        std::fs::write(home.path().join("cara/config.toml"), "[vault]\nstore = \"file\"\n")?;
        let mut ask = command(&cara, home.path());
        ask.args(ASK);
        first_byte(ask)?;
    }
    runtime.block_on(fill(&full.path().join("cara"), counts.sessions))?;
    let start = |home: &Path| Ok(Daemon::start(&cara, home)?.ready);
    let (ours, floor) = in_turns(counts.starts, || start(full.path()), || start(empty.path()))?;
    let row = |name: &str, ours, floor, unit| {
        let name = format!("sessions: {name}, {} conversations", counts.sessions);
        Row { name, against: "the same in an empty home", ours, floor, unit, aim: Aim::Times(FLAT) }
    };
    let mut rows = vec![row("exec to ready", ours, floor, Unit::Time)];
    if cfg!(target_os = "linux") {
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..counts.cold {
            ours.push(after_an_answer(&cara, full.path())?);
            floor.push(after_an_answer(&cara, empty.path())?);
        }
        rows.push(row("memory after an answer", Samples::new(ours), Samples::new(floor), Unit::Memory));
    }
    Ok(rows)
}

/// Bytes that are resident after an answer.
fn after_an_answer(cara: &Path, home: &Path) -> Result<f64> {
    let daemon = Daemon::start(cara, home)?;
    let mut ask = command(cara, home);
    ask.args(ASK);
    first_byte(ask)?;
    daemon.memory()
}
