//! Names that are given: the agent, the channel and the person of a
//! conversation at a terminal.

use cara_authority::PersonId;

/// The agent that answers when none is named.
pub const AGENT: &str = "main";

/// The channel of a terminal.
pub const CONSOLE: &str = "console";

/// Who speaks at a terminal of the account that holds the home.
pub(crate) fn owner() -> PersonId {
    PersonId::parse("local:owner").expect("an id")
}
