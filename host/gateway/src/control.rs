//! The control API: a path for each use case, JSON in and out, events as they
//! come.
//!
//! A request that accepts `text/event-stream` is told events while the use case goes on, and then its view or its error as the
//! last one; any other gets the view alone.

use crate::arguments::{self, InPath};
use crate::body::{Arrived, Room};
use crate::failure::{failed, json, status};
use crate::stream::{self, Told};
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use cara_authority::Principal;
use cara_control::telemetry::within_this;
use cara_control::{Application, Entry, Error, ErrorKind, Events, Prepared, Scope, operations};
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests follow something at once: fewer than the connections, so that a short request always gets in.
const FOLLOWERS: usize = 48;

/// What all requests share.
#[derive(Clone)]
struct Limits {
    followers: Arc<Semaphore>,
    room: Room,
}

/// The paths of all use cases. A request is answered where a layer around this says who makes it.
pub(crate) fn router(application: Arc<Application>, room: Room) -> axum::Router {
    let mut router = axum::Router::new();
    let limits = Limits { followers: Arc::new(Semaphore::new(FOLLOWERS)), room };
    for entry in operations() {
        let method = MethodFilter::try_from(entry.route.method.clone());
        let method = method.expect("routes have methods of HTTP itself");
        let path = entry.route.path;
        let (entry, limits) = (Arc::new(entry), limits.clone());
        let serve = move |State(application): State<Arc<Application>>,
                          Extension(by): Extension<Principal>,
                          Path(path): Path<InPath>,
                          request: Request| {
            let (entry, limits) = (entry.clone(), limits.clone());
            async move { serve(&entry, &limits, application, by, path, request).await }
        };
        router = router.route(path, on(method, serve));
    }
    router.with_state(application)
}

async fn serve(
    entry: &Entry,
    limits: &Limits,
    application: Arc<Application>,
    by: Principal,
    path: InPath,
    request: Request,
) -> Response {
    let Ok(place) = entry.route.follows.then(|| limits.followers.clone().try_acquire_owned()).transpose() else {
        let text = format!("{FOLLOWERS} others follow something already\nhint: end one of them, then try again");
        return failed(StatusCode::SERVICE_UNAVAILABLE, &Error::new(ErrorKind::Conflict, text));
    };
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let streams = accepts.is_some_and(|accept| accept.contains("text/event-stream"));
    let query = request.uri().query().map(str::to_owned);
    let body = match entry.route.reads_query() {
        true => None,
        false => match limits.room.read(request, entry.route.most, by.credential()).await {
            Ok(arrived) => Some(arrived),
            Err((status, text)) => return failed(status, &Error::new(ErrorKind::Invalid, text)),
        },
    };
    let (body, room) = body.map(|Arrived { bytes, place }| (bytes, place)).unzip();
    match arguments::read(entry, &path, query.as_deref(), body.unwrap_or_default()) {
        Ok(prepared) if streams => told(prepared, application, by, Events::new(Scope::Call).holding(room), place),
        Ok(prepared) => match stream::done(prepared, application, by, Events::nobody().holding(room)).await {
            Ok(view) => json(StatusCode::OK, view.get().to_owned()),
            Err(error) => failed(status(error.kind), &error),
        },
        Err(error) => failed(status(error.kind), &error),
    }
}

/// Events while the use case goes on. Who goes away ends what reads; what changes something, and a run, goes on.
fn told(
    prepared: Prepared,
    application: Arc<Application>,
    by: Principal,
    events: Events,
    place: Option<OwnedSemaphorePermit>,
) -> Response {
    let reader = stream::reader(&events, &application, &by);
    // It is done while its answer is read, after the request was answered.
    let work = within_this(async move {
        let done = stream::done(prepared, application, by, events).await;
        done.map_or_else(Told::Error, Told::View)
    });
    // The place is taken until the last frame, or until the reader goes away.
    let frames = stream::frames(reader, work).inspect(move |_| {
        let _taken = &place;
    });
    let mut response = Response::new(Body::from_stream(frames));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
