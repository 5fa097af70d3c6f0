//! What the tools are called with.
//!
//! The schemas in the signed manifest are made of it; the descriptions are told to the model.

use schemars::JsonSchema;
use serde::Deserialize;

/// The arguments of `{{snake}}_greet`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Greet {
    /// Who is greeted.
    #[schemars(length(min = 1, max = 80))]
    pub(crate) name: String,
    /// How often; once when left out.
    #[schemars(range(min = 1, max = 3))]
    pub(crate) times: Option<usize>,
}

/// The arguments of `{{snake}}_title`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Title {
    /// Its path, without a slash before it.
    #[schemars(length(max = 200), regex(pattern = "^[A-Za-z0-9/._-]*$"))]
    pub(crate) page: String,
}
