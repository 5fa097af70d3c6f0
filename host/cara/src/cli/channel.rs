//! Commands over accounts of channels.

use clap::{Args, Subcommand};

/// An account of a channel.
#[derive(Debug, Args)]
pub(crate) struct AccountChoice {
    /// The channel, such as `telegram`.
    pub(crate) channel: String,
    /// The account, as you call it.
    #[arg(long, value_name = "NAME", default_value = cara_control::channels::MAIN)]
    pub(crate) account: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// Add an account: asks for what the channel needs, tries it, and has the daemon drive it.
    Add {
        #[command(flatten)]
        choice: AccountChoice,
        /// Set a setting of the account. May be repeated.
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
        settings: Vec<(String, String)>,
    },
    /// List the accounts, and how each stands.
    List,
    /// Connect an account once, and say who it is.
    Test(AccountChoice),
    /// Make a code, once, for ten minutes: whoever sends it to the account becomes known. The daemon has to run.
    Pair {
        #[command(flatten)]
        choice: AccountChoice,
        /// Who it will be; you, when left out. `cara people name` makes others known.
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
    /// Have an account rest: nothing is fetched for it, and what is to be sent waits.
    Pause(AccountChoice),
    /// Have an account go on that was paused.
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
