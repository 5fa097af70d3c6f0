//! The `cara` binary.
//!
//! ```text
//! cli ─→ commands/* ─→ boot (the one file that knows every part) ─→ choose ─→ assistant, kernel, services
//! ```

mod assemble;
mod boot;
mod candidate;
mod choose;
mod cli;
mod commands;
mod config;
mod conformance;
mod content_key;
mod layout;
mod live;
mod logging;
mod outbound;
mod passwords;
mod plugins;
mod process;
mod prompt;
mod review;
mod script;
mod show;
mod subject;
mod when;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            show::error(&error);
            ExitCode::FAILURE
        }
    }
}
