//! What nobody has to be known for: the ways by which somebody becomes known,
//! and a word on whether the daemon is there.

use http::Method;

pub(crate) const LOGIN: &str = "/login";
pub(crate) const PAIR: &str = "/devices/pair";
pub(crate) const CHALLENGE: &str = "/devices/challenge";
pub(crate) const DEVICE: &str = "/devices/session";
pub(crate) const LIVE: &str = "/health/live";
pub(crate) const READY: &str = "/health/ready";

/// Whether somebody is served who is not known. What is in no line of this is for those who are.
pub(super) fn is_open(method: &Method, path: &str) -> bool {
    match path {
        LOGIN | PAIR | CHALLENGE | DEVICE => *method == Method::POST,
        LIVE | READY => *method == Method::GET,
        _ => false,
    }
}
