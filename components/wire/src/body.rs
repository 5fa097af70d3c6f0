//! Pieces of a request's body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_sdk::Error;
use cara_sdk::provider::{Request, ToolChoice};
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

/// Refuses what was asked for and has no form in an API. `name` is that of the contract, in full where it is a part of
/// something.
///
/// # Errors
/// `unsupported` when it was asked for.
pub fn lacks(api: &str, name: &str, asked: bool) -> Result<(), Error> {
    if asked { Err(Error::unsupported(format!("{api} has no `{name}`"))) } else { Ok(()) }
}

/// Refuses a call that must be made where there is nothing to call.
///
/// # Errors
/// `bad-request` for such a choice.
pub fn check_choice(request: &Request) -> Result<(), Error> {
    let offered = match &request.tool_choice {
        ToolChoice::Auto | ToolChoice::None => true,
        ToolChoice::Required => !request.tools.is_empty(),
        ToolChoice::Named(name) => request.tools.iter().any(|tool| tool.name == *name),
    };
    if offered { Ok(()) } else { Err(Error::bad_request("`tool-choice` wants a call of a tool that is not offered")) }
}

/// A JSON schema, as it is; `whose` says which one it is.
///
/// # Errors
/// `bad-request` when it is no JSON.
pub fn schema<'a>(text: &'a str, whose: &str) -> Result<&'a RawValue, Error> {
    serde_json::from_str(text).map_err(|error| Error::bad_request(format!("the schema of {whose} is no JSON: {error}")))
}

/// The schema of a tool's arguments, as it is.
///
/// # Errors
/// `bad-request` when it is no JSON.
pub fn tool_schema(tool: &ToolDefinition) -> Result<&RawValue, Error> {
    schema(&tool.input_schema, &format!("the tool `{}`", tool.name))
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
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// A tool on offer.
pub type Tool<'a> = Function<Definition<'a>>;

/// The form of a tool's definition; `strict` where the API knows it.
///
/// # Errors
/// `bad-request` for a schema that is no JSON.
pub fn tool(tool: &ToolDefinition, strict: Option<bool>) -> Result<Tool<'_>, Error> {
    let (name, description) = (&tool.name, &tool.description);
    Ok(Function::new(None, Definition { name, description, parameters: tool_schema(tool)?, strict }))
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
