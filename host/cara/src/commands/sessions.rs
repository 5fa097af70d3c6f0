//! `cara sessions`: the conversations that are kept.

use super::transcript::{self, Transcript};
use crate::boot::Cara;
use crate::cli::{ExportFormat, Sessions};
use crate::{layout, prompt, show, when};
use anyhow::{Result, anyhow, bail};
use cara_assistant::part::{Body, Part};
use cara_assistant::text::harmless;
use cara_authority::{Label, SessionId};
use cara_records::{Records, RunState, Session};
use cara_services::files;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// The longest title, characters.
const TITLE: usize = 200;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, sessions: Sessions) -> Result<ExitCode> {
    match sessions {
        Sessions::List { all, limit, json } => list(cara, if all { u32::MAX } else { limit }, json).await?,
        Sessions::Show { id, json } => {
            let transcript = Transcript::read(cara, &id).await?;
            if json { layout::json(&transcript)? } else { transcript.print() }
        }
        Sessions::Export { id, format, output } => export(cara, &id, format, output.as_deref()).await?,
        Sessions::Delete { id, yes } => return delete(cara, &id, yes).await,
        Sessions::Fork { id, upto } => fork(cara, &id, upto).await?,
        Sessions::Rename { id, title } => rename(cara, &id, &title).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The session, or an error that says how to find one.
pub(super) async fn find(records: &Records, id: &SessionId) -> Result<Session> {
    let found = records.session(id).await?;
    found.ok_or_else(|| anyhow!("there is no session `{id}`\nhint: `cara sessions list` shows them"))
}

/// How far a run is: one whose process died is interrupted, whatever the ledger says.
pub(super) fn state(cara: &Cara, state: RunState, process: &str) -> Result<RunState> {
    let dead = state == RunState::Running && !cara.process.lives(&cara.home, process)?;
    Ok(if dead { RunState::Interrupted } else { state })
}

/// The sessions in which a run has not ended, and how far it is.
async fn open_runs(cara: &Cara, records: &Records) -> Result<BTreeMap<SessionId, RunState>> {
    let mut open = BTreeMap::new();
    for run in records.unfinished_runs().await? {
        let now = state(cara, run.state, &run.process)?;
        let known = open.entry(run.session).or_insert(now);
        if now == RunState::Running {
            *known = now;
        }
    }
    Ok(open)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    id: String,
    title: String,
    agent: String,
    channel: String,
    person: String,
    messages: u64,
    label: Label,
    began_ms: u64,
    changed_ms: u64,
    parent: Option<String>,
    /// `running` or `interrupted`; nothing when every run ended.
    state: Option<&'static str>,
}

async fn list(cara: &Cara, limit: u32, json: bool) -> Result<()> {
    let records = cara.records().await?;
    let open = open_runs(cara, records).await?;
    let sessions = records.recent_sessions(None, limit).await?;
    let rows: Vec<Row> = sessions
        .into_iter()
        .map(|session| Row {
            state: open.get(&session.id).map(|state| state.name()),
            id: session.id.to_string(),
            title: session.title,
            agent: session.agent,
            channel: session.channel,
            person: session.person.to_string(),
            messages: session.messages,
            label: session.label,
            began_ms: session.began_ms,
            changed_ms: session.changed_ms,
            parent: session.parent.map(|parent| parent.to_string()),
        })
        .collect();
    if json {
        return layout::json(&rows);
    }
    if rows.is_empty() {
        show::note("no conversation is kept yet; `cara chat` begins one");
        return Ok(());
    }
    let cells = rows.into_iter().map(|row| {
        let (agent, channel) = (layout::cut(&row.agent, 20), layout::cut(&row.channel, 20));
        let (state, changed) = (row.state.unwrap_or("-").to_owned(), when::minute(row.changed_ms));
        let title = layout::cut(&row.title, 60);
        vec![row.id, changed, row.messages.to_string(), state, agent, channel, row.label.to_string(), title]
    });
    let head = ["ID", "CHANGED", "MESSAGES", "STATE", "AGENT", "CHANNEL", "LABEL", "TITLE"];
    show::table(&head, &cells.collect::<Vec<_>>());
    Ok(())
}

async fn export(cara: &Cara, id: &SessionId, format: ExportFormat, output: Option<&Path>) -> Result<()> {
    let transcript = Transcript::read(cara, id).await?;
    let text = match format {
        ExportFormat::Json => layout::plain_json(&transcript)?,
        ExportFormat::Markdown => transcript::markdown(&transcript),
    };
    let Some(path) = output else {
        // A file is data; a terminal acts on nothing.
        if std::io::stdout().is_terminal() {
            show::line(&harmless(text.trim_end()))
        } else {
            show::line(text.trim_end())
        }
        return Ok(());
    };
    let shown = path.display();
    if !files::create_private(path, format!("{}\n", text.trim_end()).as_bytes())? {
        bail!("`{shown}` exists already and is not replaced\nhint: name another file, or remove this one");
    }
    show::note(&format!("wrote session `{id}` to `{shown}`"));
    Ok(())
}

async fn delete(cara: &Cara, id: &SessionId, yes: bool) -> Result<ExitCode> {
    let records = cara.records().await?;
    let session = find(records, id).await?;
    if open_runs(cara, records).await?.get(id) == Some(&RunState::Running) {
        bail!("session `{id}` is in use by another process\nhint: end that one first");
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("session `{id}` was not deleted: there is no terminal to ask on\nhint: to delete it, add `--yes`");
        }
        let title = layout::cut(&session.title, 60);
        let question = format!("delete session `{id}` ({title}), {} messages? [y/N] ", session.messages);
        if !tokio::task::spawn_blocking(move || prompt::agreed(&question)).await?? {
            show::note("nothing was deleted");
            return Ok(ExitCode::FAILURE);
        }
    }
    if !records.delete_session(id).await? {
        bail!("there is no session `{id}` any more\nhint: `cara sessions list` shows them");
    }
    show::note(&format!("deleted session `{id}` with {} messages", session.messages));
    Ok(ExitCode::SUCCESS)
}

async fn fork(cara: &Cara, id: &SessionId, upto: Option<u64>) -> Result<()> {
    let records = cara.records().await?;
    let session = find(records, id).await?;
    let last = session.messages;
    let upto = upto.unwrap_or(last);
    if upto == 0 || upto > last {
        bail!("session `{id}` has no message {upto}\nhint: it has messages 1 to {last}");
    }
    // Providers refuse a call without its result.
    if let Some(message) = records.messages(id, upto, 1).await?.first() {
        let parts: Vec<Part> = serde_json::from_value(message.body.clone()).unwrap_or_default();
        if parts.iter().any(|part| matches!(part.body, Body::ToolCall { .. })) {
            let before = upto - 1;
            bail!(
                "message {upto} of session `{id}` calls tools, and their results come after it\nhint: fork at {before} or {}",
                upto + 1
            );
        }
    }
    let fork = records.fork_session(id, upto).await?;
    show::line(fork.as_str());
    show::note(&format!("messages 1 to {upto} of `{id}` are in it; `cara chat --session {fork}` goes on"));
    Ok(())
}

async fn rename(cara: &Cara, id: &SessionId, title: &str) -> Result<()> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > TITLE || title.chars().any(char::is_control) {
        bail!("that is not a title\nhint: write one line of 1 to {TITLE} characters");
    }
    let records = cara.records().await?;
    find(records, id).await?;
    records.rename_session(id, title).await?;
    show::note(&format!("session `{id}` is now `{title}`"));
    Ok(())
}
