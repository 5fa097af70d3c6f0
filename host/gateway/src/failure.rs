//! Failures of use cases as answers of HTTP.

use axum::body::Body;
use axum::response::Response;
use cara_control::{Error, ErrorKind};
use http::{HeaderValue, StatusCode, header};

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The code of each kind of failure.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Refused | ErrorKind::WrongPassword => StatusCode::FORBIDDEN,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::VaultLocked | ErrorKind::VaultMissing => StatusCode::LOCKED,
        ErrorKind::Unavailable | ErrorKind::Unknown => StatusCode::BAD_GATEWAY,
        ErrorKind::Cancelled => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A failure, as the control API tells it.
pub(crate) fn failed(status: StatusCode, error: &Error) -> Response {
    let mut response = json(status, serde_json::to_string(error).expect("an error is plain data"));
    if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
