//! `wasi:http/outgoing-handler`:
//! a guest's request on its way to the egress gate.

use super::CallServices;
use super::context::{Call, fields};
use crate::bindings::channel;
use crate::bindings::types::ErrorKind;
use crate::memory::Held;
use crate::pool::Share;
use bytes::Bytes;
use cara_authority::{Grants, Refusal, Rule};
use cara_services::egress::{EgressError, EgressLimits};
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The call's own time is up first, so that it ends as a fault and not as a broken answer.
const GRACE: Duration = Duration::from_secs(1);

/// The most bytes of a request's body that a guest may write at once.
const CHUNK: usize = 32 << 10;
/// What the host keeps of a body that is not sent yet: what the guest may be ahead, and what is handed on.
const UNSENT: u64 = 4 * CHUNK as u64;
/// What the host keeps of an exchange until its answer is read or dropped: the buffers of an HTTP/1 connection, or the
/// window of an HTTP/2 stream, and the headers.
const EXCHANGE: u64 = cara_services::egress::WINDOW as u64;

/// The hooks of one call.
pub(crate) struct Gate {
    call: Arc<Call>,
    /// What bodies hold that are not on their way yet. One that is made and never sent is held to the end of the call.
    unsent: Vec<Held>,
}

impl Gate {
    pub(crate) fn new(call: Arc<Call>) -> Self {
        Self { call, unsent: Vec::new() }
    }
}

/// A guest's body on its way out. Read to its end even when nobody wants the rest: the other side may have enough of it
/// (it took as many bytes as were promised, or answered early), and to the guest that is no failure of its writing. It
/// ends with the guest's end of the body, at the latest when the call's store is dropped.
fn uphill(mut body: WasiBody, held: Option<Held>) -> WasiBody {
    if body.is_end_stream() {
        return body;
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            let over = frame.is_err();
            let _ = sender.send(frame).await;
            if over {
                break;
            }
        }
        drop(held);
    });
    let frames = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    StreamBody::new(frames).boxed_unsync()
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Done,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Done), Error>> + Send> {
        let call = self.call.clone();
        let held = if request.body().is_end_stream() { None } else { self.unsent.pop() };
        let request = request.map(|body| uphill(body, held));
        Box::new(async move {
            let response = send(&call, request, options.unwrap_or_default()).await;
            let response = response.map_err(|error| report(&call, error))?;
            Ok((response, Box::new(async { Ok(()) }) as Done))
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        1
    }

    /// Asked once for each body.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        match self.call.memory.hold(UNSENT) {
            Some(held) => self.unsent.push(held),
            None => self.call.memory.exceed(),
        }
        CHUNK
    }

    fn set_host_header(&mut self) -> bool {
        // The gate sets it, from the URL it checked.
        false
    }
}

