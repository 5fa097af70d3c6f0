//! `wasi:http/outgoing-handler`:
//! a guest's request on its way to the egress gate.

use crate::call::Call;
use cara_authority::{Refusal, Rule};
use cara_services::egress::{EgressError, EgressLimits};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The call's own time is up first, so that it ends as a fault and not as a broken answer.
const GRACE: Duration = Duration::from_secs(1);

/// The hooks of one call.
pub(crate) struct Gate {
    call: Arc<Call>,
}

impl Gate {
    pub(crate) fn new(call: Arc<Call>) -> Self {
        Self { call }
    }
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
        Box::new(async move {
            let response = send(&call, request, options.unwrap_or_default()).await;
            let response = response.map_err(|error| report(&call, error))?;
            Ok((response, Box::new(async { Ok(()) }) as Done))
        })
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
    let response = call.services.egress.send(destination, request, &call.spending, &limits).await?;
    let reporter = call.clone();
    Ok(response.map(|body| body.map_err(move |error| report(&reporter, error)).boxed_unsync()))
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
