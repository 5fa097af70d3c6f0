//! Diagnostics for the operator, as in `wit/log.wit`.

pub use crate::bindings::provider_component::cara::plugin::log::Level;
use crate::bindings::provider_component::cara::plugin::log::write as write_line;

/// Writes one line with its fields. Put no secret and no message of a person in either.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    write_line(level, message, &fields);
}

/// Writes what only helps when looking for a fault.
pub fn debug(message: &str, fields: &[(&str, &str)]) {
    write(Level::Debug, message, fields);
}

/// Writes what an operator may want to know.
pub fn info(message: &str, fields: &[(&str, &str)]) {
    write(Level::Info, message, fields);
}

/// Writes what an operator should look at.
pub fn warn(message: &str, fields: &[(&str, &str)]) {
    write(Level::Warn, message, fields);
}

/// Writes what made the call fail.
pub fn error(message: &str, fields: &[(&str, &str)]) {
    write(Level::Error, message, fields);
}
