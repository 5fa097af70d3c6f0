//! A scripted HTTP server on loopback that remembers what it was sent.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// As much of the body as came.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub whole: bool,
}

impl Recorded {
    /// A header, empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Everything that was sent, as one text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} {}\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
        text + &String::from_utf8_lossy(&self.body)
    }
}

/// What the server does, one step after the other.
#[derive(Debug, Clone)]
enum Step {
    Send(Bytes),
    /// One byte again and again, with a pause after each.
    Drip(Bytes, Duration),
    /// Nothing more, and no end.
    Hang,
    /// The connection breaks.
    Break,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
    /// No answer at all.
    silent: bool,
}

impl Reply {
    /// 200 with this body in one piece.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), steps: vec![Step::Send(body.into())], silent: false }
    }

    /// The body cut into pieces of so many bytes, each sent on its own.
    #[must_use]
    pub fn pieces(body: &[u8], size: usize) -> Self {
        let whole = Bytes::copy_from_slice(body);
        Self::shared(&whole, size)
    }

    /// The same without a copy of the body.
    #[must_use]
    pub fn shared(body: &Bytes, size: usize) -> Self {
        let cut = |at: usize| Step::Send(body.slice(at..(at + size).min(body.len())));
        let steps = (0..body.len()).step_by(size).map(cut).collect();
        Self { steps, ..Self::ok("") }
    }

    /// A body of one byte again and again, which never ends.
    #[must_use]
    pub fn drip(piece: &str, every: Duration) -> Self {
        Self { steps: vec![Step::Drip(Bytes::copy_from_slice(piece.as_bytes()), every)], ..Self::ok("") }
    }

    /// A body that never ends, as fast as it is read.
    #[must_use]
    pub fn endless() -> Self {
        static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
        Self { steps: vec![Step::Drip(Bytes::from_static(&PIECE), Duration::ZERO)], ..Self::ok("") }
    }

    /// No answer, and no end of the connection.
    #[must_use]
    pub fn silence() -> Self {
        Self { silent: true, ..Self::ok("") }
    }

    /// Another status.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).unwrap();
        self
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Never ends after what was sent.
    #[must_use]
    pub fn then_hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }

    /// Breaks off after what was sent.
    #[must_use]
    pub fn then_break(mut self) -> Self {
        self.steps.push(Step::Break);
        self
    }
}

/// The server. It ends when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    open: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = dyn Fn(&Recorded) -> Reply + Send + Sync;

impl Upstream {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start(script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (count, open) = watch::channel(0);
        let task = tokio::spawn(serve(listener, Arc::new(script), requests.clone(), count));
        Self { address, requests, open, task }
    }

    /// Starts one that answers each connection with raw bytes made from the header it was sent, and then closes it.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn raw(script: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (_, open) = watch::channel(0);
        let task = tokio::spawn(serve_raw(listener, Box::new(script), requests.clone()));
        Self { address, requests, open, task }
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What came so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the first request.
    ///
    /// # Panics
    /// When none comes within ten seconds.
    pub async fn asked(&self) {
        let mut open = self.open.clone();
        let waited = tokio::time::timeout(Duration::from_secs(10), open.wait_for(|count| *count > 0)).await;
        assert!(waited.is_ok(), "no request came");
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until no request is being answered any more: whoever waited for an answer is gone.
    ///
    /// # Panics
    /// When that takes over ten seconds.
    pub async fn idle(&self) {
        let mut open = self.open.clone();
        let waited = tokio::time::timeout(Duration::from_secs(10), open.wait_for(|count| *count == 0)).await;
        assert!(waited.is_ok(), "a request is still open after its call ended");
    }
}

/// Counts an exchange for as long as it lives.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn serve(
    listener: TcpListener,
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Recorded>>>,
    count: watch::Sender<usize>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (script, requests, count) = (script.clone(), requests.clone(), count.clone());
        connections.spawn(async move {
            let service =
                service_fn(move |request| answer(request, script.clone(), requests.clone(), Open::new(&count)));
            // How a connection ends is the client's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve_raw(
    listener: TcpListener,
    script: Box<dyn Fn(&str) -> String + Send + Sync>,
    requests: Arc<Mutex<Vec<Recorded>>>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
        let head = String::from_utf8_lossy(&head).into_owned();
        requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded(&head));
        // How the connection ends is the client's affair.
        let _ = stream.write_all(script(&head).as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn recorded(head: &str) -> Recorded {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    Recorded { method, target, headers, body: Vec::new(), whole: true }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Recorded>>>,
    open: Open,
) -> Result<Response<Playing>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut recorded =
        Recorded { method: parts.method.to_string(), target, headers: parts.headers, body: Vec::new(), whole: true };
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => recorded.body.extend_from_slice(&data),
            Ok(Err(_)) => {}
            Err(_) => {
                recorded.whole = false;
                break;
            }
        }
    }
    let reply = script(&recorded);
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
    if reply.silent {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(play(reply.steps, sender));
    Ok(response.body(Playing { pieces, _open: open }).unwrap())
}

async fn play(steps: Vec<Step>, sender: mpsc::Sender<io::Result<Bytes>>) {
    for step in steps {
        match step {
            Step::Send(bytes) => drop(sender.send(Ok(bytes)).await),
            Step::Drip(bytes, every) => {
                while sender.send(Ok(bytes.clone())).await.is_ok() {
                    if !every.is_zero() {
                        tokio::time::sleep(every).await;
                    }
                }
            }
            Step::Hang => sender.closed().await,
            Step::Break => drop(sender.send(Err(io::Error::other("the script breaks off"))).await),
        }
    }
}

/// The body of an answer while its steps are played.
struct Playing {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    _open: Open,
}

impl Body for Playing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
