//! Asking a language model from inside a tool, as in `wit/models.wit`.

use crate::host;
use crate::types::Refusal;

pub use crate::bindings::tool_component::cara::plugin::models::{Request, Response};

/// Completes with the model the operator chose for this component, under the run's budget.
///
/// # Errors
/// `limit` when the budget is used up; `unavailable` when no model answers; when `models` is not granted.
///
/// ```
/// use cara_sdk::models::{self, Request, Response};
/// use cara_sdk::testing::MockHost;
/// use cara_sdk::types::{Message, Part, Role, Usage};
///
/// let mock = MockHost::new().answer(Response { text: "blue".to_owned(), usage: Usage::zero() });
/// let request = Request {
///     system: Some("Answer in one word.".to_owned()),
///     messages: vec![Message { role: Role::User, parts: vec![Part::Text("The sky is".to_owned())] }],
///     max_output_tokens: Some(5),
/// };
/// assert_eq!(mock.run(|| models::complete(&request)).unwrap().text, "blue");
/// assert_eq!(mock.asked()[0].messages.len(), 1);
/// ```
pub fn complete(request: &Request) -> Result<Response, Refusal> {
    host::models::complete(request)
}
