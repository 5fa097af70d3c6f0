//! One turn of the agent loop, with everything it writes to disk,
//! beside what it cannot do without.

use crate::Counts;
use crate::samples::timed_in_turns;
use crate::table::{Aim, Row, Unit};
use anyhow::{Result, anyhow, ensure};
use cara_assistant::Input;
use cara_assistant::LanguageModel;
use cara_assistant::part::{Part, Role, label_of};
use cara_authority::Source;
use cara_harness::assistant::{Fixture, Heard, Judge, Reply, Scripted};
use cara_harness::{Subject, Testbed};
use cara_records::{NewMessage, RunState};
use serde_json::json;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Turns of one conversation in one sample.
const TURNS: usize = 20;

/// Calls of the run that calls tools.
const CALLS: usize = 20;

/// The tool that is called, and with what.
const TOOL: (&str, &str) = ("math_evaluate", r#"{"expression":"6 * 7"}"#);

/// The component it belongs to.
const COMPONENT: &str = "math";

/// Measures all of it.
pub(crate) async fn measure(counts: Counts) -> Result<Vec<Row>> {
    Ok(vec![turn(counts).await?, write(counts).await?, calls(counts).await?])
}

/// A turn with a model in memory, so that only ours is measured, beside a bare call of a provider in its sandbox.
async fn turn(counts: Counts) -> Result<Row> {
    let fixture = Fixture::new().await;
    let language_model: Arc<dyn LanguageModel> = Arc::new(Scripted::new(|_, _| Reply::says("forty-two")));
    let subject = Testbed::new().await.first_party("rehearsal").load();
    let (fixture, language_model, subject) = (&fixture, &language_model, &subject);
    let ours = || async move {
        let mut session = fixture.session("bench").await;
        for _ in 0..TURNS {
            answered(fixture, &mut session, language_model).await?;
        }
        Ok(())
    };
    let floor = || async move {
        for _ in 0..TURNS {
            let text = subject.complete("builtin").await.text();
            ensure!(!text.is_empty(), "the stand-in said nothing");
        }
        Ok(())
    };
    let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
    Ok(Row {
        name: "turn: the loop's own share, durable".into(),
        against: "a bare provider call",
        ours: ours.each(TURNS),
        floor: floor.each(TURNS),
        unit: Unit::Time,
        aim: Aim::Below(2e-3),
    })
}

async fn answered(
    fixture: &Fixture,
    session: &mut cara_assistant::Session,
    language_model: &Arc<dyn LanguageModel>,
) -> Result<()> {
    let run_context = Heard::default().run_context(Judge::denying());
    let ended =
        fixture.assistant.run(session, language_model, Input::typed("what is six times seven?"), run_context).await;
    ended.map(drop).map_err(|failure| anyhow!("{failure}"))
}

/// A message written to the ledger, beside an append of as many bytes that is synced.
async fn write(counts: Counts) -> Result<Row> {
    let fixture = Fixture::new().await;
    let session = fixture.session("bench").await;
    let parts = [Part::text(Source::Owner, "what is six times seven, and how do you know?".repeat(10))];
    let body = serde_json::to_value(&parts)?;
    let bytes = body.to_string().into_bytes();
    let message = NewMessage { role: Role::User, body, label: label_of(&parts), speaker: None };
    let answer = NewMessage { role: Role::Assistant, ..message.clone() };
    let file = Mutex::new(tempfile::tempfile_in(fixture.testbed.home())?);
    let (records, id, file, bytes) = (&fixture.assistant.records, session.id(), &file, &bytes);
    let (message, answer) = (&message, std::slice::from_ref(&answer));
    let ours = || async move {
        for _ in 0..TURNS {
            let run = records.begin_run(id, "bench", message).await?;
            records.end_run(&run, answer, RunState::Done, None, &[]).await?;
        }
        Ok(())
    };
    let floor = || async move {
        let mut file = file.lock().await;
        for _ in 0..2 * TURNS {
            file.seek(SeekFrom::End(0))?;
            file.write_all(bytes)?;
            file.sync_data()?;
        }
        Ok(())
    };
    let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
    Ok(Row {
        name: "ledger: one message, encrypted, durable".into(),
        against: "an append and fdatasync of as many bytes",
        ours: ours.each(2 * TURNS),
        floor: floor.each(2 * TURNS),
        unit: Unit::Time,
        aim: Aim::None,
    })
}

/// A run of twenty tool calls, beside twenty bare calls of that tool.
async fn calls(counts: Counts) -> Result<Row> {
    let fixture = Fixture::new().await;
    let script = |asked: usize, _: &_| {
        if asked % 2 == 1 {
            return Reply::says("done");
        }
        (0..CALLS).fold(Reply::default(), |reply, _| reply.and(TOOL.0, TOOL.1))
    };
    let language_model: Arc<dyn LanguageModel> = Arc::new(Scripted::new(script));
    let subject = Testbed::new().await.first_party(COMPONENT).load();
    let (fixture, language_model, subject) = (&fixture, &language_model, &subject);
    let ours = || async move {
        let mut session = fixture.session("bench").await;
        answered(fixture, &mut session, language_model).await
    };
    let floor = || async move {
        for _ in 0..CALLS {
            bare(subject).await?;
        }
        Ok(())
    };
    let (ours, floor) = timed_in_turns(counts.samples, ours, floor).await?;
    Ok(Row {
        name: format!("run: {CALLS} tool calls, decided, recorded, made"),
        against: "as many bare calls of the tool",
        ours,
        floor,
        unit: Unit::Time,
        aim: Aim::None,
    })
}

async fn bare(subject: &Subject) -> Result<()> {
    let told = subject.tool(TOOL.0, json!({ "expression": "6 * 7" })).await?;
    ensure!(told.text().contains("42"), "six times seven is not {}", told.text());
    Ok(())
}
