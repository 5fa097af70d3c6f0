//! `cara channel`: accounts of channels.

use crate::cli::{AccountChoice, Channel};
use crate::door::Door;
use crate::output::{Output, Show, show, stdio, when};
use anyhow::{Result, bail};
use cara_assistant::text::exact;
use cara_control::Role;
use cara_control::channels::{
    AccountCondition, AccountRow, AddChannel, ChannelNeeds, ConnectedAccount, DescribeChannel, ListChannels,
    PairChannel, PauseChannel, RemoveChannel, TestChannel,
};
use cara_control::secrets::SetSecret;
use cara_control::status::ShowStatus;
use cara_control::vault::PrepareVault;
use cara_terminal::{password, prompt::agree};
use std::io::IsTerminal;
use tokio::task::spawn_blocking;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, command: Channel) -> Result<()> {
    match command {
        Channel::Add { choice, settings } => add(door, output, choice, settings).await,
        Channel::List => door.emit(output, ListChannels {}).await.map(drop),
        Channel::Test(AccountChoice { channel, account }) => {
            let connected = door.call(TestChannel { channel, account }).await?;
            output.done(&connected, &format!("it works: {}", who(&connected)))
        }
        Channel::Pair { choice: AccountChoice { channel, account }, person } => {
            let code = door.call(PairChannel { channel: channel.clone(), account: account.clone(), person }).await?;
            output.print(&code, || {
                let until = when::minute(code.expires_ms);
                show::note(&format!(
                    "whoever sends this to `{channel}:{account}` in a direct message, until {until}, is linked:"
                ));
                stdio::write(&format!("{}\n", code.code));
            })
        }
        Channel::Pause(choice) => pause(door, output, choice, true).await,
        Channel::Resume(choice) => pause(door, output, choice, false).await,
        Channel::Remove { choice, yes } => remove(door, output, choice, yes).await,
    }
}

fn who(ConnectedAccount { channel, account, id, name, .. }: &ConnectedAccount) -> String {
    format!("`{channel}:{account}` is {} (id {})", exact(name), exact(id))
}

async fn add(door: &Door, output: Output, choice: AccountChoice, settings: Vec<(String, String)>) -> Result<()> {
    let AccountChoice { channel, account } = choice;
    let needs: ChannelNeeds = door.call(DescribeChannel { channel: channel.clone(), account: account.clone() }).await?;
    if needs.exists {
        bail!(
            "channel `{channel}` has an account `{account}` already\n\
             hint: `cara channel test {channel} --account {account}` tries it; `--account NAME` adds another one"
        );
    }
    let wanted: Vec<_> = needs.secrets.into_iter().filter(|secret| !secret.stored && !secret.optional).collect();
    if !wanted.is_empty() {
        // The vault comes first, with its password: what was typed is not lost by it.
        door.call(PrepareVault {}).await?;
    }
    for secret in wanted {
        let label = secret.label;
        let value = spawn_blocking(move || password::secret(&format!("{label}: "))).await??;
        door.call(SetSecret { secret: secret.secret, value }).await?;
    }
    let settings = settings.into_iter().collect();
    show::note(&format!("asking the platform who `{channel}:{account}` is"));
    let added = door.call(AddChannel { channel, account, settings }).await?;
    output.done(&added, &format!("added: {}", who(&added)))?;
    show::note(&format!(
        "nobody may talk to it yet: with the daemon running, `cara channel pair {} --account {}` makes a code to send there",
        added.channel, added.account
    ));
    if door.call(ShowStatus {}).await?.role != Role::Daemon {
        show::note("no daemon runs: `cara start` drives it");
    }
    Ok(())
}

async fn pause(door: &Door, output: Output, choice: AccountChoice, paused: bool) -> Result<()> {
    let AccountChoice { channel, account } = choice;
    let name = format!("`{channel}:{account}`");
    let done = door.call(PauseChannel { channel, account, paused }).await?;
    output.done(&done, &if paused { format!("{name} is paused") } else { format!("{name} is resumed") })
}

async fn remove(door: &Door, output: Output, choice: AccountChoice, yes: bool) -> Result<()> {
    let AccountChoice { channel, account } = choice;
    let name = format!("{channel}:{account}");
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("`{name}` would go with its secrets, and there is no terminal to ask on\nhint: `--yes` removes it");
        }
        let question = format!("remove `{name}` with its secrets? [y/N] ");
        spawn_blocking(move || agree(&question, "nothing was removed")).await??;
    }
    let removed = door.call(RemoveChannel { channel, account }).await?;
    let secrets = match &removed.secrets[..] {
        [] => String::new(),
        secrets => format!(", with {}", secrets.join(", ")),
    };
    output.done(&removed, &format!("removed `{name}`{secrets}"))
}

impl Show for Vec<AccountRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note(
                "there is no account of a channel; `cara channel add NAME` adds one, such as the ones in `docs/channels.md`",
            );
        }
        let time = |ms: Option<u64>| ms.map(when::minute).unwrap_or_default();
        let cells = self.iter().map(|row| {
            let name = row.name.as_deref().map(exact).unwrap_or_default();
            let at = format!("{}:{}", row.channel, row.account);
            vec![at, row.condition.to_string(), name.to_string(), time(row.last_in_ms), time(row.last_out_ms)]
        });
        show::table(&["ACCOUNT", "CONDITION", "NAME", "LAST IN", "LAST OUT"], &cells.collect::<Vec<_>>());
        for row in self {
            if let Some(error) = &row.error {
                let retry = row.retry_ms.map(|ms| format!("; next try at {}", when::second(ms))).unwrap_or_default();
                let error = error.replace("\nhint: ", "; ");
                show::note(&format!("{}:{}: {error}{retry}", row.channel, row.account));
            }
        }
        if self.iter().any(|row| row.condition == AccountCondition::Stopped) {
            show::note("no daemon runs: `cara start` drives them");
        }
    }
}
