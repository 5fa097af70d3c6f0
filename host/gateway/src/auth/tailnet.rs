//! Who a tailnet says is at the other end: the daemon of this machine is asked
//! by its socket, and only about the connection itself.
//!
//! What a header says of a tailnet's user lets nobody in: any process of this machine can send one.

use super::asker::Asker;
use cara_control::{AccessSettings, Application, Held};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long an answer counts for its connection.
const COUNTS: Duration = Duration::from_secs(20);

/// The most answers that are remembered.
const MOST: usize = 1_024;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes of its answer.
#[cfg(unix)]
const LARGEST: usize = 64 * 1024;

/// What was heard a short while ago.
#[derive(Default)]
pub(crate) struct Tailnet(Mutex<HashMap<SocketAddr, (String, Instant)>>);

impl Tailnet {
    /// What lets somebody in who is known by a name of the tailnet.
    pub(crate) async fn held(
        &self,
        application: &Arc<Application>,
        asker: &Asker,
        settings: &AccessSettings,
    ) -> Option<Arc<Held>> {
        let (socket, address) =
            (settings.tailscale.as_deref()?, asker.address.filter(|address| is_of_tailnet(address.ip()))?);
        let login = match self.heard(address) {
            Some(login) => login,
            None => {
                let login = timeout(PATIENCE, whois(socket, address)).await.ok()??;
                self.hear(address, &login);
                login
            }
        };
        application.of_tailnet(&login).await.ok()?
    }

    fn heard(&self, address: SocketAddr) -> Option<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(&address).filter(|(_, at)| at.elapsed() < COUNTS).map(|(login, _)| login.clone())
    }

    fn hear(&self, address: SocketAddr, login: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() >= MOST {
            heard.retain(|_, (_, at)| at.elapsed() < COUNTS);
        }
        if heard.len() < MOST {
            heard.insert(address, (login.to_owned(), Instant::now()));
        }
    }
}

/// Whether an address is one that Tailscale gives (100.64.0.0/10 and fd7a:115c:a1e0::/48).
fn is_of_tailnet(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64,
        IpAddr::V6(address) => address.segments()[..3] == [0xfd7a, 0x115c, 0xa1e0],
    }
}

/// Asks the daemon who has an address; nobody where it is a tagged machine, which is no person.
#[cfg(unix)]
async fn whois(socket: &Path, address: SocketAddr) -> Option<String> {
    use axum::body::Body;
    use http_body_util::{BodyExt, Limited};
    use hyper_util::rt::TokioIo;
    let stream = tokio::net::UnixStream::connect(socket).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let asks = async {
        let path = format!(
            "/localapi/v0/whois?addr={}",
            percent_encoding::utf8_percent_encode(&address.to_string(), percent_encoding::NON_ALPHANUMERIC)
        );
        let request =
            http::Request::get(path).header(http::header::HOST, "local-tailscaled.sock").body(Body::empty()).ok()?;
        let answer =
            sender.send_request(request).await.ok().filter(|answer| answer.status() == http::StatusCode::OK)?;
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.ok()?.to_bytes();
        login(&body)
    };
    tokio::select! {
        login = asks => login,
        _ = connection => None,
    }
}

#[cfg(not(unix))]
async fn whois(_: &Path, _: SocketAddr) -> Option<String> {
    None
}

/// The name of a person in the daemon's answer.
fn login(answer: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let tagged = answer["Node"]["Tags"].as_array().is_some_and(|tags| !tags.is_empty());
    let login = answer["UserProfile"]["LoginName"].as_str().filter(|login| !login.is_empty())?;
    (!tagged && login != "tagged-devices").then(|| login.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_addresses_of_a_tailnet_are_asked_about_and_a_tagged_machine_is_nobody() {
        for (text, is) in [
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("100.128.0.1", false),
            ("100.63.0.1", false),
            ("127.0.0.1", false),
            ("fd7a:115c:a1e0::1", true),
            ("fd7a:115c:a1e1::1", false),
            ("::ffff:100.64.0.1", true),
        ] {
            assert_eq!(is_of_tailnet(text.parse().unwrap()), is, "{text}");
        }
        assert_eq!(
            login(br#"{"Node":{},"UserProfile":{"LoginName":"anna@example.com"}}"#).as_deref(),
            Some("anna@example.com")
        );
        for none in [
            &br#"{"Node":{"Tags":["tag:server"]},"UserProfile":{"LoginName":"anna@example.com"}}"#[..],
            br#"{"Node":{},"UserProfile":{"LoginName":"tagged-devices"}}"#,
            br#"{"Node":{},"UserProfile":{"LoginName":""}}"#,
            br#"{}"#,
            b"no match",
        ] {
            assert_eq!(login(none), None);
        }
    }
}
