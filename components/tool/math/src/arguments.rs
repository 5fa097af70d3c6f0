//! What the tool is called with. The schema in the manifest is made of it.

use schemars::JsonSchema;
use serde::Deserialize;

/// The arguments of `math_evaluate`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Evaluate {
    #[schemars(length(min = 1, max = 500))]
    pub(crate) expression: String,
}
