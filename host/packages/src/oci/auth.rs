//! Logging in: what a registry asks for, and the header that answers it.
//!
//! RFC 9110 section 11.6.1 (challenges), RFC 7617 (Basic), the distribution project's `token.md` (Bearer). The scope of
//! a token is what we need, not what the registry's challenge says: a registry cannot make us ask for more.

use super::error::OciError;
use crate::access::{Credentials, Phase};
use crate::client::{Client, Want};
use cara_authority::manifest::Spot;
use cara_authority::{Destination, SecretGrant};
use cara_services::vault::SecretValue;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::sync::Arc;

/// The most bytes of a token server's answer.
const ANSWER: usize = 64 * 1024;
/// What stays as it is in a query (RFC 3986 section 2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// What is wanted of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// To fetch from it.
    Pull,
    /// To fetch and push.
    Push,
}

impl Scope {
    /// As token servers write it.
    pub(super) fn of(self, repository: &str) -> String {
        let actions = if self == Self::Pull { "pull" } else { "pull,push" };
        format!("repository:{repository}:{actions}")
    }
}

/// What a token server gives. Either name is used; both are the same where there are both.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The header that answers a 401 of `asked`.
pub(super) async fn answer(
    client: &Client<'_>,
    asked: &Destination,
    headers: &HeaderMap,
    repository: &str,
    scope: Scope,
) -> Result<HeaderValue, OciError> {
    let registry = asked.origin().clone();
    let credentials = client.access().credentials;
    match (challenge(headers), credentials) {
        (None, _) => Err(OciError::Challenge(registry)),
        (Some(Challenge::Basic), Credentials::Basic { .. }) => {
            Ok(basic(client, asked)?.ok_or(OciError::Login(registry))?)
        }
        (Some(Challenge::Basic), _) => Err(OciError::Login(registry)),
        (Some(Challenge::Bearer { .. }), Credentials::Bearer(token)) => {
            let (before, after) = ("Bearer ".to_owned(), String::new());
            carried(client, asked, Spot::Header { name: header::AUTHORIZATION, before, after }, token)
        }
        (Some(Challenge::Bearer { realm, service }), _) => {
            let token = token(client, asked, &realm, service.as_deref(), repository, scope).await?;
            value(&format!("Bearer {token}")).ok_or(OciError::Token(registry))
        }
    }
}

/// A token of whom the registry names; judged like every place that an answer leads to.
async fn token(
    client: &Client<'_>,
    asked: &Destination,
    realm: &str,
    service: Option<&str>,
    repository: &str,
    scope: Scope,
) -> Result<String, OciError> {
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let mut url =
        format!("{realm}{}scope={}", if realm.contains('?') { '&' } else { '?' }, encoded(&scope.of(repository)));
    if let Some(service) = service {
        url = format!("{url}&service={}", encoded(service));
    }
    let destination = asked.redirected(&Method::GET, &url)?;
    let mut headers = HeaderMap::new();
    if let Some(login) = basic(client, &destination)? {
        headers.insert(header::AUTHORIZATION, login);
    }
    let origin = destination.origin().clone();
    let reply = client.get(destination, headers).await?;
    if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(match client.access().credentials {
            Credentials::Anonymous => OciError::Login(asked.origin().clone()),
            _ => OciError::LoginRefused(asked.origin().clone()),
        });
    }
    let bytes = client.read(reply.ok()?, Want { phase: Phase::Asking, most: ANSWER }).await?;
    let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
    let token = answer.and_then(|answer| answer.token.or(answer.access_token));
    token.filter(|token| !token.is_empty()).ok_or(OciError::Token(origin))
}

/// `Basic` for that destination, if there is a login to give.
fn basic(client: &Client<'_>, to: &Destination) -> Result<Option<HeaderValue>, OciError> {
    let Credentials::Basic { user, password } = client.access().credentials else { return Ok(None) };
    carried(client, to, Spot::basic(header::AUTHORIZATION, user.clone())?, password).map(Some)
}

/// Lets a secret go along, and gives what marks its place.
fn carried(
    client: &Client<'_>,
    to: &Destination,
    spot: Spot,
    value: &Arc<SecretValue>,
) -> Result<HeaderValue, OciError> {
    let grant = SecretGrant::own(to, spot)?;
    let marker = HeaderValue::from_str(&grant.marker()).map_err(|_| OciError::Token(to.origin().clone()))?;
    client.carry(grant, value.clone());
    Ok(marker)
}

fn value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The challenge that can be answered; `Bearer` before `Basic`.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let said = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<Challenge> = said.filter_map(read).collect();
    let bearer = all.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(all.first()).cloned()
}

/// One header with one challenge, which is how registries send them.
fn read(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut rest) = (None, None, rest);
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = match value.strip_prefix('"') {
            // An escaped quote has no place in a URL or a name; what follows it is not read.
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        match name.trim_matches([' ', ',']).to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value.to_owned()),
            "service" => service = Some(value.to_owned()),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge::Bearer { realm: realm?, service })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_in_every_usual_form() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
        };
        for (text, read_as) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a:pull,push\"",
                bearer("https://a/t", Some("s")),
            ),
            ("bearer service=\"a,b=c\", realm=\"https://a/t?x=y\"", bearer("https://a/t?x=y", Some("a,b=c"))),
            ("Bearer realm=https://a/t, service=s", bearer("https://a/t", Some("s"))),
            ("Bearer scope=\"x\"", None),
            ("Bearer realm=\"https://a/t", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(read(text), read_as, "{text}");
        }
    }
}
