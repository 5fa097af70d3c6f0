//! The way back: the header of an answer is checked and the values are taken
//! out.

use super::connect::HEADER;
use super::needles::{Needles, Sieve};
use super::{EgressError, outgoing};
use bytes::Bytes;
use cara_authority::{Origin, Refusal, Rule};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, response};
use std::sync::Arc;

/// Headers that belong to the connection.
const CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Checks the header of an answer and gives the status and the headers that a component may see. Everything else
/// hyper knows about the answer (the reason phrase is one) is left out.
pub(super) fn head(
    parts: &response::Parts,
    method: &Method,
    origin: &Origin,
    search: Option<&Arc<Needles>>,
) -> Result<(StatusCode, HeaderMap), EgressError> {
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new(Rule::Denied, format!("`{origin}` wants to switch to another protocol")).into());
    }
    if size(&parts.headers) > HEADER {
        return Err(Refusal::new(Rule::Limit, format!("the header of the answer is over {HEADER} bytes")).into());
    }
    let plain = only(&parts.headers, &header::CONTENT_ENCODING, "identity")
        && only(&parts.headers, &header::TRANSFER_ENCODING, "chunked");
    if !plain {
        return Err(Refusal::new(
            Rule::Denied,
            format!("the answer of `{origin}` is compressed, though it was asked not to"),
        )
        .hint("secrets could not be found in it")
        .into());
    }
    let mut headers = scrubbed(&parts.headers, search);
    if search.is_some() && method != Method::HEAD {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok((parts.status, headers))
}

/// Whether a header, where there is one, says nothing but `word`.
fn only(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let says = |value: &HeaderValue| {
        let said = value.to_str().unwrap_or("?").to_owned();
        said.split(',').map(str::trim).all(|part| part.is_empty() || part.eq_ignore_ascii_case(word))
    };
    headers.get_all(name).iter().all(says)
}

/// Headers without those of the connection, the values taken out of the rest.
pub(super) fn scrubbed(headers: &HeaderMap, search: Option<&Arc<Needles>>) -> HeaderMap {
    let dropped = outgoing::hop_by_hop(headers);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if CONNECTION.contains(name) || dropped.contains(name) {
            continue;
        }
        let Some(search) = search else {
            kept.append(name, value.clone());
            continue;
        };
        let scrub = |bytes: &[u8]| Sieve::new(Arc::clone(search)).push(Bytes::copy_from_slice(bytes), true).0;
        // A name or value that is not one any more after a value was taken out of it is left out.
        if search.any(name.as_str().as_bytes()) {
            continue;
        }
        if !search.any(value.as_bytes()) {
            kept.append(name, value.clone());
        } else if let Ok(value) = HeaderValue::from_maybe_shared(scrub(value.as_bytes())) {
            kept.append(name, value);
        }
    }
    kept
}

/// Bytes of all names and values, as HTTP/2 counts them (RFC 9113 section 10.5.1) but for its 32 for each.
pub(super) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
