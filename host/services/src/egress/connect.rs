//! From a name to a connection:
//! resolve once, judge every address, connect to those and to nothing else.
//!
//! The connection pool above this asks for a connection to an origin; there is one pool for each sender and [`Reach`],
//! so a pooled connection was judged by the same rule when it was made, and nobody waits behind what another leaves
//! unread. Proxy variables of the environment are never read.

use super::Transport;
use bytes::Bytes;
use cara_authority::Reach;
use cara_authority::address::NotPublic;
use cara_authority::origin::Scheme;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Uri;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tower_service::Service;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);
/// How long resolving, connecting and TLS may take when nobody waits for it any more.
pub(super) const CONNECT: Duration = Duration::from_secs(30);
/// How long an address has before the next one is tried beside it (RFC 8305 section 8).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses that are tried.
const TRIED: usize = 6;
/// How long a connection stays open unused.
const IDLE: Duration = Duration::from_secs(90);
/// The largest header of an answer, names and values.
pub(super) const HEADER: usize = 64 * 1024;
/// What a server may send of one answer before anybody reads it: the window of an HTTP/2 stream.
pub const WINDOW: u32 = 256 * 1024;
/// How many unread answers it takes on one HTTP/2 connection until its others stand still. Each counts to its call.
const WINDOWS: u32 = 256;
/// Connections of one sender, in use or kept open.
const LINES: usize = 256;
/// Names of one sender that are looked up at once. A look-up of the system cannot be ended, and takes a thread.
const LOOKUPS: usize = 4;

/// Turns names into addresses.
pub trait Resolver: Send + Sync {
    /// Every address of an absolute name, without a trailing dot.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        // The dot makes the name absolute: a search domain of this machine is not tried.
        let name = format!("{name}.");
        Box::pin(async move { Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A byte stream to a server.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Opens connections.
pub trait Dial: Send + Sync {
    /// Connects to an address that was judged.
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>>;
}

/// TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}

/// Whom to trust for TLS.
#[allow(clippy::large_enum_variant, reason = "there is one, made at start")]
#[derive(Clone)]
pub enum Roots {
    /// The platform's store. It is read when the first `https` request is made, not at start.
    Platform,
    /// This configuration; its protocols (ALPN) are set by the gate.
    Given(ClientConfig),
    /// Nobody: for connections that are never TLS.
    None,
}

impl Roots {
    /// The configuration. Reads files: not for an async thread.
    pub(super) fn config(self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = || ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = match self {
            Self::Platform => builder()?.try_with_platform_verifier()?.with_no_client_auth(),
            Self::Given(config) => config,
            Self::None => builder()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// What is sent.
pub(super) type Sent = UnsyncBoxBody<Bytes, super::outgoing::Stopped>;
/// One pool of connections.
pub(super) type Pool = Client<Deadlined, Sent>;

/// What one sender has of the network.
pub(super) struct Connections {
    pools: HashMap<(Reach, Scheme), Pool>,
    lines: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new() -> Self {
        let lines = Arc::new(Semaphore::new(LINES));
        Self { pools: HashMap::new(), lines, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// The pool for a reach, made on first use.
    pub(super) fn pool(&mut self, reach: Reach, scheme: Scheme, config: ClientConfig, transport: &Transport) -> Pool {
        if self.lines.available_permits() == 0 {
            // What is kept open and unused goes; what is in use stays until it is read.
            self.pools.clear();
        }
        let (lines, lookups) = (self.lines.clone(), self.lookups.clone());
        let gate = || Gate { reach, transport: transport.clone(), lines, lookups };
        self.pools.entry((reach, scheme)).or_insert_with(|| pool(gate(), config, scheme == Scheme::Https)).clone()
    }
}

fn pool(gate: Gate, mut config: ClientConfig, tls_only: bool) -> Pool {
    // A session is not taken up again for another sender.
    config.resumption = Resumption::in_memory_sessions(32);
    let mut connector = HttpsConnector::from((gate, config));
    if tls_only {
        connector.enforce_https();
    }
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(8)
        .http1_max_buf_size(HEADER)
        .http2_max_header_list_size(HEADER as u32)
        .http2_initial_stream_window_size(WINDOW)
        .http2_initial_connection_window_size(WINDOWS * WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .build(Deadlined(connector))
}

/// Why there is no connection. TLS errors come from the layer above.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no answer from the resolver within {RESOLVE:?}")]
    ResolveTimeout,
    #[error(transparent)]
    Resolve(io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("{0} is {1}")]
    Refused(IpAddr, NotPublic),
    #[error(transparent)]
    Dial(io::Error),
    #[error("{LINES} connections of the same sender are open already")]
    Full,
    #[error("over {CONNECT:?}")]
    Timeout,
}

/// The connector below TLS.
#[derive(Clone)]
pub(super) struct Gate {
    reach: Reach,
    transport: Transport,
    lines: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

impl Gate {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Line>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let line = timeout(RESOLVE, self.lines.clone().acquire_owned()).await;
        let line = line.ok().and_then(Result::ok).ok_or(ConnectError::Full)?;
        let addresses = self.addresses(host).await?;
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        for &address in &addresses {
            self.reach.admits(address).map_err(|reason| ConnectError::Refused(address, reason))?;
        }
        let dial = &self.transport.dial;
        let mut attempts: FuturesUnordered<_> = (0..)
            .zip(addresses.into_iter().take(TRIED))
            .map(|(turn, address)| async move {
                sleep(STAGGER * turn).await;
                dial.dial(SocketAddr::new(address, port)).await
            })
            .collect();
        let mut failed = ConnectError::NoAddress;
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Ok(wire) => return Ok(TokioIo::new(Line { wire, _place: line })),
                Err(error) => failed = ConnectError::Dial(error),
            }
        }
        Err(failed)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        if self.reach == Reach::Loopback {
            // RFC 6761 section 6.3: `localhost` is loopback, whatever a resolver would say.
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let (resolver, name, lookups) = (self.transport.resolver.clone(), host.to_owned(), self.lookups.clone());
        let found = timeout(RESOLVE, async move {
            let place = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // A task of its own, which has its place until the look-up is over, whoever still waits for it.
            let looked_up = tokio::spawn(async move {
                let _place = place;
                resolver.resolve(&name).await
            });
            looked_up.await.map_err(io::Error::other)?
        });
        match found.await {
            Ok(found) => found.map_err(ConnectError::Resolve),
            Err(_) => Err(ConnectError::ResolveTimeout),
        }
    }
}

impl Service<Uri> for Gate {
    type Response = TokioIo<Line>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<TokioIo<Line>, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connector with TLS, ended when it takes too long.
#[derive(Clone)]
pub(super) struct Deadlined(HttpsConnector<Gate>);

impl Service<Uri> for Deadlined {
    type Response = <HttpsConnector<Gate> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { timeout(CONNECT, connecting).await.map_err(|_| ConnectError::Timeout)? })
    }
}

/// A connection, as hyper wants it.
pub(super) struct Line {
    wire: Box<dyn Wire>,
    _place: OwnedSemaphorePermit,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }
}
