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

use body::{Answer, Outgoing};
use bytes::Bytes;
use cara_authority::origin::Scheme;
use cara_authority::{Destination, Origin, Sender};
use connect::{ConnectError, Connections, Pool};
use error::reason;
use futures_util::future::{Either, select};
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use needles::Sieve;
use outgoing::{Exchange, Stream, declared_length};
use placing::Placing;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

mod body;
mod connect;
mod error;
mod escapes;
mod forms;
mod incoming;
mod known;
mod limits;
mod needles;
mod outgoing;
mod placing;
mod text;

pub use connect::{Dial, Resolver, Roots, SystemResolver, TcpDial, WINDOW, Wire};
pub use error::{EgressError, Stage};
pub use known::{KnownSecrets, SHORTEST};
pub use limits::{Budget, EgressLimits};
pub use placing::Credential;
pub use text::TextScrubber;

/// The body of an answer. It is read as it comes; dropping it ends the exchange.
pub type AnswerBody = UnsyncBoxBody<Bytes, EgressError>;

/// What the gate reaches the network with.
pub struct Doors {
    /// Names to addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Addresses to connections.
    pub dial: Arc<dyn Dial>,
    /// Whom to trust.
    pub roots: Roots,
}

impl Doors {
    /// The system's resolver, TCP and the platform's roots.
    pub fn system() -> Self {
        Self { resolver: Arc::new(SystemResolver), dial: Arc::new(TcpDial), roots: Roots::Platform }
    }
}

/// The gate. Cloning shares its connections.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    known: KnownSecrets,
    doors: Doors,
    /// Whom to trust, read once.
    trusted: OnceCell<ClientConfig>,
    /// No sender uses another's connections, or waits for them.
    senders: Mutex<HashMap<Sender, Connections>>,
}

/// Why a body was ended, for whoever sees the exchange break.
#[derive(Clone, Default)]
struct Fault(Arc<Mutex<Option<EgressError>>>);

