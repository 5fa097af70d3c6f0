//! What is known of the person, as in `wit/memory.wit`. Only for tools.
//!
//! ```
//! use cara_sdk::memory;
//! use cara_sdk::testing::MockHost;
//!
//! MockHost::new().run(|| {
//!     memory::write("travel/seat", "by the window").unwrap();
//!     assert_eq!(memory::search("window", 10).unwrap()[0].key, "travel/seat");
//! });
//! ```

use crate::host;
use crate::types::Refusal;

pub use crate::bindings::tool_component::cara::plugin::memory::Entry;

/// Remembers a value of at most 16 KiB under a key of 1 to 128 bytes, in place of an earlier one.
///
/// # Errors
/// `limit` when a person's entries are over 1 000 or 1 MiB; `invalid` for such a key; when `memory` is not granted.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::memory::write("travel/seat", "by the window")?;
/// # Ok::<(), cara_sdk::Error>(()) }).unwrap();
/// ```
pub fn write(key: &str, value: &str) -> Result<(), Refusal> {
    host::memory::write(key, value)
}

/// The entry under this key.
///
/// # Errors
/// When `memory` is not granted.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// assert_eq!(cara_sdk::memory::read("travel/seat")?, None);
/// # Ok::<(), cara_sdk::Error>(()) }).unwrap();
/// ```
pub fn read(key: &str) -> Result<Option<Entry>, Refusal> {
    host::memory::read(key)
}

/// Forgets a key; false when there is none.
///
/// # Errors
/// When `memory` is not granted.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::memory::write("a", "b")?;
/// assert!(cara_sdk::memory::delete("a")?);
/// # Ok::<(), cara_sdk::Error>(()) }).unwrap();
/// ```
pub fn delete(key: &str) -> Result<bool, Refusal> {
    host::memory::delete(key)
}

/// The keys that begin with `prefix`, sorted by bytes.
///
/// # Errors
/// When `memory` is not granted.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::memory::write("travel/seat", "by the window")?;
/// assert_eq!(cara_sdk::memory::keys("travel/")?, ["travel/seat"]);
/// # Ok::<(), cara_sdk::Error>(()) }).unwrap();
/// ```
pub fn keys(prefix: &str) -> Result<Vec<String>, Refusal> {
    host::memory::keys(prefix)
}

/// The entries in which all words of `query` occur, the best first, at most `most` (1 to 50).
///
/// # Errors
/// When `memory` is not granted.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::memory::write("travel/seat", "by the window")?;
/// assert_eq!(cara_sdk::memory::search("seat wind", 10)?.len(), 1);
/// # Ok::<(), cara_sdk::Error>(()) }).unwrap();
/// ```
pub fn search(query: &str, most: u32) -> Result<Vec<Entry>, Refusal> {
    host::memory::search(query, most)
}
