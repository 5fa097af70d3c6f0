//! Secrets as keys, and which are at hand, as in `wit/secrets.wit`.
//!
//! A secret that stands in requests needs nothing of this: the host fills the headers and query keys that the manifest
//! names (`place`), and any other place is marked with [`marker`].

use crate::host;
use crate::types::Refusal;

/// What a component writes where the value of the secret `name` belongs: in a path, a form or a JSON body that the
/// manifest names as its `place`. It is no secret, and anywhere else it is text like any other.
///
/// ```
/// let url = format!("https://api.telegram.org/bot{}/getMe", cara_sdk::secrets::marker("bot-token"));
/// assert_eq!(url, "https://api.telegram.org/botcara-secret--bot-token/getMe");
/// ```
#[must_use]
pub fn marker(name: &str) -> String {
    format!("cara-secret--{name}")
}

/// Whether a value is at hand, for components that work without it or with either of two.
///
/// # Errors
/// `unavailable` when no value is stored; `undeclared` or `ungranted` when the component may not spend it. The text names
/// the cure.
///
/// ```
/// use cara_sdk::{secrets, testing::MockHost};
///
/// assert!(MockHost::new().secret("api-key").run(|| secrets::available("api-key")).is_ok());
/// assert!(MockHost::new().run(|| secrets::available("api-key")).is_err());
/// ```
pub fn available(name: &str) -> Result<(), Refusal> {
    host::secrets::available(name)
}

/// A signature of `data` by the secret `name`, as its `key` in the manifest says. With `chain = "aws-v4"`, `data` is a
/// string to sign of AWS Signature Version 4.
///
/// # Errors
/// As [`available`]; `denied` when the secret is no key, `invalid` when its value is no such key or `data` is not what it
/// signs.
///
/// ```
/// use cara_sdk::{secrets, testing::MockHost};
///
/// let mock = MockHost::new().secret("key").signature(*b"signed");
/// assert_eq!(mock.run(|| secrets::sign("key", b"data")).unwrap(), b"signed");
/// ```
pub fn sign(name: &str, data: &[u8]) -> Result<Vec<u8>, Refusal> {
    host::secrets::sign(name, data)
}
