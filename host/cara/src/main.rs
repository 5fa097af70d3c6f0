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

use clap::Parser;
use output::{show, stdio};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) if told.use_stderr() => told.exit(),
        // Help and version are what was asked for.
        Err(told) => {
            stdio::write(&told.render().to_string());
            return stdio::end(ExitCode::SUCCESS);
        }
    };
    let code = commands::run(arguments).unwrap_or_else(|error| {
        show::error(error.as_ref());
        ExitCode::FAILURE
    });
    stdio::end(code)
}
