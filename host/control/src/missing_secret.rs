//! How a secret is given that is not there.

use cara_authority::manifest::Secret;
use cara_services::vault::SecretId;

/// How to give a value of a secret: for one terminal, or for good.
pub(crate) fn giving(id: &SecretId, secret: &Secret) -> String {
    let variable = secret.env.first().map(|name| format!("`export {name}=…` for this terminal, or "));
    format!("{}{}", variable.unwrap_or_default(), storing(id))
}

/// How to store one for good.
pub(crate) fn storing(id: &SecretId) -> String {
    format!("`cara secrets set {id}` to store one")
}
