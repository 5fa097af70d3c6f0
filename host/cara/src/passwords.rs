//! Asks for passwords and secrets: on the terminal, not as an argument.

use crate::output::show;
use anyhow::{Result, anyhow, bail};
use cara_control::vault::unattended;
use cara_services::vault::SHORTEST_PASSWORD;
use std::io::{IsTerminal, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The environment variable with the new password, for an unattended `rotate-password`.
const REPLACEMENT_VARIABLE: &str = "CARA_VAULT_NEW_PASSWORD";

/// Largest secret read from stdin, bytes.
const LARGEST: u64 = 64 * 1024;

/// Whether somebody is there who can be asked.
pub(crate) fn is_asked() -> bool {
    std::io::stdin().is_terminal()
}

/// The password of the vault: from the environment of this process, which is not that of the one that holds the home, else
/// from the terminal; none when nobody is there. After a wrong one only the terminal is asked.
pub(crate) fn vault_password(new: bool, folder: &Path, again: bool) -> Result<Option<String>> {
    if !again && let Some(value) = unattended(None).map_err(|error| anyhow!("{error}"))? {
        return Ok(Some(String::from_utf8(value.expose().to_vec())?));
    }
    if !is_asked() {
        return Ok(None);
    }
    if !new {
        return Ok(Some(line(&format!("Password of {}: ", folder.join("vault.json").display()))?.to_string()));
    }
    show::note("no keystore here: secrets go into an encrypted file; choose its password");
    new_password(&format!("New password for {}: ", folder.join("vault.json").display())).map(Some)
}

/// The password to change to: from the environment, else typed twice.
pub(crate) fn replacement() -> Result<String> {
    match std::env::var(REPLACEMENT_VARIABLE) {
        Ok(value) => Ok(value),
        Err(_) if is_asked() => new_password("New password: "),
        Err(_) => bail!("there is no terminal to ask on\nhint: set {REPLACEMENT_VARIABLE}"),
    }
}

/// The password of now, for who changes it: from the environment, else the terminal; none when nobody is there.
pub(crate) fn current(folder: &Path) -> Result<Option<String>> {
    vault_password(false, folder, false)
}

/// A new password, typed twice. The vault has the rule; here it is only told before the second time.
fn new_password(prompt: &str) -> Result<String> {
    loop {
        let first = line(prompt)?;
        if first.chars().count() < SHORTEST_PASSWORD {
            show::note(&format!("use at least {SHORTEST_PASSWORD} characters"));
            continue;
        }
        if *line("Again: ")? == *first {
            return Ok(first.to_string());
        }
        show::note("the two differ, once more");
    }
}

/// One line typed without being shown.
fn line(prompt: &str) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

/// A secret's value: typed on a terminal, or all of stdin without the line end.
pub(crate) fn secret_value(prompt: &str) -> Result<String> {
    if is_asked() {
        return Ok(line(prompt)?.to_string());
    }
    let mut text = String::new();
    let read = std::io::stdin().take(LARGEST + 1).read_to_string(&mut text);
    read.map_err(|error| anyhow!("the value on stdin cannot be read: {error}\nhint: a secret is text"))?;
    if text.len() as u64 > LARGEST {
        bail!("the value on stdin has over {LARGEST} bytes\nhint: a secret is a key or token, not a file");
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
