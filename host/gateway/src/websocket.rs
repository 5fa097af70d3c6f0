//! The control API over a WebSocket, as JSON-RPC 2.0: methods are the names of
//! use cases.
//!
//! ```text
//! → {"jsonrpc":"2.0","id":1,"method":"sessions.list","params":{"limit":5}}
//! ← {"jsonrpc":"2.0","id":1,"result":…}
//! → {"jsonrpc":"2.0","id":2,"method":"runs.follow","params":{"run":"r-…","after":17}}
//! ← {"jsonrpc":"2.0","method":"event","params":{"id":2,"seq":18,"event":{…}}}     while the use case goes on
//! ← {"jsonrpc":"2.0","id":2,"result":…}
//! → {"jsonrpc":"2.0","method":"cancel","params":{"id":2}}                           nobody listens to it any more
//! ← {"jsonrpc":"2.0","id":2,"error":{"code":408,…}}                                 where it still went on
//! ```
//!
//! A connection that ends gives up what only reads. Runs go on, and changes have numbers: whoever comes back goes on with
//! `runs.follow` and `changes.follow` after the last event heard.

use crate::auth::Alive;
use crate::body::{self, Room};
use crate::failure::{failed as refused, status};
use crate::listen::Draining;
use crate::stream;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::{Extension, Router, routing};
use cara_authority::{CredentialId, PersonRole, Principal};
use cara_control::{Application, Entry, Error, ErrorKind, Events, Prepared, Scope, operations};
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

/// The name that a client may ask for as its subprotocol.
const PROTOCOL: &str = "cara.v1";

/// The most bytes of a message to us: a request with its arguments. What is larger goes over HTTP.
const MOST: usize = 1024 * 1024;

/// How many requests of a connection go on at once.
const REQUESTS: usize = 32;

/// How many connections there are at once, of all clients together, and of one credential.
const CONNECTIONS: (usize, usize) = (1024, 256);

/// How many messages wait for a slow reader; then the work behind them waits.
const AHEAD: usize = 64;

/// How often a client that says nothing is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);

/// How long one message may take to be written before the reader counts as gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to tell somebody that their credential was taken back.
const FAREWELL: Duration = Duration::from_millis(500);

/// What one door to the WebSocket shares.
#[derive(Clone)]
struct Door {
    application: Arc<Application>,
    entries: Arc<HashMap<&'static str, Entry>>,
    places: Places,
    /// For large requests, whichever way they come in.
    room: Room,
}

/// The connections there are, by the credential with which they came; a clone is the same.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<Option<CredentialId>, usize>>>);

/// One of them.
struct Place(Places, Option<CredentialId>);

impl Places {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Option<CredentialId>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, of: Option<&CredentialId>) -> Option<Place> {
        let (of, mut all) = (of.cloned(), self.all());
        let own = all.get(&of).copied().unwrap_or_default();
        if own >= CONNECTIONS.1 || all.values().sum::<usize>() >= CONNECTIONS.0 {
            return None;
        }
        all.insert(of.clone(), own + 1);
        Some(Place(self.clone(), of))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.all();
        match all.get_mut(&self.1) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(all.remove(&self.1)),
        }
    }
}

/// Serves `/ws`.
pub(crate) fn router(application: Arc<Application>, room: Room) -> Router {
    let entries = operations().into_iter().map(|entry| (entry.route.name, entry)).collect();
    let door = Door { application, entries: Arc::new(entries), places: Places::default(), room };
    Router::new().route("/ws", routing::any(opened)).with_state(door)
}

