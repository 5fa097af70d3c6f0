//! What every answer says to a browser that shows it.

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

/// How long a browser asks for this host over TLS alone.
const HSTS: &str = "max-age=31536000";

/// Headers that are set where the answer itself does not say better.
const ALL: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Sets them; and that this host is asked over TLS alone.
pub(crate) fn secure(response: &mut Response, hsts: bool) {
    let headers = response.headers_mut();
    for (name, value) in ALL {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if hsts {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static(HSTS));
    }
}
