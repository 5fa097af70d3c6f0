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
    let newest = view.versions.last().map_or(0, |version| version.number);
    let to = to.unwrap_or(u32::try_from(newest)?.saturating_sub(1));
    let undone = || view.versions.iter().rev().filter(|version| version.number > to.into());
    for version in undone() {
        let lost = version.lost.as_deref().unwrap_or("there is no way back from it");
        show::note(&format!("version {}, {}: {lost}", version.number, version.name));
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("the ledger was not changed: there is no terminal to ask on\nhint: to take it back, add `--yes`");
        }
        let question =
            format!("take the ledger `{}` back from version {newest} to {to}, and lose that? [y/N] ", view.place);
        tokio::task::spawn_blocking(move || prompt::agree(&question, "nothing was changed")).await??;
    }
    let done = door.call(DowngradeLedger { to }).await?;
    let words =
        format!("the ledger is at version {to}; start the older cara next: this one brings it up to date again");
    output.done(&done, &words)
}

impl Show for LedgerView {
    fn show(&self) {
        layout::field(0, "ledger", &self.place);
        for version in &self.versions {
            let back = version.lost.as_deref().map(|lost| format!(" (on the way back: {lost})")).unwrap_or_default();
            layout::paragraph(0, &format!("{:>3}  {}{back}", version.number, version.name));
        }
    }
}
