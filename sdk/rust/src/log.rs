//! Diagnostics for the operator, as in `wit/log.wit`.
//!
//! ```
//! use cara_sdk::{log, testing::MockHost};
//!
//! let mock = MockHost::new();
//! mock.run(|| log::info("the list was refreshed", &[("models", "12")]));
//! assert_eq!(mock.lines()[0].level, log::Level::Info);
//! ```

use crate::host;

pub use crate::bindings::provider_component::cara::plugin::log::Level;

/// Writes one line with its fields. Put no secret and no message of a person in either.
///
/// The host escapes control characters and cuts the line at 4 KiB; after 1 000 lines in a call the rest is counted.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::log::write(cara_sdk::log::Level::Trace, "a line", &[("bytes", "12")]);
/// # });
/// ```
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    host::log::write(level, message, &fields);
}

/// Writes what only helps when looking for a fault.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::log::debug("asked again", &[("after-ms", "250")]);
/// # });
/// ```
pub fn debug(message: &str, fields: &[(&str, &str)]) {
    write(Level::Debug, message, fields);
}

/// Writes what an operator may want to know.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::log::info("the list was refreshed", &[]);
/// # });
/// ```
pub fn info(message: &str, fields: &[(&str, &str)]) {
    write(Level::Info, message, fields);
}

/// Writes what an operator should look at.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::log::warn("the server is slow", &[("ms", "9000")]);
/// # });
/// ```
pub fn warn(message: &str, fields: &[(&str, &str)]) {
    write(Level::Warn, message, fields);
}

/// Writes what made the call fail.
///
/// ```
/// # cara_sdk::testing::MockHost::new().run(|| {
/// cara_sdk::log::error("the answer is no JSON", &[]);
/// # });
/// ```
pub fn error(message: &str, fields: &[(&str, &str)]) {
    write(Level::Error, message, fields);
}
