//! `cara inbox` and `cara outbox`: messages that came, and messages that go.

use crate::cli::{Inbox, Outbox};
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::Result;
use cara_assistant::text::exact;
use cara_control::inbox::{DropInbound, InboundRow, ListInbox, ReplayInbound, ShowInbound};
use cara_control::outbox::{DropOutbound, ListOutbox, OutboundRow, RetryOutbound, ShowOutbound};

/// Runs `cara inbox`.
pub(crate) async fn inbox(door: &Door, output: Output, inbox: Inbox) -> Result<()> {
    match inbox {
        Inbox::List { state, limit } => drop(door.emit(output, ListInbox { state, limit }).await?),
        Inbox::Show { id } => drop(door.emit(output, ShowInbound { id: id.to_string() }).await?),
        Inbox::Replay { id } => {
            let done = door.call(ReplayInbound { id: id.to_string() }).await?;
            output.done(&done, &format!("`{id}` waits again"))?;
        }
        Inbox::Drop { id } => {
            let done = door.call(DropInbound { id: id.to_string() }).await?;
            output
                .done(&done, &format!("`{id}` is not answered; `cara inbox replay {id}` has it answered after all"))?;
        }
    }
    Ok(())
}

/// Runs `cara outbox`.
pub(crate) async fn outbox(door: &Door, output: Output, outbox: Outbox) -> Result<()> {
    match outbox {
        Outbox::List { state, limit } => drop(door.emit(output, ListOutbox { state, limit }).await?),
        Outbox::Show { id } => drop(door.emit(output, ShowOutbound { id: id.to_string() }).await?),
        Outbox::Retry { id } => {
            let done = door.call(RetryOutbound { id: id.to_string() }).await?;
            output.done(&done, &format!("`{id}` is tried again"))?;
        }
        Outbox::Drop { id } => {
            let done = door.call(DropOutbound { id: id.to_string() }).await?;
            output.done(&done, &format!("`{id}` is not sent; `cara outbox retry {id}` sends it after all"))?;
        }
    }
    Ok(())
}

impl Show for Vec<InboundRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("no message is here; `cara inbox list` without `--state` shows all that are kept");
        }
        let cells = self.iter().map(|row| {
            let (at, name) = (columns::cut(&exact(&row.at), 40), columns::cut(&exact(&row.from), 40));
            vec![row.id.clone(), row.state.to_string(), at, name, when::minute(row.received_ms)]
        });
        show::table(&["ID", "STATE", "AT", "FROM", "CAME"], &cells.collect::<Vec<_>>());
    }
}

impl Show for InboundRow {
    fn show(&self) {
        let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
        put("message", &self.id);
        put("state", self.state.name());
        put("at", &self.at);
        put("from", &self.from);
        self.name.iter().for_each(|name| put("name", &format!("{name}, as they say")));
        put("group", if self.group { "yes" } else { "no" });
        put("mentioned", if self.mentioned { "yes" } else { "no" });
        put("label", &self.label.to_string());
        put("sent", &when::second(self.sent_ms));
        put("came", &when::second(self.received_ms));
        self.settled_ms.iter().for_each(|at| put("settled", &when::second(*at)));
        self.run.iter().for_each(|run| put("run", run));
        put("body", &self.body.to_string());
    }
}

impl Show for Vec<OutboundRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("no message is here; `cara outbox list --state sent` lists those that were sent");
        }
        let cells = self.iter().map(|row| {
            let error = columns::cut(&exact(row.error.as_deref().unwrap_or("-")), 60);
            let to = columns::cut(&exact(&row.to), 40);
            vec![
                row.id.clone(),
                row.state.to_string(),
                to,
                row.attempts.to_string(),
                when::minute(row.queued_ms),
                error,
            ]
        });
        show::table(&["ID", "STATE", "TO", "TRIED", "QUEUED", "LAST ERROR"], &cells.collect::<Vec<_>>());
        show::note("`cara outbox show ID` shows all of one; `retry` or `drop` decides about it");
    }
}

impl Show for OutboundRow {
    fn show(&self) {
        let put = |name: &str, value: &str| layout::field(0, name, &exact(value));
        put("message", &self.id);
        put("state", self.state.name());
        put("to", &self.to);
        put("by", &self.by);
        self.answers.iter().for_each(|id| put("answers", id));
        self.run.iter().for_each(|run| put("run", run));
        put("label", &self.label.to_string());
        self.class.iter().for_each(|class| put("delivery", class));
        put("tried", &self.attempts.to_string());
        put("queued", &when::second(self.queued_ms));
        self.next_ms.iter().for_each(|at| put("next", &when::second(*at)));
        self.settled_ms.iter().for_each(|at| put("settled", &when::second(*at)));
        self.error.iter().for_each(|error| put("error", error));
        self.receipt.iter().for_each(|receipt| put("receipt", receipt));
        if self.may_have_arrived {
            put("note", "it may have arrived: look there before you send it again");
        }
        put("text", &self.text);
    }
}
