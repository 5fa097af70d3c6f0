//! The assistant as a whole: a model that obeys the attacker,
//! sensible ones, and what must hold around them.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails where it is")]

#[path = "assistant/approvals.rs"]
mod approvals;
#[path = "assistant/attacks.rs"]
mod attacks;
#[path = "assistant/benign.rs"]
mod benign;
#[path = "assistant/budgets.rs"]
mod budgets;
#[path = "assistant/compaction.rs"]
mod compaction;
#[path = "assistant/hijacked.rs"]
mod hijacked;
#[path = "assistant/oracle.rs"]
mod oracle;
#[path = "assistant/readings.rs"]
mod readings;
#[path = "assistant/rounds.rs"]
mod rounds;
#[path = "assistant/routes.rs"]
mod routes;
#[path = "assistant/special.rs"]
mod special;
#[path = "assistant/tasks.rs"]
mod tasks;
