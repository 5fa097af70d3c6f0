//! The vault's password: from the environment of this process, which is not
//! that of the one that holds the home, or from its terminal.

use crate::output::show;
use anyhow::{Result, anyhow, bail};
use cara_control::vault::unattended;
use cara_services::vault::SHORTEST_PASSWORD;
use cara_terminal::password::{is_asked, line, new};
use std::path::Path;

/// The environment variable with the new password, for an unattended `rotate-password`.
const REPLACEMENT_VARIABLE: &str = "CARA_VAULT_NEW_PASSWORD";

/// The password of the vault; none when nobody is there. After a wrong one only the terminal is asked.
pub(crate) fn vault_password(missing: bool, folder: &Path, again: bool) -> Result<Option<String>> {
    if !again && let Some(value) = unattended(None).map_err(|error| anyhow!("{error}"))? {
        return Ok(Some(String::from_utf8(value.expose().to_vec())?));
    }
    if !is_asked() {
        return Ok(None);
    }
    let file = folder.join("vault.json");
    if !missing {
        return Ok(Some(line(&format!("Password of {}: ", file.display()))?.to_string()));
    }
    show::note("no keystore here: secrets go into an encrypted file; choose its password");
    Ok(Some(new(&format!("New password for {}: ", file.display()), SHORTEST_PASSWORD)?))
}

/// The password to change to: from the environment, else typed twice.
pub(crate) fn replacement() -> Result<String> {
    match std::env::var(REPLACEMENT_VARIABLE) {
        Ok(value) => Ok(value),
        Err(_) if is_asked() => Ok(new("New password: ", SHORTEST_PASSWORD)?),
        Err(_) => bail!("there is no terminal to ask on\nhint: set {REPLACEMENT_VARIABLE}"),
    }
}
