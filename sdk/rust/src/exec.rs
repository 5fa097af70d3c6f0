//! Running a program in the process jail, as in `wit/exec.wit`.
//! Only for tools.

use crate::host;
use crate::types::Refusal;

pub use crate::bindings::tool_component::cara::plugin::exec::{Command, Outcome};

/// Runs a program to its end; needs an approval where the policy says so.
///
/// # Errors
/// When it is not granted, a person said no, or the program cannot be started.
///
/// ```
/// use cara_sdk::exec::{self, Command, Outcome};
/// use cara_sdk::testing::MockHost;
///
/// let done = Outcome { code: Some(0), stdout: b"ok\n".to_vec(), stderr: Vec::new() };
/// let mock = MockHost::new().outcome(done.clone());
/// let command = Command {
///     executable: "/usr/bin/true".to_owned(),
///     arguments: Vec::new(),
///     stdin: Vec::new(),
///     timeout_ms: 1_000,
/// };
/// assert_eq!(mock.run(|| exec::run(&command)).unwrap(), done);
/// assert_eq!(mock.commands(), [command]);
/// ```
pub fn run(command: &Command) -> Result<Outcome, Refusal> {
    host::exec::run(command)
}
