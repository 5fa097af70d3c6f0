//! `cara audit`: what was done, and whether the log of it is whole.

use crate::boot::Cara;
use crate::cli::Audit;
use crate::{layout, show, when};
use anyhow::Result;
use cara_records::{Event, events};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, audit: Audit) -> Result<ExitCode> {
    match audit {
        Audit::Show { limit, kind, json } => show_events(cara, limit, kind.as_deref(), json).await,
        Audit::Verify { json } => verify(cara, json).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    seq: u64,
    at_ms: u64,
    kind: String,
    subject: String,
    detail: Value,
}

impl From<Event> for Row {
    fn from(Event { seq, at_ms, kind, subject, detail }: Event) -> Self {
        Self { seq, at_ms, kind, subject, detail }
    }
}

async fn show_events(cara: &Cara, limit: u32, kind: Option<&str>, json: bool) -> Result<ExitCode> {
    let all = events(&cara.ledger, if kind.is_some() { u32::MAX } else { limit }).await?;
    let kinds: BTreeSet<String> = all.iter().map(|event| event.kind.clone()).collect();
    let wanted = all.into_iter().filter(|event| kind.is_none_or(|kind| event.kind == kind));
    let rows: Vec<Row> = wanted.take(limit as usize).map(Row::from).collect();
    if json {
        layout::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        let kinds = kinds.into_iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        show::note(&match (kind, kinds.is_empty()) {
            (_, true) => "nothing was done yet".to_owned(),
            (kind, false) => format!("no event is of kind `{}`; there are {kinds}", kind.unwrap_or_default()),
        });
        return Ok(ExitCode::SUCCESS);
    }
    for row in &rows {
        let subject = layout::cut(&row.subject, layout::WIDTH);
        layout::paragraph(0, &format!("{:>5}  {}  {}  {subject}", row.seq, when::second(row.at_ms), row.kind));
        for (name, value) in row.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            layout::field(7, name, &value);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Verified {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

async fn verify(cara: &Cara, json: bool) -> Result<ExitCode> {
    match cara.ledger.verify_events().await {
        Ok(count) if json => layout::json(&Verified { ok: true, events: Some(count), problem: None })?,
        Ok(count) => show::line(&format!("{count} events: ok")),
        Err(problem) if json => {
            layout::json(&Verified { ok: false, events: None, problem: Some(problem.to_string()) })?;
            return Ok(ExitCode::FAILURE);
        }
        Err(problem) => return Err(problem.into()),
    }
    Ok(ExitCode::SUCCESS)
}
