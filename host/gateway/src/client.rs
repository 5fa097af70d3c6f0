//! Calls use cases, in this process or through the socket: the same request,
//! the same answer.

use crate::router::{COMMAND, READY};
use crate::socket;
use crate::stream::{Reader, Told};
use axum::Router;
use axum::body::Body;
use cara_control::{Error, ErrorKind, Event, Method, Operation, Route};
use http::{Request, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceExt;

/// How long a process that holds a home may take to let somebody in, before it counts as one that stands still.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way to the application.
#[derive(Clone)]
pub enum Client {
    /// The application in this process.
    Here(Router),
    /// It is in the process that answers at this socket.
    There(PathBuf),
}

/// The connection was lost before the answer: whoever held the home ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What was seen of it.
    pub why: String,
    /// Whether the use case may have been begun.
    pub begun: bool,
}

/// A view, as it came and as the type that it has.
#[derive(Debug, Clone)]
pub struct Called<V> {
    /// The view.
    pub view: V,
    /// Its JSON, byte for byte as it came.
    pub json: String,
}

impl Client {
    /// The command of the process that holds the home, if one answers.
    pub async fn holder(&self) -> Option<String> {
        let Self::There(path) = self else { return None };
        let asked = async {
            let (mut sender, _connection) = connected(path).await.ok()?;
            sender.send_request(ready()).await.ok()
        };
        let answer = timeout(PATIENCE, asked).await.ok()??;
        Some(answer.headers().get(COMMAND)?.to_str().ok()?.to_owned())
    }

    /// Does a use case; `told` hears of its events. The outer error: the connection was lost.
    pub async fn call<O: Operation>(
        &self,
        operation: &O,
        told: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Result<Called<O::View>, Error>, Lost> {
        let request = match request(O::ROUTE, operation) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let (status, mut body, _connection) = match self {
            Self::Here(router) => {
                let Ok(response) = router.clone().oneshot(request).await;
                (response.status(), response.into_body(), None)
            }
            Self::There(path) => {
                let lost = |error: &dyn std::fmt::Display| Lost { why: error.to_string(), begun: true };
                let before = |error: &dyn std::fmt::Display| Lost { why: error.to_string(), begun: false };
                // A connection that waits to be let in can be dropped; one that was let in is not.
                let let_in = async {
                    let (mut sender, connection) = connected(path).await.map_err(|error| before(&error))?;
                    sender.send_request(ready()).await.map_err(|error| before(&error))?;
                    Ok((sender, connection))
                };
                let (mut sender, connection) = timeout(PATIENCE, let_in).await.map_err(|error| before(&error))??;
                sender.ready().await.map_err(|error| lost(&error))?;
                let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
                (response.status(), Body::new(response.into_body()), Some(connection))
            }
        };
        let mut reader = Reader::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Lost { why: error.to_string(), begun: true })?;
            let Ok(bytes) = frame.into_data() else { continue };
            if let Err(error) = reader.push(&bytes) {
                return Ok(Err(error));
            }
            loop {
                match reader.next() {
                    Ok(Some(Told::Event(event))) => told(event),
                    Ok(Some(Told::View(view))) => return Ok(read::<O>(view.get())),
                    Ok(Some(Told::Error(error))) | Err(error) => return Ok(Err(error)),
                    Ok(None) => break,
                }
            }
        }
        // A refusal before any work is a plain answer.
        match reader.rest() {
            Some(error) => Ok(Err(error)),
            None if !status.is_success() => {
                let text = format!("the holder of the home answers {status}\nhint: both have to be of one version");
                Ok(Err(Error::new(ErrorKind::Internal, text)))
            }
            None => Err(Lost { why: "the answer was cut".to_owned(), begun: true }),
        }
    }
}

/// A request that asks nothing but whether the connection was let in.
fn ready() -> Request<Body> {
    let ready = Request::get(READY).header(header::HOST, "localhost").body(Body::empty());
    ready.expect("a path and a name are a request")
}

/// A connection to the process that answers at a socket.
async fn connected(path: &Path) -> std::io::Result<(SendRequest<Body>, Connection)> {
    let stream = socket::connect(path).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    let connection = Connection(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the holder of the home ended");
        }
    }));
    Ok((sender, connection))
}

/// A connection that ends with the call.
struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn read<O: Operation>(json: &str) -> Result<Called<O::View>, Error> {
    Ok(Called { view: serde_json::from_str(json)?, json: json.to_owned() })
}

/// The request for a use case: arguments in the path where it names them, the others in query or body.
fn request(route: Route, operation: &impl Operation) -> Result<Request<Body>, Error> {
    let Value::Object(mut arguments) = serde_json::to_value(operation)? else {
        return Err(Error::new(ErrorKind::Internal, "arguments are an object"));
    };
    let mut path = String::new();
    for part in route.path.split('/').skip(1) {
        path.push('/');
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => {
                let value = arguments.remove(name);
                let value = value.as_ref().and_then(Value::as_str).unwrap_or_default();
                path.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            }
            None => path.push_str(part),
        }
    }
    let method = match route.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    };
    let mut body = Body::empty();
    if matches!(route.method, Method::Get | Method::Delete) {
        arguments.retain(|_, value| !value.is_null());
        let query = serde_urlencoded::to_string(&arguments)?;
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
    } else {
        body = Body::from(serde_json::to_vec(&arguments)?);
    }
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CONTENT_TYPE, "application/json");
    Ok(request.body(body)?)
}
