//! Asking a person, as in `wit/approvals.wit`. Only for tools.
//!
//! The host's own rules decide first whether a call needs a person; this is for what only the component can tell.

use crate::types::Refusal;
use crate::{Error, ErrorKind, host};

pub use crate::bindings::tool_component::cara::plugin::approvals::{Decision, Question};

/// Asks and waits. The wait is not charged to the call; no answer in time is a denial.
///
/// # Errors
/// When `approvals` is not granted, or the title is over 80 characters or the detail over 4 KiB.
///
/// ```
/// use cara_sdk::approvals::{Decision, Question, ask};
/// use cara_sdk::testing::MockHost;
///
/// let mock = MockHost::new().decide(Decision::Denied(Some("not today".to_owned())));
/// let question = Question { title: "Pay 10 EUR?".to_owned(), detail: "to Acme".to_owned() };
/// let decision = mock.run(|| ask(&question)).unwrap();
/// assert_eq!(decision, Decision::Denied(Some("not today".to_owned())));
/// ```
pub fn ask(question: &Question) -> Result<Decision, Refusal> {
    host::approvals::ask(question)
}

/// Asks, and goes on only when the person allows it.
///
/// # Errors
/// `refused` with the person's reason when they say no; else as [`ask`].
///
/// ```
/// use cara_sdk::approvals::{Decision, require};
/// use cara_sdk::testing::MockHost;
///
/// let mock = MockHost::new().decide(Decision::Allowed);
/// mock.run(|| require("Pay 10 EUR?", "to Acme")).unwrap();
/// assert_eq!(mock.questions()[0].title, "Pay 10 EUR?");
///
/// let error = mock.run(|| require("Pay again?", "to Acme")).unwrap_err();
/// assert_eq!(error.kind, cara_sdk::ErrorKind::Refused);
/// ```
pub fn require(title: impl Into<String>, detail: impl Into<String>) -> Result<(), Error> {
    let question = Question { title: title.into(), detail: detail.into() };
    match ask(&question)? {
        Decision::Allowed => Ok(()),
        Decision::Denied(None) => Err(Error::new(ErrorKind::Refused, "the person said no")),
        Decision::Denied(Some(reason)) => Err(Error::new(ErrorKind::Refused, format!("the person said no: {reason}"))),
    }
}
