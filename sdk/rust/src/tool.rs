//! Work a model can ask for, as in `wit/tool.wit`, and how every call goes.
//!
//! ```
//! use cara_sdk::Error;
//! use cara_sdk::testing::{MockHost, context};
//! use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
//!
//! #[derive(serde::Deserialize)]
//! struct Greet {
//!     name: String,
//! }
//!
//! struct Greeter;
//! cara_sdk::export_tool!(Greeter);
//!
//! impl Tool for Greeter {
//!     fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
//!         match name.as_str() {
//!             "greet" => say(format!("hello {}", read_arguments::<Greet>(&arguments)?.name)),
//!             other => Err(unknown(other)),
//!         }
//!     }
//! }
//!
//! let call = || Greeter::call("greet".to_owned(), r#"{"name":"Kari"}"#.to_owned(), context());
//! assert_eq!(MockHost::new().run(call).unwrap(), [Content::Text("hello Kari".to_owned())]);
//! ```

use serde::Deserialize;

use crate::Error;
pub use crate::bindings::tool_component::exports::cara::plugin::tool::{Context, Guest as Tool};
pub use crate::types::Content;

/// Checks that a type is a tool, where no export is made.
#[doc(hidden)]
pub const fn check<T: Tool>() {}

/// Reads the arguments of a call. The host checked them against the schema; this makes them a type.
///
/// # Errors
/// `bad-request`, saying what does not fit, so that a model can call again.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Greet {
///     name: String,
/// }
/// let Greet { name } = cara_sdk::tool::read_arguments(r#"{"name":"Kari"}"#).unwrap();
/// assert_eq!(name, "Kari");
/// ```
pub fn read_arguments<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, Error> {
    serde_json::from_str(arguments).map_err(|error| Error::bad_request(format!("the arguments do not fit: {error}")))
}

/// An answer of one text.
///
/// # Errors
/// Never: it is a `Result` so that a tool can end with it.
///
/// ```
/// use cara_sdk::types::Content;
///
/// assert_eq!(cara_sdk::tool::say("done").unwrap(), [Content::Text("done".to_owned())]);
/// ```
pub fn say(text: impl Into<String>) -> Result<Vec<Content>, Error> {
    Ok(vec![Content::Text(text.into())])
}

/// What to answer when the component has no tool of this name.
///
/// ```
/// assert_eq!(cara_sdk::tool::unknown("fly").message, "there is no tool `fly`");
/// ```
#[must_use]
pub fn unknown(name: &str) -> Error {
    Error::unsupported(format!("there is no tool `{name}`"))
}

/// The beginning of a text, at most this many characters (Unicode scalar values).
///
/// ```
/// assert_eq!(cara_sdk::tool::beginning("æøå", 2), "æø");
/// ```
#[must_use]
pub fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn arguments_that_do_not_fit_are_an_error_a_model_can_correct() {
        #[derive(Debug, Deserialize)]
        struct Wanted {
            key: String,
        }
        assert_eq!(read_arguments::<Wanted>(r#"{"key":"a"}"#).unwrap().key, "a");
        for bad in ["", "[]", "{}", r#"{"key":1}"#, "{\"key\":\"a\"} x"] {
            assert_eq!(read_arguments::<Wanted>(bad).unwrap_err().kind, ErrorKind::BadRequest, "{bad}");
        }
        assert!(read_arguments::<Wanted>("{}").unwrap_err().message.contains("`key`"));
    }

    #[test]
    fn the_beginning_of_a_text_ends_between_characters() {
        assert_eq!(beginning("æøå", 2), "æø");
        assert_eq!(beginning("æøå", 3), "æøå");
        assert_eq!(beginning("", 3), "");
    }
}
