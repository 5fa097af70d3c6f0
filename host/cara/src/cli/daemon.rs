//! Commands over the daemon: its configuration, its log, and how the system
//! starts it.

use super::word;
use cara_authority::ComponentId;
use cara_control::logs::Level;
use cara_control::service::System;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show the values that count, and whether they are set.
    Get {
        /// A key such as `run.turns`, or a table such as `budget`; everything when left out.
        key: Option<String>,
    },
    /// Set a key. Comments and order stay; a value that cannot be used changes nothing.
    Set {
        /// The key: `budget.day.dollars`, `component.openai.settings.base-url`.
        key: String,
        /// The value as TOML; text needs no quotes.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take a key out of the file, so that the default counts.
    Unset {
        /// The key.
        key: String,
    },
    /// Open `$VISUAL` or `$EDITOR` on a copy; only what can be used takes the file's place.
    Edit,
    /// Check the configuration, or a file that is not in use.
    Check {
        /// The file; the one in use when left out.
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Show what differs from the defaults.
    Diff,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on with what is written from now on, until Ctrl-C.
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Only lines of this level and above it.
    #[arg(long, default_value = "trace", value_parser = word::<Level>())]
    pub(crate) level: Level,

    /// Only lines of this component.
    #[arg(long, value_name = "ID")]
    pub(crate) component: Option<ComponentId>,

    /// At most so many lines of what was written before.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub(crate) lines: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Write the service file, and start the service.
    Install {
        /// Write the file only.
        #[arg(long)]
        no_start: bool,
    },
    /// End the service, and take its file away.
    Remove,
    /// Print what `install` would write, and the commands it would run.
    Show {
        /// The system; this machine's when left out.
        #[arg(long, value_parser = word::<System>())]
        system: Option<System>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tls {
    /// Show the certificate of the daemon, and the authority of this home.
    Show,
    /// Make a certificate authority, and a certificate for the daemon; the authority's key is kept in the vault.
    InitCa {
        /// The name in its certificate; `cara` when left out.
        #[arg(long)]
        name: Option<String>,
    },
    /// Issue a certificate; `gateway` is the one that the daemon shows.
    Issue {
        /// What it is called: `laptop`.
        name: String,
        /// It is a client's; else it is a server's.
        #[arg(long)]
        client: bool,
        /// How long it lasts; 365 when left out.
        #[arg(long)]
        days: Option<u32>,
        /// A DNS name or an address that a server's is for; those of this machine when left out. May be repeated.
        #[arg(long = "for", value_name = "NAME", conflicts_with = "client")]
        names: Vec<String>,
    },
    /// Revoke a certificate; connections that were opened with it end.
    Revoke {
        /// Its name, or its serial number.
        certificate: String,
    },
    /// List the certificates that were issued.
    List,
}
