//! The kinds of components: what each exports and has in its manifest.

/// The contract this host speaks; `0.2.x` of it is accepted.
pub const CONTRACT: &str = "cara:plugin@0.2";

crate::words! {
    /// What a component is, by what it exports.
    Kind {
        /// Offers language models.
        Provider = "provider",
        /// Offers tools.
        Tool = "tool",
        /// Connects a chat network.
        Channel = "channel",
    }
}

impl Kind {
    /// The table of a manifest that makes a component one of this kind.
    pub fn table(self) -> &'static str {
        match self {
            Self::Provider => "[provider]",
            Self::Tool => "[[tool]]",
            Self::Channel => "[channel]",
        }
    }
}
