//! What a `wasi:http` error code means to the caller of a request.

use crate::Error;
use crate::bindings::provider_component::wasi::http::types::ErrorCode;

/// Says in one sentence what went wrong on the way to `authority`.
///
/// What the host itself forbade is `other` and not to be retried; its text is kept, it names the cure.
pub(crate) fn explain(code: &ErrorCode, authority: &str) -> Error {
    let text = match code {
        ErrorCode::DestinationIpProhibited | ErrorCode::HttpRequestDenied => {
            return Error::other(format!("cara does not allow a connection to `{authority}`"));
        }
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => {
            return Error::bad_request(format!("the request to `{authority}` is malformed or too large"));
        }
        // The host's own refusals come with their text; the hint tells them from a fault on the way.
        ErrorCode::InternalError(Some(text)) if text.contains("\nhint: ") => return Error::other(text.as_str()),
        ErrorCode::InternalError(Some(text)) => return Error::network(format!("`{authority}`: {text}")),
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => "could not be resolved",
        ErrorCode::DestinationNotFound | ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            "cannot be reached"
        }
        ErrorCode::ConnectionRefused => "refused the connection",
        ErrorCode::ConnectionTimeout => "took too long to connect",
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => "took too long to answer",
        ErrorCode::ConnectionWriteTimeout => "took too long to read the request",
        ErrorCode::ConnectionLimitReached => "has too many connections open",
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => "failed the TLS handshake",
        ErrorCode::TlsCertificateError => "has no valid certificate",
        ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => "answered with more than the host takes",
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => "broke off the answer",
        _ => "gave no answer that could be read",
    };
    Error::network(format!("`{authority}` {text}"))
}

/// The answer ended before its end.
pub(crate) fn broken_off(authority: &str) -> Error {
    Error::network(format!("the answer of `{authority}` broke off"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_failed_connection_is_network_and_names_the_server() {
        let error = explain(&ErrorCode::ConnectionRefused, "127.0.0.1:11434");
        assert_eq!(error.message, "`127.0.0.1:11434` refused the connection");
        assert_eq!((error.kind, error.retry), (ErrorKind::Network, true));
    }

    #[test]
    fn what_the_host_forbids_is_not_retried_and_its_text_is_kept() {
        let error = explain(&ErrorCode::HttpRequestDenied, "h");
        assert_eq!((error.kind, error.retry), (ErrorKind::Other, false));
        let error = explain(&ErrorCode::InternalError(Some("no\nhint: yes".to_owned())), "h");
        assert_eq!((error.kind, error.retry), (ErrorKind::Other, false));
        assert_eq!(error.message, "no\nhint: yes");
        let error = explain(&ErrorCode::InternalError(Some("reset".to_owned())), "h");
        assert_eq!((error.kind, error.retry, &*error.message), (ErrorKind::Network, true, "`h`: reset"));
    }
}
