//! `Registry`: one repository, spoken to with one login.

use super::auth::{self, Scope};
use super::error::OciError;
use crate::access::Phase;
use crate::client::{Client, Reply, Want, place};
use crate::reference::OciReference;
use bytes::Bytes;
use cara_authority::Destination;
use cara_signing::{Digest, display_safe};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

/// The most bytes of an error's JSON that are read.
const ERROR: usize = 16 * 1024;

/// One repository.
pub(crate) struct Registry<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) name: &'a OciReference,
    scope: Scope,
    authorization: Option<HeaderValue>,
}

/// Whether a redirect is followed or is the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    Followed,
    Returned,
}

/// What a request carries beside its URL.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl<'a> Registry<'a> {
    pub(crate) fn new(client: &'a Client<'a>, name: &'a OciReference, scope: Scope) -> Self {
        Self { client, name, scope, authorization: None }
    }

    /// A place in the repository: `manifests/…`, `blobs/…`.
    pub(super) fn at(&self, method: &Method, path: &str) -> Result<Destination, OciError> {
        let url = format!("{}/v2/{}/{path}", self.name.origin(), self.name.repository());
        Ok(Destination::named(method, &url)?)
    }

    /// Asks for something in the repository.
    pub(super) async fn get(
        &mut self,
        path: &str,
        accept: &'static str,
        redirects: Redirects,
    ) -> Result<Reply, OciError> {
        let mut carried = Carried::default();
        carried.headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        let destination = self.at(&Method::GET, path)?;
        self.send(destination, carried, redirects).await
    }

    /// Sends a request; when the registry wants to know who asks, once more with an answer to that.
    pub(super) async fn send(
        &mut self,
        destination: Destination,
        mut carried: Carried,
        redirects: Redirects,
    ) -> Result<Reply, OciError> {
        let own = destination.origin() == self.name.origin();
        if let Some(authorization) = self.authorization.as_ref().filter(|_| own) {
            carried.headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let reply = self.once(destination.clone(), &carried, redirects).await?;
        // A 401 of whoever a redirect led to is no question of this registry.
        if reply.status != StatusCode::UNAUTHORIZED || reply.destination.origin() != self.name.origin() {
            return Ok(reply);
        }
        if self.authorization.is_some() {
            return Err(OciError::LoginRefused(self.name.origin().clone()));
        }
        let repository = self.name.repository();
        let answer = auth::answer(self.client, &reply.destination, &reply.headers, repository, self.scope).await?;
        carried.headers.insert(header::AUTHORIZATION, answer.clone());
        self.authorization = Some(answer);
        let reply = self.once(destination, &carried, redirects).await?;
        if reply.status == StatusCode::UNAUTHORIZED && reply.destination.origin() == self.name.origin() {
            return Err(OciError::LoginRefused(self.name.origin().clone()));
        }
        Ok(reply)
    }

    async fn once(&self, destination: Destination, carried: &Carried, redirects: Redirects) -> Result<Reply, OciError> {
        Ok(match redirects {
            Redirects::Followed => self.client.get(destination, carried.headers.clone()).await?,
            Redirects::Returned => self.client.send(destination, &carried.headers, carried.body.clone()).await?,
        })
    }

    /// Reads a blob: exactly the bytes that a manifest names by size and digest.
    pub(super) async fn blob(
        &mut self,
        what: &'static str,
        (digest, size): (Digest, u64),
        want: Want,
    ) -> Result<Vec<u8>, OciError> {
        let name = self.name.to_string();
        if size > want.most as u64 {
            return Err(OciError::TooLarge { what, name, said: size, most: want.most });
        }
        let reply = self.get(&format!("blobs/{digest}"), "*/*", Redirects::Followed).await?;
        let reply = self.expect(reply, StatusCode::OK).await?;
        // One byte more would be one too many already: a body without end is left there.
        let bytes = self.client.read(reply, Want { most: size as usize, ..want }).await?;
        if bytes.len() as u64 != size {
            return Err(OciError::Size { what, name, found: bytes.len() as u64, said: size });
        }
        let found = Digest::of(&bytes);
        if found == digest {
            Ok(bytes)
        } else {
            Err(OciError::Digest { what, name, wanted: digest.to_string(), found })
        }
    }

    /// The answer, if it is the one that was hoped for; otherwise what the registry says about it.
    pub(super) async fn expect(&self, reply: Reply, status: StatusCode) -> Result<Reply, OciError> {
        if reply.status == status {
            return Ok(reply);
        }
        let (url, status) = (place(&reply.destination), reply.status);
        let said = self.client.read(reply, Want { phase: Phase::Asking, most: ERROR }).await.ok();
        let said = said.and_then(|bytes| words(&bytes)).unwrap_or_else(|| "it says no more".to_owned());
        Err(OciError::Answered { url, status, said })
    }
}

/// What an error's JSON says (distribution specification, "Error Codes").
fn words(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Said>,
    }
    #[derive(Deserialize)]
    struct Said {
        code: String,
        #[serde(default)]
        message: String,
    }
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    let said = answer.errors.first()?;
    Some(format!("{} {}", display_safe(&said.code), display_safe(&said.message)).trim().to_owned())
}
