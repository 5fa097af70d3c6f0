//! Running a program in the process jail, as in `wit/exec.wit`.
//! Only for tools.

pub use crate::bindings::tool_component::cara::plugin::exec::{Command, Outcome, run};
