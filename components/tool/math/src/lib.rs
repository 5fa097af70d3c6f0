//! Exact numbers and units.
//!
//! `fend-core` calculates. Here is what keeps it in bounds: what it is not given, and when it stops.

use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, clock};

mod arguments;
mod expression;
mod result;

use arguments::Evaluate;

/// The component.
#[derive(Debug)]
pub struct Math;

cara_sdk::export_tool!(Math);

impl Tool for Math {
    fn call(name: String, arguments: String, _: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "math_evaluate" => {
                let Evaluate { expression } = read_arguments(&arguments)?;
                let expression = expression::checked(&expression)?;
                say(result::evaluate(expression, clock::now_ms)?)
            }
            other => Err(unknown(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    #[test]
    fn what_is_no_expression_is_a_bad_request_before_anything_is_calculated() {
        for arguments in ["{}", r#"{"expression":1}"#, r#"{"expression":" "}"#, r#"{"expression":"gcd(12,18)"}"#] {
            let context = Context { session: "s".into(), run: "r".into(), time_zone: None, language: None };
            let error = Math::call("math_evaluate".into(), arguments.into(), context).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{arguments}");
        }
    }
}
