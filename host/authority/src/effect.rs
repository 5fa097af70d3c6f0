//! What a call of a tool can do to the world outside it.

crate::words! {
    /// What a call of a tool does beyond answering.
    Effect {
        /// Reads what belongs to the person.
        ReadsPrivate = "reads-private",
        /// Reads what strangers wrote.
        ReadsUntrusted = "reads-untrusted",
        /// Sends data out of the conversation.
        SendsOutside = "sends-outside",
        /// Changes something that lasts.
        ChangesState = "changes-state",
        /// Runs a program.
        RunsCode = "runs-code",
        /// Costs money.
        Spends = "spends",
    }
}

impl Effect {
    /// Whether it does something to the world beyond the conversation.
    pub fn reaches_out(self) -> bool {
        matches!(self, Self::SendsOutside | Self::ChangesState | Self::RunsCode | Self::Spends)
    }
}
