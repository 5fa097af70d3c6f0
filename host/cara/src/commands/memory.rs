//! `cara memory`: what is remembered about a person.

use crate::cli::{MemoryCommand, OfPerson};
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::{Result, bail};
use cara_assistant::text::exact;
use cara_control::memory::{ForgetMemory, ListMemory, MemoryEntry, MemoryOrigin, SearchMemory, ShowMemory};
use cara_terminal::prompt;
use std::io::IsTerminal;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, memory: MemoryCommand) -> Result<()> {
    match memory {
        MemoryCommand::List { of: OfPerson { person } } => {
            let found = door.call(ListMemory { person }).await?;
            output.print(&found, || table(&found, "nothing is remembered"))?;
        }
        MemoryCommand::Show { key, of: OfPerson { person } } => {
            door.emit(output, ShowMemory { person, key }).await?;
        }
        MemoryCommand::Search { words, limit, of: OfPerson { person } } => {
            let found = door.call(SearchMemory { person, words: words.join(" "), limit }).await?;
            output.print(&found, || table(&found, "no entry has all these words"))?;
        }
        MemoryCommand::Forget { key, of: OfPerson { person }, yes } => {
            forget(door, output, person, key, yes).await?;
        }
    }
    Ok(())
}

fn table(found: &[MemoryEntry], none: &str) {
    if found.is_empty() {
        return show::note(none);
    }
    let cells = found.iter().map(|entry| {
        let from = entry.origin.as_ref().map_or_else(|| "not kept".to_owned(), |from| from.session.clone());
        vec![columns::cut(&entry.key, 20), columns::cut(&entry.value, 24), when::minute(entry.changed_ms), from]
    });
    show::table(&["KEY", "VALUE", "WRITTEN", "FROM"], &cells.collect::<Vec<_>>());
}

impl Show for MemoryEntry {
    fn show(&self) {
        let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
        put("key", &self.key);
        put("value", &self.value);
        put("label", &self.label.to_string());
        put("written", &when::second(self.changed_ms));
        match &self.origin {
            None => put("from", "not kept"),
            Some(MemoryOrigin { session, run, component, speaker }) => {
                put("session", session);
                put("run", run);
                put("component", component);
                put("speaker", speaker);
            }
        }
    }
}

async fn forget(door: &Door, output: Output, person: String, key: String, yes: bool) -> Result<()> {
    let shown = exact(&key);
    if !yes {
        let entry = door.call(ShowMemory { person: person.clone(), key: key.clone() }).await?;
        if !std::io::stdin().is_terminal() {
            bail!("`{shown}` was not forgotten: there is no terminal to ask on\nhint: to forget it, add `--yes`");
        }
        let question = format!("forget `{shown}` ({})? [y/N] ", columns::cut(&entry.value, 40));
        tokio::task::spawn_blocking(move || prompt::agree(&question, "nothing was forgotten")).await??;
    }
    let done = door.call(ForgetMemory { person, key }).await?;
    output.done(&done, &format!("forgot `{shown}`"))
}
