//! `Client`: the requests of one fetch or push, with one deadline.
//!
//! ```text
//! Destination ─→ send ─→ 3xx? judged anew, at most 5 ─→ status ─→ read: capped, looked at as it comes
//! ```
//!
//! Every request is a `Destination` of the operator's, so a redirect or a realm that leads to this machine or a private
//! network is refused where it is made. A header that is for one origin is left out once an answer leads to another.

use crate::access::{Access, Phase, Progress};
use crate::kind::{self, NotWasm};
use bytes::Bytes;
use cara_authority::{Destination, Origin, Refusal, SecretGrant, display_safe};
use cara_services::egress::{AnswerBody, Budget, Credential, EgressError, EgressLimits};
use cara_services::vault::SecretValue;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Redirects that one request follows.
const REDIRECTS: usize = 5;
/// Resolving, connecting and TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of all requests and answers together: the largest package and what goes with it, pushed or fetched, with room.
const BUDGET: u64 = 256 * 1024 * 1024;
/// Progress is told after so many bytes.
const STEP: usize = 64 * 1024;

/// Why a request did not bring what it was sent for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The exchange failed.
    #[error(transparent)]
    Egress(EgressError),
    /// All requests together took too long.
    #[error("`{origin}` and what it led to took over {limit:?}\nhint: try again on a faster connection")]
    Deadline {
        /// Who was asked when the time was over.
        origin: Origin,
        /// How long there was.
        limit: Duration,
    },
    /// Redirects without end.
    #[error("`{0}` redirects more than {REDIRECTS} times\nhint: name the URL that it ends at")]
    Redirects(String),
    /// A redirect to nowhere.
    #[error("`{0}` redirects without saying where to\nhint: ask whoever runs that server")]
    Nowhere(String),
    /// Another status than the one that was hoped for.
    #[error("`{url}` answered {status}\nhint: {}", cure(*status))]
    Status {
        /// What was asked for.
        url: String,
        /// What was answered.
        status: StatusCode,
    },
    /// More bytes than may come.
    #[error(
        "`{url}` is larger than {most} bytes, which is the most that is fetched\nhint: do not trust that server, or ask the author for a smaller file"
    )]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The most that is read.
        most: usize,
    },
    /// Something else than WebAssembly.
    #[error("`{url}` is {kind}")]
    NotWasm {
        /// What was asked for.
        url: String,
        /// The kind of the file.
        #[source]
        kind: NotWasm,
    },
}

fn cure(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "it is not public; fetch it with your browser and name the file",
        404 | 410 => "check the name; it is not there",
        429 | 500..=599 => "try again later",
        _ => "check the name, or ask whoever runs that server",
    }
}

/// The requests of one fetch or push.
pub(crate) struct Client<'a> {
    access: Access<'a>,
    /// The operator's own secrets, each for one origin.
    credentials: Mutex<Vec<Credential>>,
    begun: Instant,
    budget: Arc<Budget>,
}

/// An answer whose body was not read yet.
pub(crate) struct Reply {
    pub(crate) destination: Destination,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: AnswerBody,
}

/// What a body may be.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    pub(crate) phase: Phase,
    /// The most bytes.
    pub(crate) most: usize,
}

impl<'a> Client<'a> {
    /// Begins: the deadline counts from here.
    pub(crate) fn new(access: Access<'a>) -> Self {
        Self { access, credentials: Mutex::default(), begun: Instant::now(), budget: Arc::new(Budget::new(BUDGET)) }
    }

