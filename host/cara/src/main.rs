//! The `cara` binary.
//!
//! ```text
//! cli ─→ commands/* ─→ door ─┬─ holds the home: boot (the one file that knows every part) ─→ control
//!                            └─ client of the process that holds it
//! ```

mod boot;
mod cli;
mod commands;
mod door;
mod error;
mod output;
mod passwords;
mod text_file;

use clap::{CommandFactory, FromArgMatches};
use output::{show, stdio};
use std::process::ExitCode;

fn main() -> ExitCode {
    let typed = cli::Arguments::command().try_get_matches();
    let name = typed.as_ref().ok().and_then(|typed| typed.subcommand_name()).unwrap_or("start").to_owned();
    let arguments = match typed.and_then(|typed| cli::Arguments::from_arg_matches(&typed)) {
        Ok(arguments) => arguments,
        Err(told) if told.use_stderr() => {
            show::misuse(&told.render().to_string());
            return ExitCode::from(2);
        }
        // Help and version are what was asked for.
        Err(told) => {
            stdio::write(&told.render().to_string());
            return stdio::end(ExitCode::SUCCESS);
        }
    };
    let code = commands::run(arguments, &name).unwrap_or_else(|error| {
        show::error(error.as_ref());
        ExitCode::FAILURE
    });
    stdio::end(code)
}
