//! `/metrics`, for Prometheus, and the measure of each request.

use crate::failure::{failed, status};
use axum::body::Body;
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use cara_authority::{PersonRole, Principal, Scope};
use cara_control::completion::speaks_for_operator;
use cara_control::metrics::{Answered, method_name};
use cara_control::telemetry::Request as Traced;
use cara_control::{Application, Error, ErrorKind, allowed};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Instant;

/// The text format of Prometheus.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves `/metrics` for the owner.
pub(crate) fn router(application: Arc<Application>) -> axum::Router {
    axum::Router::new().route("/metrics", get(metrics)).with_state(application)
}

async fn metrics(State(application): State<Arc<Application>>, Extension(by): Extension<Principal>) -> Response {
    if by.role() != PersonRole::Owner {
        let text = "the metrics are for the owner of this assistant\nhint: ask with a credential of theirs";
        return failed(StatusCode::FORBIDDEN, &Error::new(ErrorKind::Refused, text));
    }
    if let Err(error) = allowed::require(&by, Scope::Read, "metrics") {
        return failed(StatusCode::FORBIDDEN, &error);
    }
    match application.metrics_text().await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORMAT));
            response
        }
        Err(error) => failed(status(error.kind), &error),
    }
}

/// Measures a request.
pub(crate) async fn measured(State(application): State<Arc<Application>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let route = route.as_ref().map(MatchedPath::as_str);
    let telemetry = application.telemetry();
    let response = if telemetry.is_traced() {
        let traceparent = traceparent(&request).map(str::to_owned);
        let traced = Traced { method: method_name(&method), route, traceparent: traceparent.as_deref() };
        let span = telemetry.request(&traced);
        let response = span.during(next.run(request)).await;
        span.answered(response.status());
        response
    } else {
        next.run(request).await
    };
    let answered = Answered { method: &method, route, status: response.status(), took: began.elapsed() };
    telemetry.metrics().answered(&answered);
    response
}

/// Which trace a request says that it belongs to. It is believed of the operator alone: anybody else could put spans into
/// traces that are none of theirs, and say that nothing of what they do is recorded.
fn traceparent(request: &Request) -> Option<&str> {
    let by = request.extensions().get::<Principal>()?;
    request.headers().get("traceparent").filter(|_| speaks_for_operator(by))?.to_str().ok()
}
