//! How the assistant is set up, as in `wit/configuration.wit`. Only for tools.

use crate::host;
use crate::types::Refusal;

/// The part of the configuration at a dotted path (empty for all of it), as JSON; `None` when nothing is set there.
///
/// # Errors
/// When `configuration` is not granted.
///
/// ```
/// use cara_sdk::configuration;
/// use cara_sdk::testing::MockHost;
///
/// let mock = MockHost::new().configuration(std::collections::BTreeMap::from([("chat", [1, 2])]));
/// assert_eq!(mock.run(|| configuration::read("chat")).unwrap().as_deref(), Some("[1,2]"));
/// assert_eq!(mock.run(|| configuration::read("chat.model")).unwrap(), None);
/// ```
pub fn read(path: &str) -> Result<Option<String>, Refusal> {
    host::configuration::read(path)
}
