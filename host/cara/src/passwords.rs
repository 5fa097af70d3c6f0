//! Asks for passwords and secrets: on the terminal, not as an argument.

use cara_services::vault::{PromptError, Purpose, SecretValue};
use std::io::{IsTerminal, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The environment variable with the vault's password, for unattended use.
pub(crate) const PASSWORD_VARIABLE: &str = "CARA_VAULT_PASSWORD";

/// Shortest password of a new vault.
const SHORTEST: usize = 8;

/// Largest secret read from stdin, bytes.
const LARGEST: u64 = 64 * 1024;

/// The password of a vault file: from the environment, else from the terminal.
pub(crate) fn vault_password(purpose: Purpose, vault: &Path) -> Result<SecretValue, PromptError> {
    if let Some(value) = std::env::var_os(PASSWORD_VARIABLE) {
        return value_of(value.into_encoded_bytes());
    }
    if !std::io::stdin().is_terminal() {
        return Err(PromptError::from(format!("there is no terminal to ask on; set {PASSWORD_VARIABLE}")));
    }
    match purpose {
        Purpose::Unlock => typed(&format!("Password of {}: ", vault.display())),
        Purpose::Create => new_password(&format!("New password for {}: ", vault.display())),
    }
}

/// A new password, typed twice.
pub(crate) fn new_password(prompt: &str) -> Result<SecretValue, PromptError> {
    loop {
        let first = typed(prompt)?;
        if first.expose().len() < SHORTEST {
            crate::show::note(&format!("use at least {SHORTEST} characters"));
            continue;
        }
        if typed("Again: ")? == first {
            return Ok(first);
        }
        crate::show::note("the two differ, once more");
    }
}

/// One line typed without being shown.
pub(crate) fn typed(prompt: &str) -> Result<SecretValue, PromptError> {
    let line = rpassword::prompt_password(prompt).map_err(|error| Box::new(error) as PromptError)?;
    value_of(line.into_bytes())
}

/// A secret's value: typed on a terminal, or all of stdin without the line end.
pub(crate) fn secret_value(prompt: &str) -> Result<SecretValue, PromptError> {
    if std::io::stdin().is_terminal() {
        return typed(prompt);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| Box::new(error) as PromptError)?;
    while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        bytes.pop();
    }
    value_of(std::mem::take(&mut *bytes))
}

fn value_of(bytes: Vec<u8>) -> Result<SecretValue, PromptError> {
    SecretValue::new(bytes).map_err(|error| Box::new(error) as PromptError)
}

/// The environment variable with the new password, for an unattended `rotate-password`.
const REPLACEMENT_VARIABLE: &str = "CARA_VAULT_NEW_PASSWORD";

/// The password to change to: from the environment, else typed twice.
pub(crate) fn replacement() -> Result<SecretValue, PromptError> {
    match std::env::var_os(REPLACEMENT_VARIABLE) {
        Some(value) => value_of(value.into_encoded_bytes()),
        None if std::io::stdin().is_terminal() => new_password("New password: "),
        None => Err(PromptError::from(format!("there is no terminal to ask on; set {REPLACEMENT_VARIABLE}"))),
    }
}
