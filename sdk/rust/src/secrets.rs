//! Spending secrets without seeing them, as in `wit/secrets.wit`.

use crate::host;
use crate::types::Refusal;

pub use crate::bindings::provider_component::cara::plugin::secrets::Algorithm;

/// A string that stands for the secret `name`: random, valid for this call only, made of `[A-Za-z0-9-]`. Put it where
/// the value belongs in an HTTP request; the host exchanges it on the wire, only toward the audience and only in the
/// places the manifest names. Anywhere else it fails the request.
///
/// # Errors
/// `unavailable` when no value is stored; `undeclared` or `ungranted` when the component may not spend it.
///
/// ```
/// use cara_sdk::{secrets, testing::World};
///
/// let world = World::new().secret("api-key", "s3cret");
/// assert_eq!(world.run(|| secrets::placeholder("api-key")).unwrap(), "placeholder-api-key");
/// ```
pub fn placeholder(name: &str) -> Result<String, Refusal> {
    host::secrets::placeholder(name)
}

/// A string that stands for base64("user:secret"), for `Authorization: Basic` (RFC 7617). `user` has no colon.
///
/// # Errors
/// As [`placeholder`]; `invalid` for such a user.
///
/// ```
/// use cara_sdk::{secrets, testing::World};
///
/// let world = World::new().secret("password", "s3cret");
/// assert!(world.run(|| secrets::basic("kari", "password")).is_ok());
/// assert!(world.run(|| secrets::basic("ka:ri", "password")).is_err());
/// ```
pub fn basic(user: &str, name: &str) -> Result<String, Refusal> {
    host::secrets::basic(user, name)
}

/// A placeholder for a secret the component can do without; `None` when none is stored or granted.
///
/// # Errors
/// Every other refusal.
///
/// ```
/// use cara_sdk::{secrets, testing::World};
///
/// assert_eq!(World::new().run(|| secrets::optional("api-key")).unwrap(), None);
/// ```
pub fn optional(name: &str) -> Result<Option<String>, Refusal> {
    match placeholder(name) {
        Ok(placeholder) => Ok(Some(placeholder)),
        Err(Refusal::Unavailable(_) | Refusal::Ungranted(_)) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A key that computes inside the host; its bytes never come out.
///
/// ```
/// use cara_sdk::{secrets::Key, testing::World};
///
/// // RFC 4231, test case 2.
/// let world = World::new().secret("key", "Jefe");
/// let mac = world.run(|| Key::open("key", None)?.mac(b"what do ya want for nothing?")).unwrap();
/// assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
/// ```
pub struct Key(host::secrets::Key);

impl Key {
    /// The secret `name`, with the bytes of `prefix` (at most 256) before it: AWS Signature Version 4 starts with
    /// `AWS4` and the secret.
    ///
    /// # Errors
    /// As [`placeholder`]; `invalid` for a longer prefix.
    pub fn open(name: &str, prefix: Option<&str>) -> Result<Self, Refusal> {
        host::secrets::Key::open(name, prefix).map(Self)
    }

    /// HMAC-SHA256(key, data) as a new key.
    ///
    /// # Errors
    /// `limit` when the call holds too many handles.
    pub fn derive(&self, data: &[u8]) -> Result<Self, Refusal> {
        self.0.derive(data).map(Self)
    }

    /// HMAC-SHA256(key, data), 32 bytes.
    ///
    /// # Errors
    /// What the host refuses.
    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.0.mac(data)
    }

    /// A signature by the secret, which is a PKCS #8 private key in PEM.
    ///
    /// # Errors
    /// `invalid` when the secret is no such key.
    pub fn sign(&self, algorithm: Algorithm, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.0.sign(algorithm, data)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}