    pub(crate) fn access(&self) -> &Access<'a> {
        &self.access
    }

    /// Lets a secret of the operator's go along with requests to where it may go.
    pub(crate) fn carry(&self, grant: SecretGrant, value: Arc<SecretValue>) {
        self.access.egress.known().register(&value);
        self.credentials().push(Credential { grant, value: Ok(value) });
    }

    fn credentials(&self) -> MutexGuard<'_, Vec<Credential>> {
        // A panic in here leaves the list whole: it is only pushed to.
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn took(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Sends one request; a redirect is an answer like any other.
    pub(crate) async fn send(
        &self,
        destination: Destination,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Reply, ClientError> {
        let limits = self.limits(&destination, body.len())?;
        let mut request = Request::new(Full::new(body));
        *request.headers_mut() = headers.clone();
        let credentials = self.credentials().clone();
        let sent = self.access.egress.send(destination.clone(), request, &credentials, &limits).await;
        let (parts, body) = sent.map_err(|error| self.failed(&destination, error))?.into_parts();
        Ok(Reply { destination, status: parts.status, headers: parts.headers, body })
    }

    /// Asks for something and follows where the answer leads.
    pub(crate) async fn get(&self, destination: Destination, mut headers: HeaderMap) -> Result<Reply, ClientError> {
        let first = place(&destination);
        let mut destination = destination;
        for _ in 0..=REDIRECTS {
            let reply = self.send(destination, &headers, Bytes::new()).await?;
            if !matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(reply);
            }
            destination = reply.leads(&Method::GET)?;
            if destination.origin() != reply.destination.origin() {
                headers.remove(header::AUTHORIZATION);
            }
        }
        Err(ClientError::Redirects(first))
    }

    /// Reads a body to its end.
    pub(crate) async fn read(&self, reply: Reply, want: Want) -> Result<Vec<u8>, ClientError> {
        let Reply { destination, headers, mut body, .. } = reply;
        let too_large = || ClientError::TooLarge { url: place(&destination), most: want.most };
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > want.most as u64) {
            return Err(too_large());
        }
        let (mut bytes, mut told, mut judged) = (Vec::new(), 0, want.phase != Phase::Component);
        let judge =
            |bytes: &[u8]| kind::judge(bytes).map_err(|kind| ClientError::NotWasm { url: place(&destination), kind });
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.failed(&destination, error))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > want.most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
            if !judged && bytes.len() >= kind::ENOUGH {
                judge(&bytes)?;
                judged = true;
            }
            if bytes.len() >= told + STEP {
                told = bytes.len();
                self.tell(want.phase, told, length);
            }
        }
        if !judged {
            judge(&bytes)?;
        }
        self.tell(want.phase, bytes.len(), length);
        Ok(bytes)
    }

    pub(crate) fn tell(&self, phase: Phase, bytes: usize, of: Option<u64>) {
        (self.access.progress)(Progress { phase, bytes: bytes as u64, of });
    }

    fn limits(&self, destination: &Destination, sending: usize) -> Result<EgressLimits, ClientError> {
        let deadlines = self.access.deadlines;
        let left = deadlines.total.saturating_sub(self.begun.elapsed());
        if left.is_zero() {
            return Err(ClientError::Deadline { origin: destination.origin().clone(), limit: deadlines.total });
        }
        let idle = deadlines.idle.min(left);
        // The first byte of an answer comes after the last of the request.
        let first_byte = if sending > 0 { left } else { idle };
        let (connect, budget) = (CONNECT.min(left), Arc::clone(&self.budget));
        Ok(EgressLimits { connect, first_byte, between_bytes: idle, total: left, budget })
    }

    fn failed(&self, destination: &Destination, error: EgressError) -> ClientError {
        let limit = self.access.deadlines.total;
        if matches!(error, EgressError::Timeout { .. }) && self.begun.elapsed() >= limit {
            return ClientError::Deadline { origin: destination.origin().clone(), limit };
        }
        match error {
            EgressError::Refused(refusal) => ClientError::Refused(refusal),
            error => ClientError::Egress(error),
        }
    }
}

impl Reply {
    /// Where the answer's `location` leads, by its rules.
    pub(crate) fn leads(&self, method: &Method) -> Result<Destination, ClientError> {
        let location = self.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| ClientError::Nowhere(place(&self.destination)))?;
        Ok(self.destination.redirected(method, location)?)
    }

    /// The answer, if it is a plain yes.
    pub(crate) fn ok(self) -> Result<Self, ClientError> {
        if self.status == StatusCode::OK { Ok(self) } else { Err(self.not_ok()) }
    }

    pub(crate) fn not_ok(&self) -> ClientError {
        ClientError::Status { url: place(&self.destination), status: self.status }
    }
}

/// What is shown of a destination: a query may hold a token.
pub(crate) fn place(destination: &Destination) -> String {
    display_safe(&format!("{}{}", destination.origin(), destination.uri().path()))
}
