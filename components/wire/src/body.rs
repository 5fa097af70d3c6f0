//! Pieces of a request's body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_sdk::Error;
use cara_sdk::provider::Effort;
use cara_sdk::types::{Blob, ToolCall, ToolDefinition};
use serde::Serialize;
use serde_json::value::RawValue;

/// A body written as JSON.
///
/// # Errors
/// `other` when it cannot be.
pub fn to_json<T: Serialize>(body: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::other(format!("the request cannot be written: {error}")))
}

/// The schema of a tool's arguments, as it is.
///
/// # Errors
/// `bad-request` when it is no JSON.
pub fn schema(tool: &ToolDefinition) -> Result<&RawValue, Error> {
    serde_json::from_str(&tool.input_schema)
        .map_err(|error| Error::bad_request(format!("the schema of the tool `{}` is no JSON: {error}", tool.name)))
}

/// The arguments of an earlier call as a JSON value, for formats that take them as one.
///
/// # Errors
/// `bad-request` when they are no JSON.
pub fn arguments(call: &ToolCall) -> Result<&RawValue, Error> {
    serde_json::from_str(&call.arguments)
        .map_err(|error| Error::bad_request(format!("the arguments of the call `{}` are no JSON: {error}", call.id)))
}

/// `{"type": "function", "function": ...}`, which wraps definitions, calls and choices alike.
#[derive(Debug, Serialize)]
pub struct Function<T> {
    /// Only of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    r#type: &'static str,
    function: T,
}

impl<T> Function<T> {
    pub(crate) const fn new(id: Option<String>, function: T) -> Self {
        Self { id, r#type: "function", function }
    }
}

/// A tool as a model is told of it.
#[derive(Debug, Serialize)]
pub struct Definition<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a RawValue,
}

/// A tool on offer.
pub type Tool<'a> = Function<Definition<'a>>;

/// The form of a tool's definition.
///
/// # Errors
/// `bad-request` for a schema that is no JSON.
pub fn tool(tool: &ToolDefinition) -> Result<Tool<'_>, Error> {
    let (name, description) = (&tool.name, &tool.description);
    Ok(Function::new(None, Definition { name, description, parameters: schema(tool)? }))
}

/// The word for an effort; none for no thinking, which vendors say in different ways.
#[must_use]
pub const fn effort(effort: Effort) -> Option<&'static str> {
    match effort {
        Effort::Off => None,
        Effort::Low => Some("low"),
        Effort::Medium => Some("medium"),
        Effort::High => Some("high"),
    }
}

/// Bytes in base64 (RFC 4648 section 4).
#[must_use]
pub fn base64(blob: &Blob) -> String {
    STANDARD.encode(&blob.data)
}

/// Bytes as a `data:` URL (RFC 2397).
#[must_use]
pub fn data_url(blob: &Blob) -> String {
    let mut url = format!("data:{};base64,", blob.media_type);
    STANDARD.encode_string(&blob.data, &mut url);
    url
}
