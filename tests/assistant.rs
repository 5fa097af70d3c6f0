//! The assistant as a whole: a model that obeys the attacker,
//! sensible ones, and what must hold around them.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails where it is")]

mod approvals;
mod attacks;
mod benign;
mod budgets;
mod compaction;
mod edges;
mod hijacked;
mod labels;
mod names;
mod oracle;
mod quarantine;
mod readings;
mod resumed;
mod rounds;
mod routes;
mod special;
mod tasks;
mod thirty_days;
