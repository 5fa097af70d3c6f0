//! How a secret is given that is not there.

use cara_authority::manifest::Secret;
use cara_services::vault::SecretId;

/// How to give a value of a secret: for good, or for one terminal.
pub(crate) fn giving(id: &SecretId, secret: &Secret) -> String {
    let variable = secret.env.first().map(|name| format!(", or `export {name}=…` for one terminal"));
    format!("{}{}", storing(id), variable.unwrap_or_default())
}

/// How to store one for good.
pub(crate) fn storing(id: &SecretId) -> String {
    format!("`cara secrets set {id}` to store one")
}
