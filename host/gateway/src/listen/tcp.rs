//! One address at which connections are accepted.

use super::accepting::Refusals;
use super::activity::{Activity, HEAD};
use super::connection::Server;
use super::peer::{Peer, source};
use super::places::{Place, Places};
use super::tls::{Tls, client};
use axum::Router;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How many connections may wait for being accepted.
const BACKLOG: i32 = 1024;

/// After how long without a byte it is asked whether the other side is still there, and how often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// What a connection gets that is one too many, before it said anything.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What all addresses share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) server: Server,
    pub(crate) router: Router,
    pub(crate) places: Places,
    /// TLS for connections from now on; none where nothing is encrypted.
    pub(crate) tls: watch::Receiver<Option<Arc<Tls>>>,
}

/// An address that is listened at.
pub(crate) struct Tcp {
    /// The address, with the port that it got.
    pub(crate) address: SocketAddr,
    draining: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    server: Server,
}

/// Takes an address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Both kinds of addresses can be listened at, each by its own name.
        socket.set_only_v6(true)?;
    }
    // On Windows this would let another program take the same address.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Tcp {
    /// Serves whoever connects.
    pub(crate) fn open(listener: TcpListener, shared: &Shared) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Shared { server: shared.server.listener(), ..shared.clone() };
        let (server, draining) = (shared.server.clone(), shared.server.draining.clone());
        let until = draining.clone();
        let serving = tokio::spawn(async move {
            let _closed = until.run_until_cancelled(let_in(listener, shared)).await;
        });
        Ok(Self { address, draining, serving, server })
    }

    /// Accepts no more connections, and has those that are there end once what they do is done.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// Waits for their end.
    pub(crate) async fn drained(self) {
        self.drain();
        let _ = self.serving.await;
        self.server.open.close();
        self.server.open.wait().await;
    }
}

async fn let_in(listener: TcpListener, shared: Shared) {
    let mut refusals = Refusals::default();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => match shared.places.take(source(address.ip())) {
                Some(place) => drop(tokio::spawn(serve(stream, address, place, shared.clone()))),
                None => {
                    refusals.say(&"all places are taken by connections that do something");
                    if shared.tls.borrow().is_none() {
                        // As much as fits at once: nobody waits for one that is refused.
                        let _ = stream.try_write(BUSY);
                    }
                }
            },
            // That one went away before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Where it is file descriptors that are missing, one comes free.
                shared.places.end_oldest();
                refusals.pause(&error).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, address: SocketAddr, place: Place, shared: Shared) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
    // One that takes neither is served all the same.
    let _ = (stream.set_nodelay(true), SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let local = stream.local_addr().ok().map(|local| local.ip().to_canonical());
    let mut peer = Peer { address: Some(address), local, ..Peer::default() };
    let tls = shared.tls.borrow().clone();
    let Some(tls) = tls else {
        return shared.server.serve(stream, peer, shared.router, Activity::new(Some(place))).await;
    };
    let end = place.end().clone();
    let handshake = timeout(HEAD, tls.acceptor.accept(stream));
    let stream = match end.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => stream,
        Some(Ok(Err(error))) => return tracing::debug!(%error, "a handshake failed"),
        None | Some(Err(_)) => return tracing::debug!("a handshake took too long"),
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    place.certified(&chain);
    (peer.tls, peer.certificate) = (true, client(&chain));
    // What was revoked during the handshake was looked for before this one was written down.
    let now = shared.tls.borrow().clone();
    if !chain.is_empty() && (peer.certificate.is_none() || !now.is_some_and(|now| now.takes(&chain))) {
        return tracing::debug!("a certificate of a client is not good any more");
    }
    shared.server.serve(stream, peer, shared.router, Activity::new(Some(place))).await;
}