async fn opened(
    State(door): State<Door>,
    Extension(by): Extension<Principal>,
    draining: Option<Extension<Draining>>,
    Extension(alive): Extension<Alive>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if by.role() != PersonRole::Owner {
        let text = "the WebSocket is for the owner of this assistant\nhint: programs of others use the APIs of models";
        return refused(StatusCode::FORBIDDEN, &Error::new(ErrorKind::Refused, text));
    }
    let Some(place) = door.places.take(by.credential()) else {
        let text = "too many WebSockets are open\nhint: close one, then try again";
        return refused(StatusCode::SERVICE_UNAVAILABLE, &Error::new(ErrorKind::Conflict, text));
    };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MOST).max_frame_size(MOST);
    // The connection is to end when its listener is, or the process.
    let ends = draining.map_or_else(CancellationToken::new, |Extension(Draining(ends))| ends);
    upgrade.on_upgrade(move |socket| Connection::new(door, by, alive, place).serve(socket, ends))
}

/// A request, as JSON-RPC has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    jsonrpc: Version,
    #[serde(default)]
    id: Option<Id>,
    method: String,
    #[serde(default)]
    params: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Version {
    #[serde(rename = "2.0")]
    Two,
}

/// What a client calls its request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

/// An answer.
#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: Version,
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault<'a>>,
}

/// Why there is no result: the codes of JSON-RPC, and for failures of use cases the status that HTTP has for them.
#[derive(Serialize)]
struct Fault<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Error>,
}

/// Something that happened while a request goes on.
#[derive(Serialize)]
struct Notification<'a> {
    jsonrpc: Version,
    method: &'static str,
    params: Happened<'a>,
}

#[derive(Serialize)]
struct Happened<'a> {
    id: &'a Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    event: &'a cara_control::Event,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    id: Id,
}

const PARSE: i32 = -32_700;
const INVALID: i32 = -32_600;
const UNKNOWN: i32 = -32_601;
const PARAMS: i32 = -32_602;

fn text(value: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(value).unwrap_or_default().into()
}

fn fault(id: Option<&Id>, code: i32, message: &str, data: Option<&Error>) -> Utf8Bytes {
    text(&Answer { jsonrpc: Version::Two, id, result: None, error: Some(Fault { code, message, data }) })
}

fn failed(id: &Id, error: &Error) -> Utf8Bytes {
    fault(Some(id), i32::from(status(error.kind).as_u16()), &error.message, Some(error))
}

/// What a client is told that does not keep to the protocol.
fn reason(error: axum::Error) -> Option<(u16, &'static str)> {
    use tungstenite::Error as Broken;
    match error.into_inner().downcast_ref::<Broken>()? {
        Broken::Capacity(_) => Some((close_code::SIZE, "a message holds at most 1 MiB; what is larger goes over HTTP")),
        Broken::Utf8(_) => Some((close_code::INVALID, "text is UTF-8")),
        Broken::Protocol(_) => Some((close_code::PROTOCOL, "this breaks RFC 6455")),
        _ => None,
    }
}

/// The requests that go on, by what their client calls them.
type Open = Arc<Mutex<BTreeMap<Id, AbortHandle>>>;

struct Connection {
    door: Door,
    by: Principal,
    alive: Alive,
    requests: Arc<Semaphore>,
    open: Open,
    work: JoinSet<()>,
    /// The answer of a request that was given up, which goes out before that of who gave it up.
    given_up: Option<Utf8Bytes>,
    _place: Place,
}

impl Connection {
    fn new(door: Door, by: Principal, alive: Alive, place: Place) -> Self {
        let (open, work, requests) = (Open::default(), JoinSet::new(), Arc::new(Semaphore::new(REQUESTS)));
        Self { door, by, alive, requests, open, work, given_up: None, _place: place }
    }

