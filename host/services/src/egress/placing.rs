//! Puts values into a request: in the spots a manifest names, nowhere else.
//!
//! A component marks a spot with `cara-secret--NAME`, which is no secret, or leaves a header or query key out. The marker
//! anywhere else is text like any other.

use super::redaction::encodings;
use super::spans::{self, Pair, Twice};
use crate::vault::SecretValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cara_authority::manifest::Spot;
use cara_authority::{Destination, Refusal, Rule, SecretGrant};
use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The largest body that is filled.
pub(super) const BODY: usize = 64 * 1024;

/// A secret that may go along with a request, and its value or why there is none.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The proof that the secret may go there.
    pub grant: SecretGrant,
    /// What is put there.
    pub value: Result<Arc<SecretValue>, Refusal>,
}

/// The secrets that may go to one destination.
pub(super) struct Placing {
    destination: Destination,
    credentials: Vec<Credential>,
}

impl Placing {
    /// Leaves out what may not go there.
    pub(super) fn new(destination: &Destination, credentials: &[Credential]) -> Self {
        let fits = |credential: &&Credential| credential.grant.admits(destination);
        Self { destination: destination.clone(), credentials: credentials.iter().filter(fits).cloned().collect() }
    }

    /// Whether a spot in a body of this kind is named, so that the body is needed whole.
    pub(super) fn fills_body(&self, headers: &HeaderMap) -> bool {
        self.in_body(headers).next().is_some()
    }

    fn spots(&self) -> impl Iterator<Item = (&Credential, &Spot)> {
        self.credentials
            .iter()
            .flat_map(|credential| credential.grant.spots().iter().map(move |spot| (credential, spot)))
    }

    /// The spots in a body of this kind.
    fn in_body(&self, headers: &HeaderMap) -> impl Iterator<Item = (&Credential, &Spot)> {
        let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
        let kind = kinds.next().filter(|_| kinds.next().is_none());
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.spots().filter(move |(_, spot)| {
            let (fits, path) = match spot {
                Spot::Form { path, .. } => (kind == "application/x-www-form-urlencoded", path),
                Spot::Json { path, .. } => (kind.ends_with("/json") || kind.ends_with("+json"), path),
                _ => return false,
            };
            fits && path.as_ref().is_none_or(|path| path.matches(self.destination.uri().path()))
        })
    }

    /// A whole body with the values in it. Every byte outside the spots stays.
    pub(super) fn body(&self, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
        let Ok(mut text) = String::from_utf8(body.to_vec()) else { return Ok(body) };
        for (credential, spot) in self.in_body(headers) {
            let marker = credential.grant.marker();
            let place = match spot {
                Spot::Form { field, .. } => spans::pair(&text, field, &marker).map(Pair::marked),
                Spot::Json { pointer, .. } => spans::string(&text, pointer, &marker),
                _ => Ok(None),
            };
            let Some(place) = place.map_err(|twice| credential.twice(twice))? else { continue };
            let value = credential.needed()?.expose();
            let written = match spot {
                Spot::Json { .. } => {
                    let text = std::str::from_utf8(value);
                    Value::from(text.map_err(|_| credential.unfit("is no text, JSON cannot hold it"))?).to_string()
                }
                _ => encodings::query(value),
            };
            text.replace_range(place, &written);
        }
        Ok(text.into())
    }

    /// The URL and the headers with the values in them.
    pub(super) fn head(&self, headers: &mut HeaderMap) -> Result<Uri, Refusal> {
        let uri = self.destination.uri();
        let (mut path, mut query) = (uri.path().to_owned(), uri.query().map(str::to_owned));
        for (credential, spot) in self.spots() {
            let marker = credential.grant.marker();
            match spot {
                Spot::Header { name, before, after } => {
                    let text = |value: &[u8]| [before.as_bytes(), value, after.as_bytes()].concat();
                    credential.header(headers, name, text)?;
                }
                Spot::Basic { name, user } => {
                    let pair = |value: &[u8]| Zeroizing::new([user.as_bytes(), b":", value].concat());
                    let text = |value: &[u8]| format!("Basic {}", STANDARD.encode(&*pair(value))).into_bytes();
                    credential.header(headers, name, text)?;
                }
                Spot::Query(key) => {
                    let text = query.as_deref().unwrap_or_default();
                    match spans::pair(text, key, &marker).map_err(|twice| credential.twice(twice))? {
                        Pair::Marked(place) => {
                            let value = encodings::query(credential.needed()?.expose());
                            query.get_or_insert_default().replace_range(place, &value);
                        }
                        Pair::Absent => {
                            if let Some(value) = credential.wanted()? {
                                let pair = format!(
                                    "{}={}",
                                    encodings::query(key.as_bytes()),
                                    encodings::query(value.expose())
                                );
                                query = Some(query.map_or(pair.clone(), |query| format!("{query}&{pair}")));
                            }
                        }
                        Pair::Other => {}
                    }
                }
                Spot::Path(template) if template.filled(&path, &marker, "").is_some() => {
                    let value = encodings::path(credential.needed()?.expose());
                    path = template.filled(&path, &marker, &value).unwrap_or(path);
                    let decoded = percent_decode_str(&path).collect::<Vec<u8>>();
                    if decoded.split(|b| b"/\\".contains(b)).any(|segment| segment == b"." || segment == b"..") {
                        return Err(credential.unfit("would lead to another path"));
                    }
                }
                Spot::Path(_) | Spot::Form { .. } | Spot::Json { .. } => {}
            }
        }
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let invalid = || {
            let origin = self.destination.origin();
            Refusal::new(Rule::Invalid, format!("the URL for `{origin}` cannot be sent"))
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target).map_err(|_| invalid())?);
        Uri::from_parts(parts).map_err(|_| invalid())
    }
}

impl Credential {
    /// The value for a spot that is marked.
    fn needed(&self) -> Result<&SecretValue, Refusal> {
        self.value.as_deref().map_err(Clone::clone)
    }

    /// The value for a spot that was left out; none when the component works without it.
    fn wanted(&self) -> Result<Option<&SecretValue>, Refusal> {
        match &self.value {
            Err(_) if self.grant.is_optional() => Ok(None),
            _ => self.needed().map(Some),
        }
    }

    /// Fills a header that is marked or left out.
    fn header(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        text: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<(), Refusal> {
        let filled = |value: &SecretValue| {
            let mut filled = HeaderValue::from_maybe_shared(Bytes::from(text(value.expose())))
                .map_err(|_| self.unfit(&format!("does not fit into header `{name}`")))?;
            filled.set_sensitive(true);
            Ok::<_, Refusal>(filled)
        };
        let marker = self.grant.marker();
        let marked = [text(marker.as_bytes()), marker.into_bytes()];
        match headers.entry(name) {
            header::Entry::Vacant(vacant) => {
                if let Some(value) = self.wanted()? {
                    vacant.insert(filled(value)?);
                }
            }
            header::Entry::Occupied(mut occupied) => {
                for value in occupied.iter_mut().filter(|value| marked.iter().any(|marked| marked == value.as_bytes()))
                {
                    *value = filled(self.needed()?)?;
                }
            }
        }
        Ok(())
    }

    fn twice(&self, _: Twice) -> Refusal {
        self.unfit("has no one place: its key stands twice").hint("write the key once")
    }

    fn unfit(&self, why: &str) -> Refusal {
        Refusal::new(Rule::Invalid, format!("secret `{}` {why}", self.grant.name()))
    }
}
