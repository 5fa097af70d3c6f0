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
mod offer;
mod outbound;
mod output;
mod passwords;
mod places;
mod plugins;
mod process;
mod prompt;
mod question;
mod remarks;
mod review;
mod script;
mod show;
mod subject;
mod when;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) if told.use_stderr() => told.exit(),
        // Help and version are what was asked for.
        Err(told) => {
            output::write(&told.render().to_string());
            return output::end(ExitCode::SUCCESS);
        }
    };
    let code = commands::run(arguments).unwrap_or_else(|error| {
        show::error(&error);
        ExitCode::FAILURE
    });
    output::end(code)
}
