//! Listeners under clients that do not behave.

#![allow(clippy::unwrap_used)]

mod ends;
mod floods;
mod limits;
mod secure;

use super::connection::Server;
use super::peer::Peer;
use super::places::{Bounds, Places};
use super::tcp::{Shared, Tcp, bind};
use super::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

const HOUR: Duration = Duration::from_secs(3600);

/// A listener on loopback.
pub(super) struct Stage {
    pub(super) tcp: Tcp,
    pub(super) shared: Shared,
    pub(super) tls: watch::Sender<Option<Arc<Tls>>>,
    /// How many answers are under way.
    pub(super) going: Arc<AtomicUsize>,
    /// How many were begun.
    pub(super) begun: Arc<AtomicUsize>,
}

/// Counts an answer while it goes on.
pub(super) struct Going(Arc<AtomicUsize>);

impl Going {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body that never ends, of frames that are there at once.
fn endless(going: Going) -> Body {
    let frame = Bytes::from(vec![b'x'; 16 * 1024]);
    Body::from_stream(stream::unfold((going, frame), |state| async move {
        let frame = state.1.clone();
        Some((Ok::<_, Infallible>(frame), state))
    }))
}

/// Takes what comes, as long as the connection is there.
async fn hears(mut socket: WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}

impl Stage {
    pub(super) fn new(bounds: Bounds, requests: usize) -> Self {
        let (going, begun) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (of_endless, of_wait, begins) = (going.clone(), going.clone(), begun.clone());
        let router = Router::new()
            .route("/", get(async || "x"))
            .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{peer:?}")))
            .route("/ws", get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(hears)))
            .route("/body", post(async |body: Bytes| body.len().to_string()))
            .route("/endless", get(async move || endless(Going::of(&of_endless))))
            .route(
                "/wait",
                get(async move || {
                    begins.fetch_add(1, Ordering::SeqCst);
                    let _going = Going::of(&of_wait);
                    std::future::pending::<()>().await;
                }),
            );
        let (tls, current) = watch::channel(None);
        let server = Server::new(requests);
        let shared = Shared { server, router, places: Places::new(bounds), tls: current };
        let tcp = Tcp::open(bind("127.0.0.1:0".parse().unwrap()).unwrap(), &shared).unwrap();
        Self { tcp, shared, tls, going, begun }
    }

    pub(super) fn roomy() -> Self {
        Self::new(Bounds { overall: 64, each: 64 }, 64)
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.tcp.address).await.unwrap()
    }

    /// Waits until so many answers are under way.
    pub(super) async fn until_going(&self, count: usize) {
        let wait = async {
            while self.going.load(Ordering::SeqCst) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(HOUR, wait).await.expect("an answer goes on, or does not");
    }
}

/// What a request is answered with, up to where the connection pauses.
pub(super) async fn asks(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    part(stream).await
}

pub(super) async fn part(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 64 * 1024];
    let read = timeout(HOUR, stream.read(&mut buffer)).await.expect("the other side says something").unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

/// Whether the other side ends the connection by itself; what it said before.
pub(super) async fn ends(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut rest = Vec::new();
    // A reset is an end too.
    timeout(HOUR, stream.read_to_end(&mut rest)).await.ok().map(|_| rest)
}

pub(super) fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}
