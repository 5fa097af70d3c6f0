//! What the tools are called with. The schemas in the manifest are made of it.

use schemars::JsonSchema;
use serde::Deserialize;

/// The arguments of `time_now`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Now {
    /// IANA time zone, for example Europe/Oslo. The person's own when left out, else UTC.
    pub(crate) zone: Option<String>,
}

/// The arguments of `time_convert`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Convert {
    /// ISO 8601, for example 2026-03-29T14:30. With an offset or zone in brackets, `from` is not needed.
    pub(crate) time: String,
    /// IANA time zone of `time`. The person's own when left out, else UTC.
    pub(crate) from: Option<String>,
    /// IANA time zone to convert to.
    pub(crate) to: String,
}