async fn send(
    call: &Arc<Call>,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>, EgressError> {
    let held = call.hold(EXCHANGE)?;
    let (grants, most) = (&call.grants, call.grants.limits().requests);
    if call.requests.fetch_add(1, Ordering::Relaxed) >= most {
        let text = format!("component `{}` made more than {most} requests in one call", grants.component());
        return Err(Refusal::new(Rule::Limit, text).hint("to allow more, raise `requests` in its limits").into());
    }
    let destination = grants.destination(request.method(), request.uri())?;
    let mut limits = EgressLimits {
        budget: call.egress.clone(),
        total: call.time_left() + GRACE,
        ..EgressLimits::of(grants.limits())
    };
    let lower = |limit: &mut Duration, wish: Option<Duration>| *limit = wish.map_or(*limit, |wish| wish.min(*limit));
    lower(&mut limits.connect, options.connect_timeout);
    lower(&mut limits.first_byte, options.first_byte_timeout);
    lower(&mut limits.between_bytes, options.between_bytes_timeout);
    let credentials = call.credentials(&destination).await?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // Before: a call that is cut off is not asked any more.
    let sent = call.services.host_services.sent.as_ref().filter(|_| !reads);
    sent.map(|sent| sent.fetch_add(1, Ordering::Relaxed));
    let response = call.services.egress.send(destination, request, &credentials, &limits).await;
    if response.as_ref().is_err_and(|error| !may_have_sent(error)) {
        sent.map(|sent| sent.fetch_sub(1, Ordering::Relaxed));
    }
    let response = response?;
    let most = fields(grants.limits());
    if response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > most {
        let text = format!("the header of the answer is over {most} bytes");
        return Err(Refusal::new(Rule::Limit, text)
            .hint("to allow more, raise `memory` in the component's limits")
            .into());
    }
    let reporter = call.clone();
    let open = move |error| {
        let _ = &held;
        report(&reporter, error)
    };
    Ok(response.map(|body| body.map_err(open).boxed_unsync()))
}

/// How long a server may take for a request that no sandbox waits for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Makes a request for a component outside of its sandbox. What fails is told with its kind.
pub(crate) async fn outside(
    grants: &Grants,
    services: &CallServices,
    share: Arc<Share>,
    request: &channel::Request,
) -> Result<channel::Response, (Refusal, ErrorKind)> {
    let invalid = |text: String| (Refusal::new(Rule::Invalid, text), ErrorKind::BadRequest);
    let call = Arc::new(Call::outside(grants, services, share, PATIENCE));
    let most = grants.limits().output as usize;
    let body = Full::new(Bytes::copy_from_slice(&request.body)).map_err(|never| match never {}).boxed_unsync();
    let made = Request::builder().method(&*request.method).uri(&*request.url);
    let made = request.headers.iter().fold(made, |made, (name, value)| made.header(name, value));
    let made = made.body(body).map_err(|error| invalid(format!("the request cannot be made: {error}")))?;
    let failed = |error: EgressError| match error {
        // A secret that is not at hand.
        EgressError::Refused(refusal) if refusal.rule() == Rule::Unavailable => (refusal, ErrorKind::Auth),
        EgressError::Refused(refusal) => (refusal, ErrorKind::Refused),
        other => (Refusal::new(Rule::Unavailable, other.to_string()), ErrorKind::Network),
    };
    let response = send(&call, made, RequestOptions::default()).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, most).collect().await.map_err(|_| {
        let text = format!("the answer broke off, or is over {most} bytes");
        (Refusal::new(Rule::Unavailable, text), ErrorKind::Network)
    })?;
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(channel::Response { status: head.status.as_u16(), headers, body: body.to_bytes().to_vec() })
}

/// Whether a request that failed may have reached the server: all before TLS stands certainly did not.
fn may_have_sent(error: &EgressError) -> bool {
    let unsent = matches!(
        error,
        EgressError::Refused(_) | EgressError::Resolve { .. } | EgressError::Connect { .. } | EgressError::Tls { .. }
    );
    !unsent
}

/// Records why a request failed, for the operator, and gives the guest an error it can tell apart.
fn report(call: &Call, error: EgressError) -> Error {
    let text = error.to_string();
    let code = match &error {
        EgressError::Refused(refusal) if refusal.rule() == Rule::Destination => Error::DestinationIpProhibited,
        EgressError::Refused(refusal) if refusal.rule() == Rule::Limit => {
            Error::InternalError(Some(refusal.text().to_owned()))
        }
        EgressError::Refused(_) => Error::HttpRequestDenied,
        EgressError::Resolve { .. } => Error::DnsError { rcode: None, info_code: None },
        EgressError::Connect { .. } => Error::ConnectionRefused,
        EgressError::Tls { .. } => Error::TlsCertificateError,
        EgressError::Timeout { .. } => Error::ConnectionReadTimeout,
        EgressError::Broken { .. } => Error::HttpResponseIncomplete,
        EgressError::Body { .. } => Error::HttpProtocolError,
    };
    call.refuse(match error {
        EgressError::Refused(refusal) => refusal,
        _ => Refusal::new(Rule::Unavailable, text),
    });
    code
}
