//! The cookie of a session: for this host alone, and no script reads it.

use super::asker::Asker;
use axum::response::Response;
use cara_control::Held;
use http::{HeaderMap, HeaderValue, header};

/// Its name where the connection is encrypted: a browser then takes it from this host alone, and sends it nowhere else.
const SECURE: &str = "__Host-cara";

/// Its name where it is not.
const PLAIN: &str = "cara";

fn name(asker: &Asker) -> &'static str {
    if asker.tls { SECURE } else { PLAIN }
}

/// What the cookie says; nothing where it is there twice, one of which somebody else set.
pub(crate) fn session<'a>(headers: &'a HeaderMap, asker: &Asker) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut own = pairs.filter(|(key, _)| *key == name(asker)).map(|(_, value)| value);
    own.next().filter(|_| own.next().is_none())
}

/// Gives a browser its session.
pub(crate) fn give(response: &mut Response, asker: &Asker, secret: &str, session: &Held, now_ms: u64) {
    let left_s = session.expires_ms().map_or(0, |at| at.saturating_sub(now_ms) / 1000);
    set(response, asker, secret, left_s);
}

/// Takes it from it.
pub(crate) fn take(response: &mut Response, asker: &Asker) {
    set(response, asker, "", 0);
}

fn set(response: &mut Response, asker: &Asker, value: &str, seconds: u64) {
    let secure = if asker.tls { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", name(asker));
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
