//! Random bytes, as in `wasi:random`. Only for channels.

use crate::host;

/// So many bytes from the system's generator, fit for keys.
///
/// ```
/// let bytes = cara_sdk::testing::MockHost::new().run(|| cara_sdk::random::bytes(32));
/// assert_eq!(bytes.len(), 32);
/// ```
#[must_use]
pub fn bytes(length: u64) -> Vec<u8> {
    host::random::get_random_bytes(length)
}
