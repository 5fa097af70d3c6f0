//! `cara ledger`: where it is, and the way back to an older version.

use crate::cli::Ledger;
use crate::door::Door;
use crate::output::{Output, Show, layout, show};
use anyhow::{Result, bail};
use cara_control::ledger::{DowngradeLedger, LedgerView, ShowLedger};
use cara_terminal::prompt;
use std::io::IsTerminal;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, ledger: Ledger) -> Result<()> {
    match ledger {
        Ledger::Show => door.emit(output, ShowLedger {}).await.map(drop),
        Ledger::Downgrade { to, yes } => downgrade(door, output, to, yes).await,
    }
}

async fn downgrade(door: &Door, output: Output, to: Option<u32>, yes: bool) -> Result<()> {
    let view = door.call(ShowLedger {}).await?;
    let (newest, before) = view.newest();
    let to = to.unwrap_or(before);
    view.lost_on_the_way_to(to).iter().for_each(|lost| show::note(lost));
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("the ledger was not changed: there is no terminal to ask on\nhint: to take it back, add `--yes`");
        }
        let question =
            format!("take the ledger `{}` back from version {newest} to {to}, and lose that? [y/N] ", view.place);
        tokio::task::spawn_blocking(move || prompt::agree(&question, "nothing was changed")).await??;
    }
    let words =
        format!("the ledger is at version {to}; start the older cara next: this one brings it up to date again");
    output.done(&door.call(DowngradeLedger { to }).await?, &words)
}

impl Show for LedgerView {
    fn show(&self) {
        layout::field(0, "ledger", &self.place);
        self.lines().iter().for_each(|line| layout::paragraph(0, line));
    }
}
