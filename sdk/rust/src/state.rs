//! What outlives a call, as in `wit/state.wit`: bytes, and JSON over them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::Refusal;
use crate::{Error, host};

pub use crate::bindings::provider_component::cara::plugin::state::Entry;

/// How often [`update_json`] begins again when another call was faster.
const TRIES: u32 = 8;

/// Reads a key (1 to 256 bytes); `None` when it does not exist.
///
/// # Errors
/// When `state` is not granted, or the key is not of that length.
///
/// ```
/// use cara_sdk::{state, testing::MockHost};
///
/// let mock = MockHost::new().state("key", "value");
/// let entry = mock.run(|| state::get("key")).unwrap().unwrap();
/// assert_eq!((entry.value.as_slice(), entry.revision), (b"value".as_slice(), 1));
/// ```
pub fn get(key: &str) -> Result<Option<Entry>, Refusal> {
    host::state::get(key)
}

/// Writes a value of at most 256 KiB and returns its revision once it is durable. With `expected` only if the stored
/// revision is that; 0: the key must not exist.
///
/// # Errors
/// `conflict` when the revision is another; `limit` when the component's state is full; when `state` is not granted.
///
/// ```
/// use cara_sdk::{state, testing::MockHost, types::Refusal};
///
/// MockHost::new().run(|| {
///     let revision = state::put("key", b"one", Some(0)).unwrap();
///     state::put("key", b"two", Some(revision)).unwrap();
///     assert_eq!(state::put("key", b"three", Some(revision)), Err(Refusal::Conflict));
/// });
/// ```
pub fn put(key: &str, value: &[u8], expected: Option<u64>) -> Result<u64, Refusal> {
    host::state::put(key, value, expected)
}

/// Removes a key; removing one that does not exist succeeds. `expected` as in [`put`].
///
/// # Errors
/// As [`put`].
///
/// ```
/// use cara_sdk::{state, testing::MockHost};
///
/// let mock = MockHost::new().state("key", "value");
/// mock.run(|| state::delete("key", None)).unwrap();
/// assert_eq!(mock.stored("key"), None);
/// ```
pub fn delete(key: &str, expected: Option<u64>) -> Result<(), Refusal> {
    host::state::delete(key, expected)
}

/// The keys that begin with `prefix`, sorted by bytes, at most 1 000.
///
/// # Errors
/// When `state` is not granted.
///
/// ```
/// use cara_sdk::{state, testing::MockHost};
///
/// let mock = MockHost::new().state("b/1", "").state("a/2", "").state("a/1", "");
/// assert_eq!(mock.run(|| state::keys("a/")).unwrap(), ["a/1", "a/2"]);
/// ```
pub fn keys(prefix: &str) -> Result<Vec<String>, Refusal> {
    host::state::keys(prefix)
}

/// Reads a value as JSON; `None` when the key does not exist.
///
/// # Errors
/// As [`get`]; `other` when what is stored does not fit `T`, as after an update that changed the type.
///
/// ```
/// use cara_sdk::{state, testing::MockHost};
///
/// let mock = MockHost::new().state("seen", "[1,2]");
/// assert_eq!(mock.run(|| state::get_json::<Vec<u32>>("seen")).unwrap(), Some(vec![1, 2]));
/// assert_eq!(mock.run(|| state::get_json::<Vec<u32>>("other")).unwrap(), None);
/// assert!(mock.run(|| state::get_json::<String>("seen")).is_err());
/// ```
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    get(key)?.map(|entry| parse(key, &entry.value)).transpose()
}

/// Writes a value as JSON, whatever was there; [`update_json`] is for what depends on that.
///
/// # Errors
/// As [`put`]; `other` when `value` cannot be written as JSON.
///
/// ```
/// use cara_sdk::{state, testing::MockHost};
///
/// let mock = MockHost::new();
/// mock.run(|| state::put_json("seen", &[1, 2])).unwrap();
/// assert_eq!(mock.stored("seen").unwrap(), b"[1,2]");
/// ```
pub fn put_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), Error> {
    put(key, &write(key, value)?, None)?;
    Ok(())
}

/// Changes a JSON value and returns what is then stored. `change` gets what is there, and is called again with what is
/// new when another call wrote in between, so no change is lost; it should do nothing else.
///
/// # Errors
/// As [`get_json`] and [`put_json`]; what `change` returned, with nothing written; `other`, to be retried, after eight
/// conflicts.
///
/// ```
/// use cara_sdk::{state, testing::MockHost};
///
/// // Another call writes between reading and writing.
/// let mock = MockHost::new().before_put(|| {
///     state::put_json("count", &10).unwrap();
/// });
/// let count = mock.run(|| state::update_json("count", |count: Option<u32>| Ok(count.unwrap_or(0) + 1)));
/// assert_eq!(count.unwrap(), 11);
/// ```
pub fn update_json<T, F>(key: &str, mut change: F) -> Result<T, Error>
where
    T: Serialize + DeserializeOwned,
    F: FnMut(Option<T>) -> Result<T, Error>,
{
    for _ in 0..TRIES {
        let (found, revision) = match get(key)? {
            Some(entry) => (Some(parse(key, &entry.value)?), entry.revision),
            None => (None, 0),
        };
        let value = change(found)?;
        match put(key, &write(key, &value)?, Some(revision)) {
            Ok(_) => return Ok(value),
            Err(Refusal::Conflict) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let mut error = Error::other(format!("other calls changed `{key}` of the state at the same time"));
    error.retry = true;
    Err(error)
}

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value)
        .map_err(|error| Error::other(format!("what is stored under `{key}` does not fit: {error}")))
}

fn write<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::other(format!("the value for `{key}` is no JSON: {error}")))
}
