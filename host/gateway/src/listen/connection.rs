//! One connection, whichever way it came: HTTP/1.1 and HTTP/2, within its
//! limits, until it ends or has to.
//!
//! ```text
//! socket.rs, tcp.rs ─→ Server::serve ─→ request (peer, draining) ─→ router ─→ answer
//!                          └─ activity: idle, slow, unread, flood ─→ ended
//! ```

use super::activity::{Activity, IDLE, Verdict};
use super::body::{Answer, Arriving};
use super::io::Io;
use super::peer::{Draining, Peer};
use super::requests::Requests;
use crate::refusal::{misaddressed, overloaded};
use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The most bytes of a head, and of what is read ahead of a body.
const HEAD_BYTES: usize = 32 * 1024;

/// The most lines of a head.
const HEAD_LINES: usize = 100;

/// How many requests of one connection go on at once (HTTP/2).
const STREAMS: u32 = 128;

/// How much of a body is taken before somebody reads it (HTTP/2).
const WINDOW: u32 = 256 * 1024;

/// The same of all bodies of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How much of an answer is kept before the other side reads it (HTTP/2).
const SENDING: usize = 64 * 1024;

/// How many streams may be reset before they were looked at (HTTP/2); more end the connection.
const RESETS: usize = 20;

/// How often a connection with requests is asked whether it is still there (HTTP/2), and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How long a connection that is told to end may take to do so when it does nothing.
const GRACE: Duration = Duration::from_secs(5);

/// What all connections share: how they are served, and how many requests go on at once.
#[derive(Clone)]
pub(crate) struct Server {
    http: Arc<Builder<TokioExecutor>>,
    pub(crate) requests: Requests,
    /// The listener that the connection came through, which waits for it when it closes.
    pub(crate) open: TaskTracker,
    /// Says that connections shall end once what they do is done.
    pub(crate) draining: CancellationToken,
}

impl Server {
    /// Serves at most so many requests at once.
    pub(crate) fn new(requests: usize) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        // How long a head takes is looked at for both kinds, in `activity`.
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(HEAD_LINES)
            .max_buf_size(HEAD_BYTES);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(HEAD_BYTES as u32)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SENDING)
            .max_pending_accept_reset_streams(RESETS)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1);
        Self {
            http: Arc::new(http),
            requests: Requests::new(requests),
            open: TaskTracker::new(),
            draining: CancellationToken::new(),
        }
    }

    /// The same for another listener, whose connections end by themselves.
    pub(crate) fn listener(&self) -> Self {
        Self { open: TaskTracker::new(), draining: CancellationToken::new(), ..self.clone() }
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve<S>(&self, stream: S, peer: Peer, router: Router, activity: Activity)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (requests, draining) = (self.requests.clone(), Draining(self.draining.clone()));
        // A process of the same account is not looked at again and again: it could do worse than nothing.
        let seldom = peer.account.then_some(IDLE);
        let service = {
            let activity = activity.clone();
            hyper::service::service_fn(move |request| {
                answer(request, &activity, &requests, peer.clone(), draining.clone(), &router)
            })
        };
        let io = TokioIo::new(Io::new(stream, activity.clone(), self.open.token()));
        let connection = self.http.serve_connection_with_upgrades(io, service);
        tokio::pin!(connection);
        let (mut look, mut ends) = (Instant::now(), false);
        loop {
            tokio::select! {
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = activity.ended() => return tracing::debug!("a connection gave way"),
                () = self.draining.cancelled(), if !ends => {
                    ends = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(look) => match activity.verdict() {
                    Verdict::Well(next) => look = seldom.map_or(next, |seldom| Instant::now() + seldom),
                    Verdict::Idle if !ends => {
                        (ends, look) = (true, Instant::now() + GRACE);
                        connection.as_mut().graceful_shutdown();
                    }
                    why => return tracing::debug!(?why, "a connection was ended"),
                },
            }
        }
    }
}

/// Answers a request. The work for it begins when the future is polled; the request counts from here on.
fn answer(
    request: Request<Incoming>,
    activity: &Activity,
    requests: &Requests,
    peer: Peer,
    draining: Draining,
    router: &Router,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
    let mut counted = activity.request(request.version() == Version::HTTP_2);
    let place = requests.count();
    let (activity, router) = (activity.clone(), router.clone());
    async move {
        let Some(place) = place else {
            counted.done();
            return Ok(overloaded(&request));
        };
        let mut request = request.map(Arriving::of);
        if !addressed(&mut request) {
            counted.done();
            return Ok(misaddressed(&request));
        }
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(draining);
        let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            activity.upgraded();
        }
        Ok(response.map(|body| Body::new(Answer::of(body, counted, place))))
    }
}

/// Has the host that was asked for stand in `Host`, once: HTTP/2 and proxies say it in the target (RFC 9110, 7.2). False
/// where it is said twice, and not the same.
fn addressed<B>(request: &mut Request<B>) -> bool {
    let named = request.headers().get_all(header::HOST).iter().count();
    let Some(authority) = request.uri().authority() else {
        return named == 1 || (named == 0 && request.version() == Version::HTTP_10);
    };
    let authority = authority.as_str().as_bytes();
    let same = request.headers().get(header::HOST).is_none_or(|host| host.as_bytes().eq_ignore_ascii_case(authority));
    let Ok(host) = HeaderValue::from_bytes(authority) else { return false };
    let is_one = named <= 1 && same;
    request.headers_mut().insert(header::HOST, host);
    is_one
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_host_is_said_once_whichever_way_it_came() {
        let asked = |uri: &str, version, hosts: &[&str]| {
            let request = Request::builder().uri(uri).version(version);
            let mut request =
                hosts.iter().fold(request, |request, host| request.header("host", *host)).body(()).unwrap();
            addressed(&mut request).then(|| request.headers().get("host").map(|host| host.to_str().unwrap().to_owned()))
        };
        let some = |host: &str| Some(Some(host.to_owned()));
        assert_eq!(asked("/", Version::HTTP_11, &["a"]), some("a"));
        assert_eq!(asked("http://a:1/", Version::HTTP_2, &[]), some("a:1"));
        assert_eq!(asked("http://a/", Version::HTTP_11, &["A"]), some("a"));
        assert_eq!(asked("/", Version::HTTP_10, &[]), Some(None));
        for (uri, version, hosts) in [
            ("/", Version::HTTP_11, &[][..]),
            ("/", Version::HTTP_11, &["a", "b"]),
            ("/", Version::HTTP_11, &["a", "a"]),
            ("http://a/", Version::HTTP_2, &["b"]),
            ("http://a/", Version::HTTP_11, &["b"]),
        ] {
            assert_eq!(asked(uri, version, hosts), None, "{uri} {hosts:?}");
        }
    }
}
