//! Asks for passwords and secrets: on the terminal, not as an argument.

use cara_services::files;
use cara_services::vault::{PromptError, Purpose, SHORTEST_PASSWORD, SecretValue};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The environment variable with the vault's password, for unattended use.
const PASSWORD_VARIABLE: &str = "CARA_VAULT_PASSWORD";

/// The environment variable with the path of a file that holds it.
const FILE_VARIABLE: &str = "CARA_VAULT_PASSWORD_FILE";

/// The environment variable with the new password, for an unattended `rotate-password`.
const REPLACEMENT_VARIABLE: &str = "CARA_VAULT_NEW_PASSWORD";

/// Largest secret read from stdin, bytes.
const LARGEST: u64 = 64 * 1024;

/// The password of a vault file: from the environment, else from a file, which the configuration may name, else from the
/// terminal.
pub(crate) fn vault_password(purpose: Purpose, vault: &Path, file: Option<&Path>) -> Result<SecretValue, PromptError> {
    if let Some(value) = std::env::var_os(PASSWORD_VARIABLE).filter(|value| !value.is_empty()) {
        return value_of(value.into_encoded_bytes());
    }
    if let Some(path) = std::env::var_os(FILE_VARIABLE).map(PathBuf::from).or(file.map(Path::to_owned)) {
        let bytes = files::read_private(&path, LARGEST)?;
        let bytes = bytes.ok_or_else(|| format!("the password file `{}` does not exist", path.display()))?;
        return value_of(without_line_end(bytes));
    }
    if !std::io::stdin().is_terminal() {
        return Err(PromptError::from("there is no terminal to ask on"));
    }
    match purpose {
        Purpose::Unlock => typed(&format!("Password of {}: ", vault.display())),
        Purpose::Create => {
            crate::show::note("no keystore here: secrets go into an encrypted file; choose its password");
            new_password(&format!("New password for {}: ", vault.display()))
        }
    }
}

/// The password to change to: from the environment, else typed twice.
pub(crate) fn replacement() -> Result<SecretValue, PromptError> {
    match std::env::var_os(REPLACEMENT_VARIABLE) {
        Some(value) => value_of(value.into_encoded_bytes()),
        None if std::io::stdin().is_terminal() => new_password("New password: "),
        None => Err(PromptError::from(format!("there is no terminal to ask on; set {REPLACEMENT_VARIABLE}"))),
    }
}

/// A new password, typed twice. The vault has the rule; here it is only told before the second time.
fn new_password(prompt: &str) -> Result<SecretValue, PromptError> {
    loop {
        let first = line(prompt)?;
        if first.chars().count() < SHORTEST_PASSWORD {
            crate::show::note(&format!("use at least {SHORTEST_PASSWORD} characters"));
            continue;
        }
        if *line("Again: ")? == *first {
            return value_of(first.as_bytes().to_vec());
        }
        crate::show::note("the two differ, once more");
    }
}

/// One line typed without being shown.
fn line(prompt: &str) -> Result<Zeroizing<String>, PromptError> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| Box::new(error) as PromptError)
}

/// A value typed without being shown.
fn typed(prompt: &str) -> Result<SecretValue, PromptError> {
    value_of(line(prompt)?.as_bytes().to_vec())
}

/// A secret's value: typed on a terminal, or all of stdin without the line end.
pub(crate) fn secret_value(prompt: &str) -> Result<SecretValue, PromptError> {
    if std::io::stdin().is_terminal() {
        return typed(prompt);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| Box::new(error) as PromptError)?;
    value_of(without_line_end(std::mem::take(&mut *bytes)))
}

fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        bytes.pop();
    }
    bytes
}

fn value_of(bytes: Vec<u8>) -> Result<SecretValue, PromptError> {
    SecretValue::new(bytes).map_err(|error| Box::new(error) as PromptError)
}
