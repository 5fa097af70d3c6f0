//! `[audit]`: where the daemon anchors the head of the audit log, and how
//! often.

use crate::error::{Error, Result, fail};
use cara_authority::Destination;
use cara_authority::limits::Time;
use cara_sdk_sign::Endpoint;
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// How often the daemon anchors unless the configuration says otherwise.
const EVERY: Duration = Duration::from_secs(3_600);

/// The shortest time between two anchors.
const LEAST: Duration = Duration::from_secs(60);

/// What becomes of the audit log beside the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct AuditSettings {
    /// Where the head of the log is kept, so that an older copy of the ledger that is put back is noticed.
    pub(crate) anchor: AnchorSettings,
}

/// Where the head of the audit log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct AnchorSettings {
    /// A file outside the home to which a line is added each time, such as on another disk.
    pub(crate) file: Option<PathBuf>,
    /// A URL to which the line is sent (POST, JSON): `https` to a public host, or `http` on this machine.
    pub(crate) url: Option<String>,
    /// A transparency log (Rekor, API version 1) that gets the digest of each line and the home's public key, for ever; its
    /// proof stands in `file`.
    pub(crate) log: Option<String>,
    /// How often `cara start` does it, where something happened since; `"1h"` unless set, at least `"1m"`. It does it when
    /// it ends, too.
    pub(crate) every: Time,
}

impl Default for AnchorSettings {
    fn default() -> Self {
        Self { file: None, url: None, log: None, every: Time(EVERY) }
    }
}

impl AnchorSettings {
    /// Whether nothing is anchored.
    pub(crate) fn is_off(&self) -> bool {
        self.file.is_none() && self.url.is_none()
    }

    /// Whether the parts fit each other, and each names something that can be written to.
    ///
    /// # Errors
    ///
    /// One does not.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(file) = self.file.as_ref().filter(|file| !file.is_absolute()) {
            fail!(Invalid, "`audit.anchor.file` is `{}`\nhint: write its whole path, from `/` on", file.display());
        }
        if let Some(url) = &self.url {
            Destination::named(&Method::POST, url)
                .map_err(|refused| Error::from(refused).context("`audit.anchor.url`"))?;
        }
        if let Some(log) = &self.log {
            log.parse::<Endpoint>().map_err(|error| Error::from(error).context("`audit.anchor.log`"))?;
            if self.file.is_none() {
                fail!(
                    Invalid,
                    "`audit.anchor.log` is set, and `audit.anchor.file`, which keeps the log's proof, is not\n\
                     hint: `cara config set audit.anchor.file PATH`"
                );
            }
        }
        if self.every.0 < LEAST {
            fail!(
                Invalid,
                "`audit.anchor.every` is shorter than a minute\nhint: `cara config set audit.anchor.every 1m`"
            );
        }
        if self.is_off() && self.every.0 != EVERY {
            fail!(
                Invalid,
                "`audit.anchor.every` counts only with `audit.anchor.file` or `audit.anchor.url`\n\
                 hint: `cara config unset audit.anchor.every`, or set one of them"
            );
        }
        Ok(())
    }
}