    /// Answers until the client goes away, stands still, or the process ends. What only reads ends with it.
    async fn serve(mut self, socket: WebSocket, ends: CancellationToken) {
        let (mut sink, mut stream) = socket.split();
        let (sender, mut answers) = mpsc::channel::<Utf8Bytes>(AHEAD);
        let mut pings = interval_at(Instant::now() + PING, PING);
        let (mut heard, stopping) = (true, self.door.application.stopping().clone());
        let Alive(alive) = self.alive.clone();
        let taken_back = Some((close_code::POLICY, "the credential was taken back"));
        let closed = loop {
            let next = tokio::select! {
                () = alive.cancelled() => break taken_back,
                () = stopping.cancelled() => break Some((close_code::AWAY, "the daemon stops")),
                () = ends.cancelled() => break Some((close_code::AWAY, "this address is not served any more")),
                Some(answer) = answers.recv() => Message::Text(answer),
                Some(_) = self.work.join_next() => continue,
                _ = pings.tick() => {
                    if !std::mem::take(&mut heard) {
                        break Some((close_code::POLICY, "nothing was heard of this client"));
                    }
                    Message::Ping(bytes::Bytes::new())
                }
                message = stream.next() => {
                    heard = true;
                    match message {
                        Some(Ok(Message::Text(request))) => {
                            match self.request(request.as_str(), &sender) {
                                Some(refusal) => Message::Text(refusal),
                                None => match self.given_up.take() {
                                    Some(given_up) => Message::Text(given_up),
                                    None => continue,
                                },
                            }
                        }
                        Some(Ok(Message::Binary(_))) => break Some((close_code::UNSUPPORTED, "requests are text")),
                        // Pings are answered below this.
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Ok(Message::Close(_))) | None => break None,
                        Some(Err(error)) => {
                            tracing::debug!(%error, "a WebSocket ended");
                            break reason(error);
                        }
                    }
                }
            };
            // What is there already goes out with it.
            let given_up = self.given_up.take();
            let sent = async {
                if let Some(given_up) = given_up {
                    sink.feed(Message::Text(given_up)).await?;
                }
                sink.feed(next).await?;
                for _ in 0..AHEAD {
                    let Ok(answer) = answers.try_recv() else { break };
                    sink.feed(Message::Text(answer)).await?;
                }
                sink.flush().await
            };
            match alive.run_until_cancelled(timeout(PATIENCE, sent)).await {
                Some(Ok(Ok(()))) => {}
                Some(_) => break None,
                None => break taken_back,
            }
        };
        self.work.abort_all();
        let last = async {
            match closed {
                Some((code, reason)) => {
                    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
                    sink.send(Message::Close(Some(frame))).await
                }
                // A goodbye is answered below this.
                None => sink.flush().await,
            }
        };
        // Whoever is gone needs no reason, and who is put out is not waited for.
        let patience = if alive.is_cancelled() { FAREWELL } else { PATIENCE };
        let _ = timeout(patience, last).await;
    }

    /// Begins what is asked; what is to be said at once, where it does not begin.
    fn request(&mut self, request: &str, sender: &mpsc::Sender<Utf8Bytes>) -> Option<Utf8Bytes> {
        let call: Call = match serde_json::from_str(request) {
            Ok(call) => call,
            Err(error) if error.is_syntax() || error.is_eof() => {
                return Some(fault(None, PARSE, "this is not JSON", None));
            }
            Err(error) => return Some(fault(None, INVALID, &format!("this is no request: {error}"), None)),
        };
        let Call { jsonrpc: Version::Two, id, method, params } = call;
        if method == "cancel" {
            return self.cancel(id.as_ref(), params.as_deref());
        }
        let Some(id) = id else {
            return Some(fault(None, INVALID, "a request needs an `id`: its answer is named by it", None));
        };
        let Some(entry) = self.door.entries.get(method.as_str()) else {
            let text = format!("there is no method `{method}`; `cara api` lists the use cases");
            return Some(fault(Some(&id), UNKNOWN, &text, None));
        };
        let taken = match self.door.room.take(request.as_bytes(), self.by.credential()) {
            Ok(taken) => taken,
            Err((status, text)) => {
                let never = status == StatusCode::PAYLOAD_TOO_LARGE;
                let kind = if never { ErrorKind::Invalid } else { ErrorKind::Conflict };
                return Some(failed(&id, &Error::new(kind, text)));
            }
        };
        let prepared = match (entry.from_json)(params.as_deref().map_or("{}", RawValue::get).as_bytes()) {
            Ok(prepared) => prepared,
            Err(error) => return Some(fault(Some(&id), PARAMS, &error.message, Some(&error))),
        };
        let Ok(room) = self.requests.clone().try_acquire_owned() else {
            let text = format!("{REQUESTS} requests go on already\nhint: wait for one of them, or cancel it");
            return Some(failed(&id, &Error::new(ErrorKind::Conflict, text)));
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(&id) {
            return Some(fault(Some(&id), INVALID, "another request with this `id` goes on", None));
        }
        let going = Going {
            id: id.clone(),
            application: self.door.application.clone(),
            by: self.by.clone(),
            sender: sender.clone(),
            open: self.open.clone(),
            _room: room,
        };
        open.insert(id, self.work.spawn(going.run(prepared, taken)));
        None
    }

    /// Gives up a request: what it changes is done all the same, and a run goes on.
    fn cancel(&mut self, id: Option<&Id>, params: Option<&RawValue>) -> Option<Utf8Bytes> {
        let Some(Ok(Cancel { id: named })) = params.map(|params| serde_json::from_str(params.get())) else {
            return Some(fault(id, PARAMS, "`cancel` needs the `id` of a request", None));
        };
        let found = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&named);
        if let Some(request) = &found {
            request.abort();
            self.given_up = Some(failed(&named, &Error::new(ErrorKind::Cancelled, "the request was cancelled")));
        }
        let result = RawValue::from_string(found.is_some().to_string()).ok()?;
        id.map(|id| text(&Answer { jsonrpc: Version::Two, id: Some(id), result: Some(&result), error: None }))
    }
}

