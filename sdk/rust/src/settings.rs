//! What the operator configured, as in `wit/settings.wit`, read into a type.

use serde::de::DeserializeOwned;

use crate::{Error, host};

/// The value of a setting that the manifest declares; `None` when it has none and no default.
///
/// # Errors
/// `bad-request` when the value does not fit `T`.
///
/// ```
/// use cara_sdk::{settings, testing::MockHost};
///
/// let mock = MockHost::new().setting("retries", 3);
/// assert_eq!(mock.run(|| settings::get::<u32>("retries")).unwrap(), Some(3));
/// assert_eq!(mock.run(|| settings::get::<u32>("other")).unwrap(), None);
/// assert!(mock.run(|| settings::get::<bool>("retries")).is_err());
/// ```
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    host::settings::get(key).map(|text| parse(key, &text)).transpose()
}

/// Reads the JSON text of the setting `key`.
fn parse<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::bad_request(format!("the setting `{key}` does not fit: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_value_is_read_as_json() {
        assert_eq!(parse::<String>("base-url", "\"http://h\"").unwrap(), "http://h");
        assert_eq!(parse::<u32>("count", "3").unwrap(), 3);
    }

    #[test]
    fn a_value_of_another_type_names_its_key() {
        let error = parse::<u32>("count", "\"three\"").unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains("`count`"));
    }
}
