//! Commands over who is let in from other programs, machines and browsers.

use super::word;
use cara_authority::Scope;
use cara_authority::limits::in_units;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What a credential is for.
#[derive(Debug, Args)]
pub(crate) struct Allowed {
    /// The only agent that may be talked to. May be repeated.
    #[arg(long = "agent", value_name = "NAME")]
    pub(crate) agents: Vec<String>,
    /// Tokens of models that it may use in one day.
    #[arg(long, value_name = "N")]
    pub(crate) tokens_per_day: Option<u64>,
    /// Of somebody else than you.
    #[arg(long, value_name = "ID")]
    pub(crate) person: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NewToken {
    /// What it is called.
    pub(crate) name: String,
    /// What it may be used for. May be repeated, or several with commas.
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = word::<Scope>())]
    pub(crate) scopes: Vec<Scope>,
    #[command(flatten)]
    pub(crate) allowed: Allowed,
    /// For how long it holds: `12h`, `30d`; for good when left out.
    #[arg(long = "expires", value_name = "TIME", value_parser = days)]
    pub(crate) expires_ms: Option<u64>,
    /// In place of a token: a file with the certificate that a TLS client shows.
    #[arg(long, value_name = "FILE", conflicts_with = "tailscale")]
    pub(crate) certificate: Option<PathBuf>,
    /// In place of a token: the name by which your tailnet knows somebody.
    #[arg(long, value_name = "LOGIN")]
    pub(crate) tailscale: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token for a program. It is shown this once.
    Create(NewToken),
    /// List the tokens, never what shows them.
    List,
    /// Give a token another secret: the one before counts no more, and what goes on with it ends.
    Rotate {
        /// Its id, or its name.
        id: String,
    },
    /// Take a token back: it lets nobody in, and what goes on with it ends.
    Revoke {
        /// Its id, or its name.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Make a code that lets one device or browser in, once, within ten minutes.
    Pair {
        /// What it is called.
        #[arg(default_value = "device", hide_default_value = true)]
        name: String,
        /// What it may be used for; `read`, `chat` and `approve` when left out.
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', value_parser = word::<Scope>())]
        scopes: Vec<Scope>,
        #[command(flatten)]
        allowed: Allowed,
    },
    /// List the devices and browsers that were let in, and the codes that wait.
    List,
    /// Take a device, a browser or a code back: it lets nobody in, and what goes on with it ends.
    Revoke {
        /// Its id, or its name.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Password {
    /// Set the password of the page, read from a prompt, or from stdin when that is no terminal. Who came in with the one
    /// before is put out.
    Set,
    /// Remove the password: who came in with it is put out.
    Remove,
}

/// A length of time in milliseconds.
fn days(text: &str) -> Result<u64, &'static str> {
    const HOUR: u64 = 3_600_000;
    let ms = in_units(text, &[("m", 60_000), ("h", HOUR), ("d", 24 * HOUR), ("w", 7 * 24 * HOUR)]);
    ms.filter(|ms| *ms > 0).ok_or("write `30m`, `12h`, `30d` or `8w`")
}
