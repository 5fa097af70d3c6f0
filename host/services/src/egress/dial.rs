//! From a name to a checked connection:
//! resolve once, judge every address, connect to those and to nothing else.
//!
//! ```text
//! Dialer ─→ a place among the sender's lines ─→ addresses ─→ each judged by Reach ─→ dial ─→ TLS ─→ Checked
//! ```
//!
//! It must not know what is spoken over a connection: whatever speaks to a server asks for one here, as HTTP does
//! (`pool`). Proxy variables of the environment are never read.

use super::Transport;
use cara_authority::Reach;
use cara_authority::address::NotPublic;
use cara_authority::origin::Scheme;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::Resumption;
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
/// Connections of one sender, in use or kept open: each of a thousand chats over HTTP/1.1 has its own.
const LINES: usize = 2_048;
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
    /// This configuration; its protocols (ALPN) are set by who dials.
    Given(ClientConfig),
    /// Nobody: for connections that are never TLS.
    None,
}

impl Roots {
    /// The configuration. Reads files: not for an async thread.
    pub(super) fn config(self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = || ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Ok(match self {
            Self::Platform => builder()?.try_with_platform_verifier()?.with_no_client_auth(),
            Self::Given(config) => config,
            Self::None => builder()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        })
    }
}

/// What one sender has of the network. Clones count together.
#[derive(Clone)]
pub(super) struct Access {
    transport: Transport,
    pub(super) lines: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

impl Access {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, lines: Arc::new(Semaphore::new(LINES)), lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
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
    access: Access,
}

impl Gate {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Line>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let line = timeout(RESOLVE, self.access.lines.clone().acquire_owned()).await;
        let line = line.ok().and_then(Result::ok).ok_or(ConnectError::Full)?;
        let addresses = self.addresses(host).await?;
        for &address in &addresses {
            self.reach.admits(address).map_err(|reason| ConnectError::Refused(address, reason))?;
        }
        let dial = &self.access.transport.dial;
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
        let (resolver, name, lookups) =
            (self.access.transport.resolver.clone(), host.to_owned(), self.access.lookups.clone());
        let found = timeout(RESOLVE, async move {
            let place = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // A task of its own, which has its place until the look-up is over, whoever still waits for it.
            let looked_up = tokio::spawn(async move {
                let _place = place;
                resolver.resolve(&name).await
            });
            looked_up.await.map_err(io::Error::other)?
        });
        found.await.map_err(|_| ConnectError::ResolveTimeout)?.map_err(ConnectError::Resolve)
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

/// Having a `Checked` tells you: the name was resolved once, every address it has passed the reach, the connection is to
/// one of them, over `https` the server proved the name, and the stream counts among the lines of its sender until it is
/// dropped. The bytes are nobody's yet: what may be said over it, and what is taken out of the answer, is the protocol's.
pub(super) type Checked = MaybeHttpsStream<TokioIo<Line>>;

/// Makes checked connections of one sender, for one reach and scheme.
#[derive(Clone)]
pub(super) struct Dialer(HttpsConnector<Gate>);

impl Dialer {
    /// `config` names the protocols (ALPN) that are spoken over its connections. No session is taken up again for another
    /// dialer, so for another sender neither.
    pub(super) fn new(reach: Reach, scheme: Scheme, mut config: ClientConfig, access: &Access) -> Self {
        config.resumption = Resumption::in_memory_sessions(32);
        let mut connector = HttpsConnector::from((Gate { reach, access: access.clone() }, config));
        if scheme == Scheme::Https {
            connector.enforce_https();
        }
        Self(connector)
    }
}

/// Connects to the host and port of a URI, with TLS when it says `https`; ended when it takes too long.
impl Service<Uri> for Dialer {
    type Response = Checked;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Checked, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { timeout(CONNECT, connecting).await.map_err(|_| ConnectError::Timeout)? })
    }
}

/// The connection below TLS, as hyper wants it.
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
