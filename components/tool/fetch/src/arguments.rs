//! What the tool is called with. The schema in the manifest is made of it.

use schemars::JsonSchema;
use serde::Deserialize;

/// The arguments of `fetch_page`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wanted {
    /// Whole address, beginning with https://.
    #[schemars(length(min = 1, max = 8192))]
    pub(crate) url: String,
    /// True for the HTML itself in place of its text.
    #[serde(default)]
    pub(crate) raw: bool,
    /// Most characters to answer; 20000 when left out.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) max_characters: Option<usize>,
    /// Characters to leave out at the beginning, to read on where an answer was cut.
    #[serde(default)]
    #[schemars(range(min = 0, max = 4_194_304))]
    pub(crate) offset: usize,
}
