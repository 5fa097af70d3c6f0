//! Calls use cases, in this process or through the socket: the same request,
//! the same answer.

use crate::arguments::{HOST, written};
use crate::listen as socket;
use crate::stream::{Reader, Told};
use axum::Router;
use axum::body::Body;
use cara_control::status::{Ready, ShowReady};
use cara_control::{Error, ErrorKind, Event, Operation, Role};
use http::{Request, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceExt;

/// How long a process that holds a home may take to let somebody in, before it counts as one that stands still.
const PATIENCE: Duration = Duration::from_secs(10);

/// The version of this program, and of whoever takes and gives the same.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The most bytes of the answer that says who holds the home.
const MOST: usize = 4096;

/// A way to the application.
#[derive(Clone)]
pub enum Client {
    /// The application is in this process.
    InProcess(Router),
    /// The application is in the process that answers at this socket.
    Socket(PathBuf),
}

/// Why a call has no view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The use case was not done.
    #[error("{0}")]
    Failed(Error),
    /// The connection was lost before the answer: whoever held the home ended.
    #[error("the connection was lost: {why}")]
    Lost {
        /// What was seen of it.
        why: String,
        /// Whether the use case may have been begun.
        begun: bool,
    },
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
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
    /// Who holds the home, if somebody answers; of another version, only that somebody does.
    pub async fn holder(&self) -> Option<Option<Ready>> {
        let Self::Socket(path) = self else { return None };
        timeout(PATIENCE, let_in(path)).await.ok()?.ok().map(|let_in| let_in.ready)
    }

    /// Does a use case; `told` hears of its events.
    pub async fn call<O: Operation>(
        &self,
        operation: &O,
        told: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Called<O::View>, CallError> {
        let request = written(operation)?;
        let (status, mut body, _connection) = match self {
            Self::InProcess(router) => {
                let Ok(response) = router.clone().oneshot(request).await;
                (response.status(), response.into_body(), None)
            }
            Self::Socket(path) => {
                // A connection that waits to be let in can be dropped; one that was let in is not.
                let in_time = timeout(PATIENCE, let_in(path)).await.map_err(|why| lost(&why, false))?;
                let LetIn { mut sender, connection, ready } = in_time.map_err(|why| lost(&why, false))?;
                if !O::ROUTE.stable {
                    check(ready.as_ref())?;
                }
                sender.ready().await.map_err(|why| lost(&why, false))?;
                // What comes back unsent was not begun by anybody.
                let response = sender.try_send_request(request).await.map_err(|mut failed| {
                    let unsent = failed.take_message().is_some();
                    lost(failed.error(), !unsent)
                })?;
                (response.status(), Body::new(response.into_body()), Some(connection))
            }
        };
        let mut reader = Reader::default();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame.map_err(|why| lost(&why, true))?.into_data() else { continue };
            reader.push(&bytes)?;
            while let Some(next) = reader.next()? {
                match next {
                    Told::Event(_, event) => told(Arc::unwrap_or_clone(event)),
                    Told::View(view) => return Ok(read::<O>(view.get())?),
                    Told::Error(error) => return Err(error.into()),
                }
            }
        }
        // A refusal before any work is a plain answer.
        match reader.rest() {
            Some(error) => Err(error.into()),
            None if !status.is_success() => {
                let text = format!("the holder of the home answers {status}\nhint: both have to be of one version");
                Err(Error::new(ErrorKind::Internal, text).into())
            }
            None => Err(lost(&"the answer was cut", true)),
        }
    }
}

fn lost(why: &dyn Display, begun: bool) -> CallError {
    CallError::Lost { why: why.to_string(), begun }
}

/// A connection that was let in.
struct LetIn {
    sender: SendRequest<Body>,
    connection: Connection,
    /// Who holds the home; nothing when what it answers cannot be read.
    ready: Option<Ready>,
}

/// Connects to the process that answers at a socket, and asks who it is.
async fn let_in(path: &Path) -> std::io::Result<LetIn> {
    let stream = socket::connect(path).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    let connection = Connection(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the holder of the home ended");
        }
    }));
    let ask = Request::get(ShowReady::ROUTE.path).header(header::HOST, HOST).body(Body::empty());
    let answer = sender.send_request(ask.map_err(std::io::Error::other)?).await.map_err(std::io::Error::other)?;
    let answer = Limited::new(answer.into_body(), MOST).collect().await.map_err(std::io::Error::other)?;
    Ok(LetIn { sender, connection, ready: serde_json::from_slice(&answer.to_bytes()).ok() })
}

/// Refuses a holder of another version, whose answers could be misread.
fn check(ready: Option<&Ready>) -> Result<(), Error> {
    let (version, role) = match ready {
        Some(Ready { version, .. }) if version == VERSION => return Ok(()),
        Some(Ready { version, role }) => (version.as_str(), *role),
        None => ("another version", Role::Daemon),
    };
    let text = format!(
        "the process that holds the home is cara {version}, and this is {VERSION}\nhint: {}; then try again",
        role.ending()
    );
    Err(Error::new(ErrorKind::Conflict, text))
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
