//! Running the tools of a language: captured, and named when they fail.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::BuildError;

/// Runs a program to its end and gives what it wrote to stdout. `cure` is said when there is no such program.
pub(crate) fn run(command: &mut Command, cure: &'static str) -> Result<String, BuildError> {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BuildError::Missing { program: program.clone(), cure },
        _ => BuildError::Start { program: program.clone(), source },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if said.is_empty() {
        String::from_utf8_lossy(&output.stdout).trim().clone_into(&mut said);
    }
    Err(BuildError::Failed { program, status: output.status, said })
}
