//! The body of a request, as far as there is room for it.
//!
//! What has arrived counts, whatever was announced, and it counts until nobody needs it any more: the request was passed on,
//! or what it asked for goes on by itself.

use crate::refusal::Shape;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use cara_authority::CredentialId;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it waits for room where there is none: what waits takes up room itself.
const WAIT: Duration = Duration::from_secs(2);

/// Bodies up to this size need no room of their own; larger ones take it in such pieces.
const SMALL: usize = 64 * 1024;

/// How much room there is for all larger bodies: for one credential half of it, which is one as large as a route takes, and
/// some more. The account itself, which shows none, is as one of them.
const ROOM: usize = 160 * 1024 * 1024;

/// What values take up once they are read, and told again: an object, a field of one, a list, a further value.
const OBJECT: usize = 1024;
const FIELD: usize = 512;
const LIST: usize = 128;
const NEXT: usize = 32;

/// The room for large bodies; a clone is the same.
#[derive(Clone)]
pub(crate) struct Room(Arc<Shared>);

struct Shared {
    most: usize,
    taken: Mutex<BTreeMap<Option<CredentialId>, usize>>,
    freed: Notify,
}

/// The room that a body takes up. Dropped, it is free again.
pub(crate) struct Place {
    room: Room,
    of: Option<CredentialId>,
    bytes: usize,
}

/// A body that arrived, and the room that it takes up.
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    pub(crate) place: Place,
}

/// Why there is no body.
pub(crate) type Refused = (StatusCode, String);

fn crowded() -> Refused {
    let text = "too many large bodies are under way at this moment\nhint: try again when one was answered";
    (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
}

/// How much of the room the values of a body take up beside its bytes once they are read, more or less. It is not counted on
/// once it is over `most`.
fn weight(body: &[u8], most: usize) -> usize {
    let (mut weight, mut rest) = (0, body);
    while let Some((byte, behind)) = rest.split_first().filter(|_| weight <= most) {
        rest = behind;
        weight += match byte {
            b'{' => OBJECT,
            b':' => FIELD,
            b'[' => LIST,
            b',' => NEXT,
            b'"' => {
                rest = behind_text(rest);
                0
            }
            _ => 0,
        };
    }
    weight
}

/// What follows a text that has begun.
fn behind_text(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let is_end = rest[at] == b'"';
        // What is escaped ends nothing.
        rest = rest.get(at + if is_end { 1 } else { 2 }..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

/// Whether a request says that its body is JSON: a page of another origin cannot have a browser say so unasked.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether a body is read as JSON. Clients of Ollama do not say that theirs is: no page of another origin can have a browser
/// send `Authorization` unasked either, so one that has it is not from there.
fn is_read(request: &Request) -> bool {
    let headers = request.headers();
    let is_ollamas = || Shape::of(request.uri().path(), headers) == Some(Shape::Ollama);
    is_json(headers) || (headers.contains_key(header::AUTHORIZATION) && is_ollamas())
}

/// What is refused that does not say so.
pub(crate) const NO_JSON: &str = "the body is not said to be JSON\nhint: send `Content-Type: application/json`";

impl Default for Room {
    fn default() -> Self {
        Self::of(ROOM)
    }
}

impl Room {
    fn of(most: usize) -> Self {
        Self(Arc::new(Shared { most, taken: Mutex::default(), freed: Notify::new() }))
    }

    fn place(&self, of: Option<&CredentialId>) -> Place {
        Place { room: self.clone(), of: of.cloned(), bytes: 0 }
    }

    /// Room for what has arrived already, with its values, if there is enough at this moment.
    pub(crate) fn take(&self, arrived: &[u8], of: Option<&CredentialId>) -> Result<Place, Refused> {
        let (size, mut place) = (self.size(arrived)?, self.place(of));
        if place.takes(size) { Ok(place) } else { Err(crowded()) }
    }

    /// How much room a body takes with its values, where there ever is so much.
    fn size(&self, arrived: &[u8]) -> Result<usize, Refused> {
        let most = self.0.most / 2;
        let size = arrived.len() + weight(arrived, most);
        if size > most {
            let text = "there are more values in it than there is room for\nhint: send fewer objects, lists and fields";
            return Err((StatusCode::PAYLOAD_TOO_LARGE, text.to_owned()));
        }
        Ok(size)
    }

    /// The body of a request, of at most so many bytes.
    pub(crate) async fn read(
        &self,
        request: Request,
        most: usize,
        of: Option<&CredentialId>,
    ) -> Result<Arrived, Refused> {
        let place = self.place(of);
        if request.body().is_end_stream() {
            return Ok(Arrived { bytes: Bytes::new(), place });
        }
        if !is_read(&request) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, NO_JSON.to_owned()));
        }
        timeout(PATIENCE, place.fill(request, most)).await.unwrap_or_else(|_| {
            let text = format!("the body did not arrive in {} s\nhint: send it at once", PATIENCE.as_secs());
            Err((StatusCode::REQUEST_TIMEOUT, text))
        })
    }
}

