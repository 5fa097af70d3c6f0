//! All that is served at one address, and who is let in.

use crate::arguments::HOST;
use crate::failure::failed;
use crate::{control, health, metrics, websocket};
use axum::extract::{Extension, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use cara_authority::Principal;
use cara_control::{Application, Error, ErrorKind};
use http::{StatusCode, header};
use std::sync::Arc;

/// Everything, for processes of the account that holds the home: whoever serves this lets in no other.
pub fn account_router(application: Arc<Application>) -> axum::Router {
    router(application).layer(Extension(Principal::of_account("account")))
}

/// Everything. A request is answered where a layer around this says who makes it.
pub fn router(application: Arc<Application>) -> axum::Router {
    let all = control::router(application.clone()).merge(websocket::router(application.clone()));
    let all = all.merge(health::router(application.clone())).merge(metrics::router(application.clone()));
    let measured = from_fn_with_state(application, metrics::measured);
    // A layer of the routes knows which one it is in.
    all.route_layer(measured).fallback(nothing).layer(from_fn(admitted))
}

/// Lets in what somebody sends whom a door has authenticated, and nothing that a page in a browser could.
async fn admitted(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) {
        let text = "the control API answers no page of a browser\nhint: send the request without `Origin`";
        return failed(StatusCode::FORBIDDEN, &Error::new(ErrorKind::Refused, text));
    }
    if request.extensions().get::<Principal>().is_none() {
        let text = "nobody knows who asks\nhint: ask through a door that authenticates, such as `cara.sock`";
        return failed(StatusCode::UNAUTHORIZED, &Error::new(ErrorKind::Refused, text));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host.split_once(':').map_or(host, |(name, _port)| name) != HOST {
        let text = format!("this is not the host that was asked for\nhint: send `Host: {HOST}`");
        return failed(StatusCode::MISDIRECTED_REQUEST, &Error::new(ErrorKind::Refused, text));
    }
    next.run(request).await
}

async fn nothing(request: Request) -> Response {
    let text = format!(
        "there is nothing at `{} {}`\nhint: `cara api` lists the paths",
        request.method(),
        request.uri().path()
    );
    failed(StatusCode::NOT_FOUND, &Error::new(ErrorKind::NotFound, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::Body;
    use tower::ServiceExt;

    #[tokio::test]
    async fn what_no_door_has_authenticated_is_refused() {
        let plain = || axum::Router::new().fallback(async || "in").layer(from_fn(admitted));
        let request = || Request::get("/control/v1/status").header(header::HOST, HOST).body(Body::empty()).unwrap();
        let refused = plain().oneshot(request()).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let known = plain().layer(Extension(Principal::of_account("account")));
        assert_eq!(known.oneshot(request()).await.unwrap().status(), StatusCode::OK);
    }
}
