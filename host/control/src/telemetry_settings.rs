//! `[telemetry]`: who is told of traces and metrics.

use crate::error::{Error, Result, fail};
use cara_authority::Destination;
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

/// Who is told of traces and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct TelemetrySettings {
    /// The URL of an OpenTelemetry collector that takes OTLP over HTTP, `http://127.0.0.1:4318`: `https` to a public host, or
    /// `http` on this machine. Nobody is told unless set.
    pub(crate) otlp: Option<String>,
}

impl TelemetrySettings {
    /// Whether somebody can be told so.
    ///
    /// # Errors
    ///
    /// It is no URL of a collector that may be reached.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(url) = &self.otlp else { return Ok(()) };
        if url.contains(['?', '#']) {
            fail!(Invalid, "`telemetry.otlp` has a query\nhint: write it like `http://127.0.0.1:4318`");
        }
        Destination::named(&Method::POST, url).map_err(|refused| Error::from(refused).context("`telemetry.otlp`"))?;
        Ok(())
    }
}
