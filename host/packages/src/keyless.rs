//! Signing in with Sigstore: the way to its authority and its log.

use crate::access::{Access, Phase};
use crate::client::{Client, ClientError, Want};
use bytes::Bytes;
use cara_authority::Destination;
use http::{HeaderMap, HeaderValue, Method, header};

/// The most that is read of an answer.
const MOST: usize = 64 * 1024;

/// What who signs reaches authority and log with. Like all requests of the operator it goes through the gate; a redirect
/// is an answer like any other.
pub struct Signing<'a>(Client<'a>);

impl<'a> Signing<'a> {
    /// The deadline counts from here.
    pub fn new(access: Access<'a>) -> Self {
        Self(Client::new(access))
    }

    /// Posts `body` as JSON; gives status and body of the answer.
    pub async fn post(&self, url: &str, body: &str) -> Result<(u16, String), ClientError> {
        let destination = Destination::named(&Method::POST, url)?;
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json.clone()), (header::ACCEPT, json)]);
        let reply = self.0.send(destination, &headers, Bytes::copy_from_slice(body.as_bytes())).await?;
        let status = reply.status.as_u16();
        let body = self.0.read(reply, Want { phase: Phase::Asking, most: MOST }).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