/// A request that goes on.
struct Going {
    id: Id,
    application: Arc<Application>,
    by: Principal,
    sender: mpsc::Sender<Utf8Bytes>,
    open: Open,
    _room: OwnedSemaphorePermit,
}

impl Going {
    async fn run(self, prepared: Prepared, taken: body::Place) {
        let events = Events::new(Scope::Call).holding(taken);
        let mut reader = stream::reader(&events, &self.application, &self.by);
        let work = stream::done(prepared, self.application.clone(), self.by.clone(), events);
        let told = async {
            while let Some((seq, event)) = reader.next_numbered().await {
                let params = Happened { id: &self.id, seq, event: &event };
                // Nobody is there any more when this fails, and then this ends as well.
                let _ = self.sender.send(text(&Notification { jsonrpc: Version::Two, method: "event", params })).await;
            }
        };
        let (last, ()) = tokio::join!(work, told);
        // One that was given up has its answer.
        if self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id).is_none() {
            return;
        }
        let answer = match &last {
            Ok(view) => text(&Answer { jsonrpc: Version::Two, id: Some(&self.id), result: Some(view), error: None }),
            Err(error) => failed(&self.id, error),
        };
        let _ = self.sender.send(answer).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_credential_does_not_take_the_place_of_all_others() {
        let (places, of) = (Places::default(), |id: &str| CredentialId::parse(id).unwrap());
        let mut taken: Vec<Place> =
            (0..CONNECTIONS.1).map(|_| places.take(Some(&of("t-aaaaaaaaaa"))).unwrap()).collect();
        assert!(places.take(Some(&of("t-aaaaaaaaaa"))).is_none());
        let others: Vec<Place> =
            [Some(of("t-bbbbbbbbbb")), None].iter().filter_map(|of| places.take(of.as_ref())).collect();
        assert_eq!(others.len(), 2);
        drop(taken.pop());
        drop(places.take(Some(&of("t-aaaaaaaaaa"))).unwrap());
        drop((taken, others));
        assert!(places.all().is_empty());
    }
}
