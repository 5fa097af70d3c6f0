//! All that is served at one address, and who is let in.

use crate::auth::{self, Gate, guarded};
use crate::body::Room;
use crate::listen::Peer;
use crate::refusal::{Shape, refused};
use crate::{api, control, health, metrics, websocket};
use axum::extract::{Extension, Request};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use cara_control::{Application, Error, ErrorKind};
use http::StatusCode;
use std::sync::Arc;

/// Everything, for processes of the account that holds the home: whoever serves this lets in no other.
pub fn account_router(application: Arc<Application>) -> axum::Router {
    router(application).layer(Extension(Peer::of_account()))
}

/// Everything, for whoever shows a credential. Whoever serves this says by a [`Peer`] who is at the other end.
pub fn router(application: Arc<Application>) -> axum::Router {
    let (gate, room) = (Gate::new(application.clone()), Room::default());
    let all = control::router(application.clone(), room.clone());
    let all = all.merge(websocket::router(application.clone(), room.clone()));
    let all = all.merge(api::router(application.clone(), room));
    let all = all.merge(health::router(application.clone())).merge(metrics::router(application.clone()));
    let all = all.merge(auth::routes(gate.clone()));
    let measured = from_fn_with_state(application, metrics::measured);
    // A layer of the routes knows which one it is in.
    guarded(all.route_layer(measured).method_not_allowed_fallback(another_method).fallback(nothing), gate)
}

/// Which methods the path has, says the header `Allow`.
async fn another_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let text = format!("`{path}` is not asked by `{method}`\nhint: the header `Allow` says by which methods it is");
    let shape = Shape::of(path, request.headers());
    refused(shape, StatusCode::METHOD_NOT_ALLOWED, &Error::new(ErrorKind::Invalid, text))
}

async fn nothing(request: Request) -> Response {
    let text = format!(
        "there is nothing at `{} {}`\nhint: docs/gateway.md and `cara api` list the paths",
        request.method(),
        request.uri().path()
    );
    let shape = Shape::of(request.uri().path(), request.headers());
    refused(shape, StatusCode::NOT_FOUND, &Error::new(ErrorKind::NotFound, text))
}
