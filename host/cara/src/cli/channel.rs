//! Commands over accounts of channels.

use clap::{Args, Subcommand};

/// An account of a channel.
#[derive(Debug, Args)]
pub(crate) struct AccountChoice {
    /// The channel, such as `telegram`.
    pub(crate) channel: String,
    /// The account, by a name of your choice.
    #[arg(long, value_name = "NAME", default_value = cara_control::channels::MAIN)]
    pub(crate) account: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// Add an account: asks for its secrets, tries it, and has the daemon connect it.
    Add {
        #[command(flatten)]
        choice: AccountChoice,
        /// Set a setting of the account; `cara plugin inspect NAME` shows which there are. May be repeated.
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
        settings: Vec<(String, String)>,
    },
    /// List the accounts, and how each stands.
    List,
    /// Connect an account once, and say who it is.
    Test(AccountChoice),
    /// Make a single-use code, valid for ten minutes: whoever sends it to the account is linked to you. Needs a running daemon.
    Pair {
        #[command(flatten)]
        choice: AccountChoice,
        /// Somebody else whom it links; `cara people name` makes others known.
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
    /// Pause an account: nothing is fetched for it, and what is to be sent waits.
    Pause(AccountChoice),
    /// Resume an account that was paused.
    Resume(AccountChoice),
    /// Remove an account, with its secrets.
    Remove {
        #[command(flatten)]
        choice: AccountChoice,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
