//! The one outbound HTTP client: nothing else in the host opens a connection.
//!
//! ```text
//! Grants ─→ Destination ─→ send ─→ guest's bytes scanned ─→ values placed ─┐
//!                                  name resolved, addresses judged ───────┴→ wire ─→ values taken out ─→ guest
//! ```
//!
//! It must not know components, wasmtime or where values are stored. The header with the values in it is made before
//! the connection is, in memory; no byte of it leaves before every address passed, because there is no connection
//! before that. Redirects are not followed: a 3xx is an answer like any other, and the next request is judged anew.

use bytes::Bytes;
use cara_authority::origin::Scheme;
use cara_authority::{Destination, Sender};
use exchange::Exchange;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use placing::Placing;
use pool::{Connections, Pool, Sent};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};

mod dial;
mod error;
mod exchange;
mod incoming;
mod limits;
mod outgoing;
mod placing;
mod pool;
mod redaction;
mod spans;

pub use dial::{Dial, Resolver, Roots, SystemResolver, TcpDial, Wire};
pub use error::{EgressError, Phase};
pub use limits::{Budget, EgressLimits};
pub use placing::Credential;
pub use pool::WINDOW;
pub use redaction::{KnownSecrets, SHORTEST, TextScrubber};

/// The body of an answer. It is read as it comes; dropping it ends the exchange.
pub type AnswerBody = UnsyncBoxBody<Bytes, EgressError>;

/// What the gate reaches the network with.
#[derive(Clone)]
pub struct Transport {
    /// Names to addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Addresses to connections.
    pub dial: Arc<dyn Dial>,
    /// Whom to trust.
    pub roots: Roots,
}

impl Transport {
    /// The system's resolver, TCP and the platform's roots.
    pub fn system() -> Self {
        Self { resolver: Arc::new(SystemResolver), dial: Arc::new(TcpDial), roots: Roots::Platform }
    }
}

/// The gate. Cloning shares its connections.
#[derive(Clone)]
pub struct Egress {
    known: KnownSecrets,
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    /// Whom to trust, read once.
    trusted: OnceCell<ClientConfig>,
    /// No sender uses another's connections, or waits for them.
    senders: Mutex<HashMap<Sender, Connections>>,
}

impl Egress {
    /// A gate. Nothing is opened or read before the first request.
    pub fn new(known: KnownSecrets, transport: Transport) -> Self {
        Self { known, inner: Arc::new(Inner { transport, trusted: OnceCell::new(), senders: Mutex::default() }) }
    }

    /// The same gate for requests with secrets of their own.
    #[must_use]
    pub fn knowing(&self, known: KnownSecrets) -> Self {
        Self { known, inner: self.inner.clone() }
    }

    /// The secrets that are taken out of answers.
    pub fn known(&self) -> &KnownSecrets {
        &self.known
    }

    /// Sends a request and gives the answer as soon as its header is there.
    ///
    /// Of `request` only headers and body count: method and URL are those of the destination. Of `credentials` those
    /// are placed that may go there, in their spots.
    pub async fn send<B>(
        &self,
        destination: Destination,
        request: Request<B>,
        credentials: &[Credential],
        limits: &EgressLimits,
    ) -> Result<Response<AnswerBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let exchange = Arc::new(Exchange {
            placing: Placing::new(&destination, credentials),
            destination,
            known: self.known.clone(),
            search: self.known.search(),
            limits: limits.clone(),
            deadline: Instant::now() + limits.total,
            fault: Mutex::default(),
        });
        let prepared = timeout_at(exchange.deadline, outgoing::prepared(&exchange, request)).await;
        let request = prepared.map_err(|_| exchange.late(Phase::Finish))??;
        let pool = self.pool(&exchange).await?;
        let answer = exchanged(&pool, &exchange, request).await?;
        incoming::answer(exchange, answer)
    }

    /// The connections of the sender toward a destination. `http` needs no trusted roots, so none are read.
    async fn pool(&self, exchange: &Exchange) -> Result<Pool, EgressError> {
        let Inner { transport, trusted, senders, .. } = &*self.inner;
        let destination = &exchange.destination;
        let scheme = destination.origin().scheme();
        let senders = || senders.lock().unwrap_or_else(PoisonError::into_inner);
        let made = senders().get_mut(destination.sender()).and_then(|own| own.find(destination.reach(), scheme));
        if let Some(pool) = made {
            return Ok(pool);
        }
        let roots = if scheme == Scheme::Http { Roots::None } else { transport.roots.clone() };
        let untrusted = |error: &(dyn Error + 'static)| EgressError::Tls {
            origin: exchange.origin(),
            reason: exchange.reason(error),
        };
        let read = async {
            let config = tokio::task::spawn_blocking(|| roots.config()).await;
            config.map_err(|error| untrusted(&error))?.map_err(|error| untrusted(&error))
        };
        let config = if scheme == Scheme::Http { read.await? } else { trusted.get_or_try_init(|| read).await?.clone() };
        let mut senders = senders();
        let own = senders.entry(destination.sender().clone());
        let own = own.or_insert_with(|| Connections::new(transport));
        Ok(own.find_or_make(destination.reach(), scheme, config))
    }
}

/// Connects, or takes a connection from the pool, and waits for the header of the answer.
async fn exchanged(
    pool: &Pool,
    exchange: &Exchange,
    mut request: Request<Sent>,
) -> Result<Response<Incoming>, EgressError> {
    let limits = &exchange.limits;
    let failed = |error| exchange.failed(&error);
    let mut captured = capture_connection(&mut request);
    let mut answer = pin!(pool.request(request));
    let connected = async { drop(captured.wait_for_connection_metadata().await) };
    tokio::select! {
        biased;
        answer = &mut answer => return answer.map_err(failed),
        connected = timeout(limits.connect.min(limits.total), connected) => {
            connected.map_err(|_| exchange.late(Phase::Connect))?;
        }
    }
    let (due, phase) = match Instant::now() + limits.first_byte {
        due if due < exchange.deadline => (due, Phase::FirstByte),
        _ => (exchange.deadline, Phase::Finish),
    };
    timeout_at(due, answer).await.map_err(|_| exchange.late(phase))?.map_err(failed)
}