impl Place {
    async fn fill(mut self, request: Request, most: usize) -> Result<Arrived, Refused> {
        let mut body = request.into_body();
        let too_large = || {
            let text = format!("the body has more than {most} bytes\nhint: send it in parts, or as a smaller file");
            (StatusCode::PAYLOAD_TOO_LARGE, text)
        };
        if body.size_hint().lower() > most as u64 {
            return Err(too_large());
        }
        let (mut whole, mut rest) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let unreadable = |error: axum::Error| {
                let text = format!("the body cannot be read: {error}\nhint: send it whole");
                (StatusCode::BAD_REQUEST, text)
            };
            let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
            let size = whole.len() + rest.len() + data.len();
            if size > most {
                return Err(too_large());
            }
            self.grow(size).await?;
            match (whole.is_empty(), rest.is_empty()) {
                // One that comes in one piece is not copied.
                (true, true) => whole = data,
                (false, true) => {
                    rest.extend_from_slice(&std::mem::take(&mut whole));
                    rest.extend_from_slice(&data);
                }
                _ => rest.extend_from_slice(&data),
            }
        }
        let bytes = if rest.is_empty() { whole } else { rest.freeze() };
        self.grow(self.room.size(&bytes)?).await?;
        Ok(Arrived { bytes, place: self })
    }

    /// Takes up so much room, or says that there is none.
    async fn grow(&mut self, size: usize) -> Result<(), Refused> {
        if self.takes(size) {
            return Ok(());
        }
        let room = self.room.clone();
        let grown = async {
            loop {
                let freed = room.0.freed.notified();
                if self.takes(size) {
                    return;
                }
                freed.await;
            }
        };
        timeout(WAIT, grown).await.map_err(|_| crowded())
    }

    /// Whether there is room for so much.
    fn takes(&mut self, size: usize) -> bool {
        let wanted = if size > SMALL { size.next_multiple_of(SMALL) } else { 0 };
        if wanted <= self.bytes {
            return true;
        }
        let (most, more) = (self.room.0.most, wanted - self.bytes);
        let mut taken = self.room.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (taken.values().sum::<usize>(), taken.get(&self.of).copied().unwrap_or_default());
        if all + more > most || own + more > most / 2 {
            return false;
        }
        taken.insert(self.of.clone(), own + more);
        drop(taken);
        self.bytes = wanted;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut taken = self.room.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&self.of).copied().unwrap_or_default();
        match own - self.bytes {
            0 => drop(taken.remove(&self.of)),
            left => drop(taken.insert(self.of.clone(), left)),
        }
        drop(taken);
        self.room.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::Body;
    use futures_util::StreamExt;

    const MOST: usize = 16 * SMALL;

    fn sends(bytes: usize) -> Request {
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        let pieces: Vec<Result<Bytes, std::convert::Infallible>> =
            vec![b' '; bytes].chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        request.body(Body::from_stream(futures_util::stream::iter(pieces))).unwrap()
    }

    #[test]
    fn values_weigh_and_what_stands_in_texts_does_not() {
        for (body, values) in [
            (r#"{"a":[1,2],"b":{}}"#, 2 * OBJECT + 2 * FIELD + LIST + 2 * NEXT),
            (r#""{[,:\"{[,:""#, 0),
            (r#"["\\",{}]"#, LIST + NEXT + OBJECT),
            (r#""never ends {{{"#, 0),
            (r#""ends in a bar\"#, 0),
        ] {
            assert_eq!(weight(body.as_bytes(), usize::MAX), values, "{body}");
        }
    }

    // The clock jumps to the next deadline when nothing else can go on.
    #[tokio::test(start_paused = true)]
    async fn a_body_takes_room_until_nobody_needs_it_and_one_credential_at_most_half() {
        let room = Room::of(MOST);
        // Of one person, who has lost a token: what is done with it leaves them the other half.
        let (stolen, account) = (Some(CredentialId::parse("t-aaaaaaaaaa").unwrap()), None);
        let arrives = async |bytes: usize, of: &Option<CredentialId>| room.read(sends(bytes), MOST, of.as_ref()).await;
        let kept = arrives(6 * SMALL, &stolen).await.unwrap();
        assert_eq!((kept.bytes.len(), kept.place.bytes), (6 * SMALL, 6 * SMALL));
        // Half of it is all that one has, however many requests are made with it.
        assert_eq!(arrives(3 * SMALL, &stolen).await.err().unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
        let others = arrives(8 * SMALL, &account).await.unwrap();
        for of in [&stolen, &account] {
            assert!(arrives(SMALL, of).await.is_ok(), "small ones need no room");
        }
        let waits = arrives(3 * SMALL, &stolen);
        let frees = async { drop(kept) };
        assert!(tokio::join!(waits, frees).0.is_ok(), "one that waits goes on once there is room");
        drop(others);
        assert!(room.0.taken.lock().unwrap().is_empty());
        let large = room.read(sends(3 * SMALL), 2 * SMALL, None).await;
        assert_eq!(large.err().unwrap().0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    // The clock jumps to the next deadline when nothing else can go on.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_not_waited_for() {
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        let begun = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(Bytes::from_static(b"{")) });
        let body = Body::from_stream(begun.chain(futures_util::stream::pending()));
        let (began, room) = (tokio::time::Instant::now(), Room::of(MOST));
        let refused = room.read(request.body(body).unwrap(), MOST, None).await.err().unwrap();
        assert_eq!(refused.0, StatusCode::REQUEST_TIMEOUT);
        assert!((PATIENCE..PATIENCE * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(refused.1.contains("did not arrive in 30 s\nhint: "), "{}", refused.1);
    }

    #[test]
    fn what_has_arrived_takes_room_with_its_values() {
        let (room, small) = (Room::of(64 * SMALL), "{}".repeat(SMALL / 2));
        let taken = room.take(br#"{"a":1}"#, None).unwrap();
        assert_eq!(taken.bytes, 0);
        assert!(room.take(small.as_bytes(), None).is_err(), "a small text of many objects has no room by itself");
        let text = format!("\"{}\"", "x".repeat(20 * SMALL));
        let first = room.take(text.as_bytes(), None).unwrap();
        assert!(room.take(text.as_bytes(), None).is_err());
        drop(first);
        assert!(room.take(text.as_bytes(), None).is_ok());
        assert!(room.0.taken.lock().unwrap().is_empty());
    }
}
