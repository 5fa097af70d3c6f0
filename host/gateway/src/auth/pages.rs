//! What a page in a browser may send: from our own origin, or from one that
//! the operator lets; never by being led here.

use super::asker::Asker;
use super::one;
use super::refusal::{Refusal, Why};
use axum::extract::Request;
use axum::response::Response;
use cara_control::{AccessSettings, Held};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use subtle::ConstantTimeEq;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What programs send that show nothing else, and pages of ours. A page of another origin cannot have a browser send it.
const CLIENT: HeaderName = HeaderName::from_static("x-cara-client");

/// What a page sends with what changes something.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// What is known of a request that a browser may have sent.
pub(crate) struct What {
    /// Whether it asks what it may send.
    pub(crate) is_preflight: bool,
    /// The page of another origin that asks, which the operator lets.
    pub(crate) page: Option<String>,
    /// Whether it changes something, or opens a WebSocket.
    changes: bool,
    opens: bool,
    /// Whether it says that it comes from our own origin.
    is_own: bool,
    /// Whether another site led a browser here.
    is_led: bool,
    /// Whether a page may have led a browser here that says nothing of it: without TLS, browsers send neither `Origin` nor
    /// `Sec-Fetch-Site` with what only reads, such as an image.
    pub(crate) is_unsaid: bool,
}

impl What {
    /// Whether it has what the connection shows by itself: a certificate, a name of a tailnet.
    pub(crate) fn has_connection(&self) -> bool {
        self.page.is_none() && !self.is_led && !self.is_unsaid
    }
}

/// Checks where a request comes from, as far as a browser says.
pub(crate) fn checked(asker: &Asker, settings: &AccessSettings, request: &Request) -> Result<What, Refusal> {
    let (method, headers) = (request.method(), request.headers());
    let refused =
        || Refusal::new(Why::Page, "this page may not ask here\nhint: `gateway.access.origins` names those that may");
    let opens = is_websocket(method, headers);
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let (origin, site) = (one(headers, &header::ORIGIN)?, one(headers, &SITE)?);
    let is_own = origin.is_some_and(|origin| origin.eq_ignore_ascii_case(&asker.own_origin()));
    let let_in = origin.filter(|origin| !is_own && settings.origins.iter().any(|known| known.as_str() == *origin));
    if origin.is_some() && !is_own && let_in.is_none() {
        return Err(refused());
    }
    // A link leads a person here: what comes of it is shown to them, and no page reads it.
    let led = || {
        let says = |name: &HeaderName, word: &str| headers.get(name).is_some_and(|value| value == word);
        *method == Method::GET && says(&MODE, "navigate") && says(&DEST, "document")
    };
    match site {
        None | Some("same-origin") => {}
        Some("none") if !changes && !opens => {}
        Some("cross-site" | "same-site") if let_in.is_some() || (!opens && led()) => {}
        Some(_) => return Err(refused()),
    }
    // Browsers say where from whatever changes something: one that does not was made to hide it.
    // The `fetch` of Node.js, which has no page, says this mode and nothing else.
    let mode = headers.get(&MODE).is_some_and(|mode| mode != "cors");
    let by_browser = mode || headers.contains_key(&SITE) || headers.contains_key(&DEST);
    if by_browser && (changes || opens) && origin.is_none() {
        return Err(refused());
    }
    let asks = *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let says = site.is_some() || origin.is_some() || headers.contains_key(&CLIENT);
    Ok(What {
        is_preflight: asks && let_in.is_some(),
        page: let_in.map(str::to_owned),
        changes,
        opens,
        is_own,
        is_led: site.is_some_and(|site| site == "cross-site" || site == "same-site"),
        is_unsaid: !asker.tls && !changes && !opens && !says,
    })
}

/// What comes with a cookie, which a browser sends by itself: from our own page, and what changes something with what only that
/// page knows.
pub(crate) fn of_session(held: &Held, what: &What, headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign =
        || Refusal::new(Why::Page, "a session is for the page of the gateway alone\nhint: other programs use a token");
    let site = one(headers, &SITE)?;
    if (what.changes || what.opens) && !what.is_own {
        return Err(foreign());
    }
    if site.is_some_and(|site| site == "cross-site" || site == "same-site") {
        return Err(foreign());
    }
    let sent = one(headers, &CSRF)?.unwrap_or_default();
    let own = held.csrf().unwrap_or_default();
    // A WebSocket cannot send headers of its own; its `Origin` no page can choose.
    if what.changes && (own.is_empty() || !bool::from(own.as_bytes().ct_eq(sent.as_bytes()))) {
        return Err(Refusal::new(
            Why::Page,
            "the request is not from the page\nhint: send `X-CSRF-Token` as `GET /session` gives it",
        ));
    }
    Ok(())
}

/// Whether a request opens a WebSocket: with HTTP/1.1 it upgrades, with HTTP/2 it connects.
fn is_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    *method == Method::CONNECT || upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// The answer to a browser that asks what a page may send.
pub(crate) fn preflight() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let said = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, *"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    response.headers_mut().extend(said.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// Says to a browser that a page may read the answer. No cookie goes with what such a page asks.
pub(crate) fn allow(response: &mut Response, origin: &str) {
    if let Ok(origin) = HeaderValue::from_str(origin) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
}
