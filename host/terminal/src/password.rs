//! What is typed without being shown: passwords and secrets.

use crate::show;
use crate::spinner::Quiet;
use std::io::{self, IsTerminal, Read, stdin};
use zeroize::Zeroizing;

/// Largest secret read from stdin, bytes.
const LARGEST: u64 = 64 * 1024;

/// Why a secret was not read.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The terminal is gone.
    #[error("the terminal cannot be read: {0}")]
    Terminal(#[from] io::Error),
    /// What came through a pipe is no text.
    #[error("the value on stdin cannot be read: {0}\nhint: a secret is text")]
    NoText(io::Error),
    /// What came through a pipe is too large.
    #[error("the value on stdin has over {LARGEST} bytes\nhint: a secret is a key or token, not a file")]
    TooLarge,
}

/// Whether somebody is there who can be asked.
pub fn is_asked() -> bool {
    stdin().is_terminal()
}

/// One line typed without being shown.
///
/// # Errors
///
/// The terminal is gone.
pub fn line(prompt: &str) -> Result<Zeroizing<String>, PasswordError> {
    let _quiet = Quiet::begin();
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

/// A new password, typed twice. Whoever keeps it has the rule of how short it may be; here that is only told before the
/// second time.
///
/// # Errors
///
/// The terminal is gone.
pub fn new(prompt: &str, shortest: usize) -> Result<String, PasswordError> {
    loop {
        let first = line(prompt)?;
        if first.chars().count() < shortest {
            show::note(&format!("use at least {shortest} characters"));
            continue;
        }
        if *line("Again: ")? == *first {
            return Ok(first.to_string());
        }
        show::note("the two differ, once more");
    }
}

/// A secret's value: typed on a terminal, or all of stdin without the line end.
///
/// # Errors
///
/// The terminal is gone, or what comes through a pipe is no text of a secret's size.
pub fn secret(prompt: &str) -> Result<String, PasswordError> {
    if is_asked() {
        return Ok(line(prompt)?.to_string());
    }
    let mut text = String::new();
    stdin().take(LARGEST + 1).read_to_string(&mut text).map_err(PasswordError::NoText)?;
    if text.len() as u64 > LARGEST {
        return Err(PasswordError::TooLarge);
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
