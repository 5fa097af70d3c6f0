//! Requests, read strictly: what is wrong is named by its place.

use crate::refusal::Refusal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Why most fields are not honoured.
pub(super) const NO_PROVIDER: &str = "no provider here takes it";

/// Why nobody says what is kept for the next request.
pub(super) const CACHED: &str = "the vendor's cache is the provider's to use";

/// Why nobody is told for whom a request is made.
pub(super) const PERSONS: &str = "nothing about persons is told to vendors; the credential says who asks";

/// Reads a request. The usual case is read once; only what is wrong is looked at again, for its place.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| placed::<T>(body).unwrap_or_else(|| wrong("", &error.to_string())))
}

fn placed<T: DeserializeOwned>(body: &[u8]) -> Option<Refusal> {
    let reader = &mut serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, T>(reader).err()?;
    let path = error.path().to_string();
    let inner = error.into_inner();
    let message = inner.to_string();
    if !inner.is_data() {
        let why = message.split(" at line ").next().unwrap_or(&message);
        let text = format!("the body is no JSON: {why}\nhint: send one JSON object");
        return Some(Refusal::new(http::StatusCode::BAD_REQUEST, text));
    }
    // The field itself is not in the path of what it is unknown to.
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')).map(|(name, _)| name);
    let path = if path == "." { String::new() } else { path };
    Some(match unknown {
        Some(name) => {
            let param = match path.strip_suffix(name) {
                Some(_) if path == name || path.ends_with(&format!(".{name}")) => path,
                _ if path.is_empty() => name.to_owned(),
                _ => format!("{path}.{name}"),
            };
            let text = format!("`{param}` is not a field that is known here\nhint: leave it out");
            Refusal::field(param, text)
        }
        None => wrong(&path, &message),
    })
}

fn wrong(path: &str, message: &str) -> Refusal {
    let message = message.split(" at line ").next().unwrap_or(message);
    match path {
        "" => Refusal::new(http::StatusCode::BAD_REQUEST, format!("the body cannot be read: {message}")),
        path => Refusal::field(path, format!("`{path}` cannot be read: {message}")),
    }
}

/// A field that is known and that nobody here can honour: only values that say what is done anyway are taken.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Unsupported(Option<Box<RawValue>>);

impl Unsupported {
    /// Refuses every value but nothing, an empty one, and those that are as good as nothing.
    pub(super) fn refuse(&self, name: &str, harmless: &[&str], why: &str) -> Result<(), Refusal> {
        let Some(value) = &self.0 else { return Ok(()) };
        let value = value.get().trim();
        let is_nothing = ["null", "{}", "[]", "\"\""].contains(&value) || harmless.contains(&value);
        if is_nothing { Ok(()) } else { Err(Refusal::unsupported(name, why)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Shape;

    #[test]
    fn what_is_no_json_has_no_field_at_fault() {
        for body in ["{bad", "{\"model\":", "{\"model\": x}"] {
            let Err(refusal) = read::<std::collections::BTreeMap<String, String>>(body.as_bytes()) else {
                panic!("{body} is read")
            };
            let error = refusal.json(Shape::OpenAi)["error"].clone();
            assert!(error["param"].is_null(), "{body}: {error}");
            assert!(refusal.message().starts_with("the body is no JSON: "), "{refusal:?}");
        }
    }
}
