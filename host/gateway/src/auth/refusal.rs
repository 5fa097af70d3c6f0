//! Why somebody is not let in.

use crate::refusal::{Shape, refused};
use axum::response::Response;
use cara_control::{Error, ErrorKind};
use http::{HeaderValue, StatusCode, header};

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It asks for another host.
    Host,
    /// A page that may not, or that may not so.
    Page,
    /// There is nothing by which anybody could be known.
    Nobody,
    /// What was shown lets nobody in.
    Wrong,
    /// A password or a code that lets nobody in.
    Guess,
    /// A body that is not read here.
    Body,
    /// Too much of that.
    TooOften,
    /// The home cannot say who is let in.
    Failed,
}

/// A request that is not served.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(super) why: Why,
    status: StatusCode,
    error: Error,
    wait_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(why: Why, text: impl Into<String>) -> Self {
        let status = match why {
            Why::Host => StatusCode::MISDIRECTED_REQUEST,
            Why::Page => StatusCode::FORBIDDEN,
            Why::Nobody | Why::Wrong | Why::Guess => StatusCode::UNAUTHORIZED,
            Why::Body => StatusCode::BAD_REQUEST,
            Why::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Why::Failed => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { why, status, error: Error::new(ErrorKind::Refused, text), wait_ms: None }
    }

    /// Of a body that is not read, which says nothing about who sends it.
    pub(crate) fn body(status: StatusCode, text: &str) -> Self {
        Self { status, ..Self::new(Why::Body, text) }
    }

    /// Of whoever was wrong too often.
    pub(crate) fn wait(wait_ms: u64) -> Self {
        let seconds = wait_ms.div_ceil(1000).max(1);
        let text = format!(
            "there were too many wrong attempts\nhint: wait {seconds} s, and see `cara audit show --kind access-refused`; \
             tokens and `cara` at the daemon's machine go on"
        );
        Self { wait_ms: Some(wait_ms), ..Self::new(Why::TooOften, text) }
    }

    /// Where the home cannot say who is let in.
    pub(crate) fn failed(error: &Error) -> Self {
        Self { error: error.clone(), wait_ms: Some(5_000), ..Self::new(Why::Failed, "") }
    }

    /// The word of the audit log.
    pub(crate) fn why(&self) -> &'static str {
        match self.why {
            Why::Host => "host",
            Why::Page => "page",
            Why::Nobody => "nobody",
            Why::Wrong | Why::Guess => "wrong",
            Why::Body => "body",
            Why::TooOften => "too-often",
            Why::Failed => "failed",
        }
    }

    /// Whether the audit log is told: it was decided that somebody is not let in.
    pub(crate) fn is_noted(&self) -> bool {
        !matches!(self.why, Why::Failed | Why::Body)
    }

    /// The answer.
    pub(crate) fn response(&self, shape: Option<Shape>) -> Response {
        let mut response = refused(shape, self.status, &self.error);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait_ms) = self.wait_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1000).max(1)));
        }
        response
    }
}
