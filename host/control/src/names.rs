//! Names that are given: the agent, the channel and the person of a
//! conversation at a terminal.

/// The agent that answers when none is named.
pub const AGENT: &str = "main";

/// The channel of a terminal.
pub const CONSOLE: &str = "console";

/// The channel of programs that talk to an agent.
pub(crate) const PROGRAMS: &str = "api";
