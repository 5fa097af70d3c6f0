//! The router: a path for each use case, JSON in and out, events as they
//! come.
//!
//! A request that accepts `text/event-stream` is told events while the use case goes on, and then its view or its error as the
//! last one; any other gets the view alone.

use crate::stream::{self, Told};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use cara_control::{Application, Entry, Error, ErrorKind, Event, Events, Method, Prepared, operations};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The path that says that a connection was let in: what is asked on it is answered, also when the process ends.
pub(crate) const READY: &str = "/v1/ready";

/// The header in which that answer says which command holds the home.
pub(crate) const COMMAND: &str = "cara-command";

/// The most bytes of a request: a message with its attached files.
pub(crate) const MOST: usize = 64 * 1024 * 1024;

/// The paths of all use cases.
pub fn router(application: Arc<Application>) -> axum::Router {
    let mut router = axum::Router::new();
    for entry in operations() {
        let method = match entry.route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Delete => MethodFilter::DELETE,
        };
        let path = entry.route.path;
        let entry = Arc::new(entry);
        let serve = move |State(application): State<Arc<Application>>,
                          Path(path): Path<BTreeMap<String, String>>,
                          request: Request| {
            let entry = entry.clone();
            async move { serve(&entry, application, path, request).await }
        };
        router = router.route(path, on(method, serve));
    }
    let command = application.command().to_owned();
    let ready = move || async move { (StatusCode::NO_CONTENT, [(COMMAND, command)]) };
    router = router.route(READY, on(MethodFilter::GET, ready));
    router.fallback(nothing).with_state(application)
}

async fn nothing(request: Request) -> Response {
    let text = format!(
        "there is nothing at `{} {}`\nhint: `cara api` lists the paths",
        request.method(),
        request.uri().path()
    );
    failed(&Error::new(ErrorKind::NotFound, text))
}

async fn serve(
    entry: &Entry,
    application: Arc<Application>,
    path: BTreeMap<String, String>,
    request: Request,
) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let streams = accepts.is_some_and(|accept| accept.contains("text/event-stream"));
    let prepared = match read(entry, path, request).await {
        Ok(prepared) => prepared,
        Err(error) => return failed(&error),
    };
    if streams { told(prepared, application) } else { answered(prepared, application).await }
}

/// Reads the arguments: those of the path, and those of the query or the body.
async fn read(entry: &Entry, path: BTreeMap<String, String>, request: Request) -> Result<Prepared, Error> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    if matches!(entry.route.method, Method::Get | Method::Delete) {
        let named = serde_urlencoded::to_string(&path)?;
        let both = [named, query].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        return (entry.from_query)(&both);
    }
    let limited = http_body_util::Limited::new(request.into_body(), MOST);
    let body =
        limited.collect().await.map_err(|error| Error::new(ErrorKind::Invalid, format!("the request: {error}")))?;
    let body = body.to_bytes();
    let mut arguments: serde_json::Map<String, serde_json::Value> =
        if body.is_empty() { serde_json::Map::new() } else { serde_json::from_slice(&body)? };
    arguments.extend(path.into_iter().map(|(name, value)| (name, value.into())));
    (entry.from_json)(arguments.into())
}

async fn answered(prepared: Prepared, application: Arc<Application>) -> Response {
    match prepared.run(application, Events::nobody()).await {
        Ok(view) => json(StatusCode::OK, view.get().to_owned()),
        Err(error) => failed(&error),
    }
}

/// Events while the use case goes on. Who goes away ends it, but a run goes on.
fn told(prepared: Prepared, application: Arc<Application>) -> Response {
    let (sender, receiver) = mpsc::unbounded_channel::<Told>();
    let to = sender.clone();
    let events = Events::new(move |event: Event| {
        // Nobody listens any more when this fails.
        let _ = to.send(Told::Event(event));
    });
    let work = async move {
        let last = match prepared.run(application, events).await {
            Ok(view) => Told::View(view),
            Err(error) => Told::Error(error),
        };
        let _ = sender.send(last);
    };
    let body = Body::new(stream::EventBody::new(receiver, Box::pin(work)));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
    response
}

fn json(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// The code of each kind of failure.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Refused | ErrorKind::WrongPassword => StatusCode::FORBIDDEN,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::VaultLocked | ErrorKind::VaultMissing => StatusCode::LOCKED,
        ErrorKind::Unavailable | ErrorKind::Unknown => StatusCode::BAD_GATEWAY,
        ErrorKind::Cancelled => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn failed(error: &Error) -> Response {
    json(status(error.kind), serde_json::to_string(error).expect("an error is plain data"))
}
