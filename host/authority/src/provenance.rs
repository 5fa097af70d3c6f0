//! Where the text of a destination came from.

/// How the text of a destination came into a call, the best known first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// The operator's configuration names the destination for private data.
    Configured,
    /// The owner wrote the destination, letter by letter, in this session.
    Owner,
    /// The destination stands, letter by letter, in content that the run has read.
    Content,
    /// The model put the destination together.
    Model,
}
