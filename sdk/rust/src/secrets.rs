//! Spending secrets without seeing them, as in `wit/secrets.wit`.

pub use crate::bindings::provider_component::cara::plugin::secrets::{Algorithm, Key, basic, placeholder};
use crate::types::Refusal;

/// A placeholder for a secret the component can do without; `None` when none is stored or granted.
///
/// # Errors
/// Every other refusal.
pub fn optional(name: &str) -> Result<Option<String>, Refusal> {
    match placeholder(name) {
        Ok(placeholder) => Ok(Some(placeholder)),
        Err(Refusal::Unavailable(_) | Refusal::Ungranted(_)) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}