impl Fault {
    fn set(&self, error: EgressError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<EgressError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Egress {
    /// A gate. Nothing is opened or read before the first request.
    pub fn new(known: KnownSecrets, doors: Doors) -> Self {
        Self(Arc::new(Inner { known, doors, trusted: OnceCell::new(), senders: Mutex::default() }))
    }

    /// The secrets that are taken out of answers.
    pub fn known(&self) -> &KnownSecrets {
        &self.0.known
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
        let deadline = Instant::now() + limits.total;
        let search = self.0.known.search();
        let exchange = Exchange {
            destination: destination.clone(),
            placing: Placing::new(&destination, credentials),
            search: search.clone(),
            budget: Arc::clone(&limits.budget),
        };
        let fault = Fault::default();
        let late =
            || EgressError::Timeout { origin: destination.origin().clone(), stage: Stage::Finish, limit: limits.total };
        let prepared = timeout(limits.total, self.prepared(&exchange, request, &fault));
        let request = prepared.await.map_err(|_| late())??;
        let pool = self.pool(&destination).await?;
        let answer = self.exchanged(&pool, &destination, request, limits, &fault).await?;

        let (parts, body) = answer.into_parts();
        limits.budget.take(incoming::size(&parts.headers))?;
        let origin = destination.origin().clone();
        let (status, headers) = incoming::head(&parts, destination.method(), &origin, search.as_ref())?;
        let sieve = search.clone().map(Sieve::new);
        let (limits, known) = (limits.clone(), self.0.known.clone());
        let (waiting, timer, ended, trailers) = (None, None, false, None);
        let body =
            Answer { body, search, sieve, limits, deadline, waiting, timer, ended, trailers, fault, origin, known };
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// The request as it goes out: header with the values in it, body whole with them or streaming without.
    async fn prepared<B>(
        &self,
        exchange: &Exchange,
        request: Request<B>,
        fault: &Fault,
    ) -> Result<Request<connect::Sent>, EgressError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let length = declared_length(&parts.headers)?.or(body.size_hint().exact());
        if length != Some(0) && exchange.placing.fills_body(&parts.headers) {
            let body = body::filled(body, exchange, &parts.headers, &self.0.known).await?;
            let (mut head, ()) = exchange.head(parts)?.into_parts();
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            return Ok(Request::from_parts(head, Full::new(body).map_err(|never| match never {}).boxed_unsync()));
        }
        let stream = Stream::new(exchange.clone());
        let (head, ()) = exchange.head(parts)?.into_parts();
        let (budget, origin) = (Arc::clone(&exchange.budget), exchange.destination.origin().clone());
        let (fault, known) = (fault.clone(), self.0.known.clone());
        let (sent, ended, trailers) = (0, false, None);
        let body = Outgoing { body, stream, budget, length, sent, ended, trailers, fault, origin, known };
        let mut request = Request::from_parts(head, body.boxed());
        if let Some(length) = length.filter(|&length| length > 0) {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(request)
    }

    /// Connects, or takes a connection from the pool, and waits for the header of the answer.
    async fn exchanged(
        &self,
        pool: &Pool,
        destination: &Destination,
        mut request: Request<connect::Sent>,
        limits: &EgressLimits,
        fault: &Fault,
    ) -> Result<Response<Incoming>, EgressError> {
        let origin = destination.origin();
        let late = |stage, limit| EgressError::Timeout { origin: origin.clone(), stage, limit };
        let failed = |error| fault.take().unwrap_or_else(|| self.failed(destination, &error));
        let begun = Instant::now();
        let mut captured = capture_connection(&mut request);
        let mut answer = pin!(pool.request(request));
        {
            let connected = pin!(async { drop(captured.wait_for_connection_metadata().await) });
            let connected = pin!(timeout(limits.connect.min(limits.total), connected));
            match select(answer.as_mut(), connected).await {
                Either::Left((answer, _)) => return answer.map_err(failed),
                Either::Right((Ok(()), _)) => {}
                Either::Right((Err(_), _)) => return Err(late(Stage::Connect, limits.connect)),
            }
        }
        let left = limits.total.saturating_sub(begun.elapsed());
        match select(answer, pin!(sleep(limits.first_byte.min(left)))).await {
            Either::Left((answer, _)) => answer.map_err(failed),
            Either::Right(_) if left < limits.first_byte => Err(late(Stage::Finish, limits.total)),
            Either::Right(_) => Err(late(Stage::FirstByte, limits.first_byte)),
        }
    }

    /// The connections of the sender toward a destination. `http` needs no trusted roots, so none are read.
    async fn pool(&self, destination: &Destination) -> Result<Pool, EgressError> {
        let Inner { doors, trusted, senders, .. } = &*self.0;
        let scheme = destination.origin().scheme();
        let untrusted = |error: &(dyn Error + 'static)| self.untrusted(destination.origin(), error);
        let config = match scheme {
            Scheme::Http => Roots::None.config().map_err(|error| untrusted(&error))?,
            Scheme::Https => {
                let read = || async {
                    let roots = doors.roots.clone();
                    let config = tokio::task::spawn_blocking(|| roots.config()).await;
                    config.map_err(|error| untrusted(&error))?.map_err(|error| untrusted(&error))
                };
                trusted.get_or_try_init(read).await?.clone()
            }
        };
        let mut senders = senders.lock().unwrap_or_else(PoisonError::into_inner);
        let own = senders.entry(destination.sender().clone()).or_insert_with(Connections::new);
        Ok(own.pool(destination.reach(), scheme, config, doors))
    }

    fn untrusted(&self, origin: &Origin, error: &(dyn Error + 'static)) -> EgressError {
        EgressError::Tls { origin: origin.clone(), reason: reason(&self.0.known, error) }
    }

    /// What an error of the client means for this destination.
    fn failed(&self, destination: &Destination, error: &legacy::Error) -> EgressError {
        let origin = destination.origin().clone();
        let reason = |error: &(dyn Error + 'static)| reason(&self.0.known, error);
        if !error.is_connect() {
            return EgressError::Broken { origin, reason: reason(error) };
        }
        let mut source = error.source();
        while let Some(error) = source {
            match error.downcast_ref::<ConnectError>() {
                Some(ConnectError::Refused(address, why)) => {
                    let refusal = destination.admits(*address).err();
                    return refusal.map_or(EgressError::Connect { origin, reason: why.to_string() }, Into::into);
                }
                Some(ConnectError::Timeout) => {
                    return EgressError::Timeout { origin, stage: Stage::Connect, limit: connect::CONNECT };
                }
                Some(error @ (ConnectError::Dial(_) | ConnectError::Full)) => {
                    return EgressError::Connect { origin, reason: reason(error) };
                }
                Some(error) => return EgressError::Resolve { origin, reason: reason(error) },
                None => source = error.source(),
            }
        }
        // What is left comes from the layer between the connection and HTTP, which is TLS.
        EgressError::Tls { origin, reason: error.source().map_or_else(String::new, reason) }
    }
}
