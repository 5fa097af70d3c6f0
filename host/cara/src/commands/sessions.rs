//! `cara sessions`: the conversations that are kept.

use crate::cli::Sessions;
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::{Result, bail};
use cara_assistant::text::harmless;
use cara_control::sessions::{
    DeleteSession, ForkSession, Format, FoundIn, FoundSession, FoundSessions, ListSessions, PinSession, RenameSession,
    SearchSessions, SessionRow, ShowSession, Stopped,
};
use cara_control::{AGENT, CONSOLE};
use cara_services::files;
use cara_terminal::prompt;
use std::io::IsTerminal;
use std::path::Path;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, sessions: Sessions) -> Result<()> {
    match sessions {
        Sessions::List { all, limit } => {
            door.emit(output, ListSessions { limit: if all { u32::MAX } else { limit } }).await?;
        }
        Sessions::Show { id } => drop(door.emit(output, ShowSession { id: id.to_string() }).await?),
        Sessions::Export { id, format, output } => export(door, id.as_str(), format, output.as_deref()).await?,
        Sessions::Delete { id, yes } => delete(door, output, id.as_str(), yes).await?,
        Sessions::Fork { id, upto } => {
            let forked = door.call(ForkSession { id: id.to_string(), upto }).await?;
            if output.json {
                layout::json(&forked)?;
            } else {
                let (fork, upto) = (&forked.id, forked.messages);
                show::line(fork);
                show::note(&format!("messages 1 to {upto} of `{id}` are in it; `cara chat --session {fork}` goes on"));
            }
        }
        Sessions::Rename { id, title } => {
            let title = title.trim().to_owned();
            let done = door.call(RenameSession { id: id.to_string(), title: title.clone() }).await?;
            output.done(&done, &format!("session `{id}` is now `{title}`"))?;
        }
        Sessions::Pin { id } => {
            let done = door.call(PinSession { id: id.to_string(), pinned: true }).await?;
            output.done(&done, &format!("session `{id}` is pinned"))?;
        }
        Sessions::Unpin { id } => {
            let done = door.call(PinSession { id: id.to_string(), pinned: false }).await?;
            output.done(&done, &format!("session `{id}` is not pinned any more"))?;
        }
        Sessions::Search { words, limit } => {
            door.emit(output, SearchSessions { words: words.join(" "), limit }).await?;
        }
    }
    Ok(())
}

impl Show for Vec<SessionRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("no conversation is kept yet; `cara chat` begins one");
        }
        // What is the same for all of them says nothing.
        let agent = self.iter().any(|row| row.agent != AGENT);
        let channel = self.iter().any(|row| row.channel != CONSOLE);
        let state = self.iter().any(|row| row.state.is_some());
        let pinned = self.iter().any(|row| row.pinned);
        let kept = self.iter().any(|row| row.kept_until_ms.is_some());
        let shown = [true, true, true, true, pinned, kept, state, agent, channel];
        let chosen =
            |cells: [String; 9]| cells.into_iter().zip(shown).filter_map(|(cell, on)| on.then_some(cell)).collect();
        let head: Vec<String> = chosen(
            ["ID", "TITLE", "CHANGED", "MESSAGES", "PINNED", "KEPT UNTIL", "STATE", "AGENT", "CHANNEL"]
                .map(str::to_owned),
        );
        let rows = self.iter().map(|row| {
            chosen([
                row.id.clone(),
                columns::cut(&row.title, 60),
                when::minute(row.changed_ms),
                row.messages.to_string(),
                if row.pinned { "yes" } else { "-" }.to_owned(),
                row.kept_until_ms.map_or_else(|| "-".into(), when::minute),
                row.state.clone().unwrap_or_else(|| "-".into()),
                columns::cut(&row.agent, 20),
                columns::cut(&row.channel, 20),
            ])
        });
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        show::table(&head, &rows.collect::<Vec<_>>());
    }
}

impl Show for FoundSessions {
    fn show(&self) {
        if self.sessions.is_empty() {
            show::note("no message and no title has all these words");
        }
        for FoundSession { id, title, messages, last, .. } in &self.sessions {
            let Some(FoundIn { place, at_ms, role, speaker, excerpt }) = last else {
                layout::field(0, id, title);
                continue;
            };
            let who = speaker.as_ref().map_or(role, |by| by.name.as_ref().unwrap_or(&by.address));
            let more = if *messages > 1 { format!(", the last of {messages}") } else { String::new() };
            layout::field(0, id, title);
            layout::paragraph(4, &format!("{}  {who}, message {place}{more}", when::minute(*at_ms)));
            layout::paragraph(4, excerpt);
        }
        let why = match self.stopped {
            None => return,
            Some(Stopped::Limit) => "further conversations may have these words; `--limit` shows more",
            Some(Stopped::Messages | Stopped::Time) => "older conversations were not searched",
        };
        show::note(&format!("{} messages were searched: {why}", self.looked_at));
    }
}

async fn export(door: &Door, id: &str, format: Format, output: Option<&Path>) -> Result<()> {
    let transcript = door.call(ShowSession { id: id.to_owned() }).await?;
    let text = match format {
        Format::Json => layout::plain_json(&transcript)?,
        Format::Markdown => transcript.markdown(when::second),
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

async fn delete(door: &Door, output: Output, id: &str, yes: bool) -> Result<()> {
    if !yes {
        let session = door.call(ShowSession { id: id.to_owned() }).await?;
        if !std::io::stdin().is_terminal() {
            bail!("session `{id}` was not deleted: there is no terminal to ask on\nhint: to delete it, add `--yes`");
        }
        let title = columns::cut(&session.title, 60);
        let question = format!("delete session `{id}` ({title}), {} messages? [y/N] ", session.messages.len());
        tokio::task::spawn_blocking(move || prompt::agree(&question, "nothing was deleted")).await??;
    }
    let deleted = door.call(DeleteSession { id: id.to_owned() }).await?;
    output.done(&deleted, &format!("deleted session `{id}` with {} messages", deleted.messages))
}
