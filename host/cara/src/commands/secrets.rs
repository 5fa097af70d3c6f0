//! `cara secrets`: values are never shown and never an argument.

use crate::cli::Secrets;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, Show, show};
use crate::passwords;
use anyhow::{Result, bail};
use cara_control::secrets::{
    self, FindSecret, HasVaultPassword, KdfName, ListSecrets, RemoveSecret, RotateVaultPassword, SealSecrets,
    SecretRow, SetSecret, UnsealSecrets,
};
use cara_control::vault;
use cara_terminal::{password, prompt::agree};
use std::io::IsTerminal;
use tokio::task::spawn_blocking;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, command: Secrets) -> Result<()> {
    match command {
        Secrets::Set { secret } => set(door, output, secret).await,
        Secrets::List => door.emit(output, ListSecrets {}).await.map(drop),
        Secrets::Remove { secret, yes } => remove(door, output, secret, yes).await,
        Secrets::Unlock => output
            .done(&door.call(vault::PrepareVault {}).await?, "the vault is open in the process that holds the home"),
        Secrets::Seal => {
            let moved = door.call(SealSecrets {}).await?;
            output.done(
                &moved,
                match moved.moved {
                    true => "the key of the conversations is in the vault; from now on `cara chat` needs the vault",
                    false => "the key of the conversations is in the vault already",
                },
            )
        }
        Secrets::Unseal => {
            let moved = door.call(UnsealSecrets {}).await?;
            output.done(
                &moved,
                match moved.moved {
                    true => {
                        "the key of the conversations is in `keys/ledger-content`; who reads your files can read them"
                    }
                    false => "the key of the conversations is in `keys/ledger-content` already",
                },
            )
        }
        Secrets::RotatePassword { kdf } => rotate(door, output, kdf).await,
    }
}

async fn set(door: &Door, output: Output, secret: String) -> Result<()> {
    // The vault comes first, with its password: what was typed is not lost by it.
    let found = door.call(FindSecret { secret: secret.clone() }).await?;
    door.call(vault::PrepareVault {}).await?;
    let label = found.label.unwrap_or_else(|| found.secret.clone());
    let value = spawn_blocking(move || password::secret(&format!("{label}: "))).await??;
    let stored = door.call(SetSecret { secret, value }).await?;
    output.done(&stored, &format!("stored `{}` in the vault, protected by the {}", stored.secret, stored.key))
}

async fn remove(door: &Door, output: Output, secret: String, yes: bool) -> Result<()> {
    let found = door.call(FindSecret { secret: secret.clone() }).await?;
    let id = found.secret;
    if !found.stored {
        return Err(told(secrets::none(&id)));
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("the value of `{id}` would be lost, and there is no terminal to ask on\nhint: `--yes` removes it");
        }
        let question = format!("remove the value of `{id}`? cara cannot get it back. [y/N] ");
        spawn_blocking(move || agree(&question, "nothing was removed")).await??;
    }
    output.done(&door.call(RemoveSecret { secret }).await?, &format!("removed `{id}`"))
}

async fn rotate(door: &Door, output: Output, kdf: KdfName) -> Result<()> {
    door.call(HasVaultPassword {}).await?;
    let folder = door.surroundings().home.vault_dir();
    let (old, new) = spawn_blocking(move || {
        anyhow::Ok((passwords::vault_password(false, &folder, false)?, passwords::replacement()?))
    })
    .await??;
    let done = door.call(RotateVaultPassword { old, new, kdf }).await?;
    output.done(&done, "the vault is encrypted under the new password")
}

impl Show for Vec<SecretRow> {
    fn show(&self) {
        if self.is_empty() {
            return show::note("no secret is stored; `cara secrets set` stores one");
        }
        let cells =
            self.iter().map(|row| vec![row.secret.clone(), row.key.clone(), row.label.clone().unwrap_or_default()]);
        show::table(&["SECRET", "VAULT KEY", "LABEL"], &cells.collect::<Vec<_>>());
    }
}
