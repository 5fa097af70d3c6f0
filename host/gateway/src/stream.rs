//! Events over HTTP: server-sent events, written and read.
//!
//! Each event has its name (`event`, `view` or `error`) and one line of JSON, and its number as `id` where it has one.

use bytes::{Bytes, BytesMut};
use cara_authority::Principal;
use cara_control::allowed::hears_everything;
use cara_control::{Application, Error, ErrorKind, Event, Events, Prepared, Reader as Log};
use futures_util::stream::{Stream, unfold};
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The most bytes of one event.
const MOST: usize = 64 * 1024 * 1024;

/// About how many bytes go out in one frame; one event is never cut.
const FRAME: usize = 64 * 1024;

/// What is told while a use case goes on, and at its end.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something that happened, with its number where it has one.
    Event(Option<u64>, Arc<Event>),
    /// The view of the use case that was done.
    View(Box<RawValue>),
    /// Why the use case was not done.
    Error(Error),
}

impl Told {
    fn written(&self) -> Bytes {
        let (name, data) = match self {
            Self::Event(_, event) => ("event", serde_json::to_string(&**event)),
            Self::View(view) => ("view", Ok(view.get().to_owned())),
            Self::Error(error) => ("error", serde_json::to_string(error)),
        };
        let data = data.expect("events are plain data");
        match self {
            Self::Event(Some(number), _) => format!("event: {name}\nid: {number}\ndata: {data}\n\n").into(),
            _ => format!("event: {name}\ndata: {data}\n\n").into(),
        }
    }

    fn read(name: &str, data: &str) -> Result<Self, Error> {
        match name {
            "event" => Ok(Self::Event(None, Arc::new(serde_json::from_str(data)?))),
            "view" => Ok(Self::View(serde_json::from_str(data)?)),
            "error" => Ok(Self::Error(serde_json::from_str(data)?)),
            other => Err(unreadable(&format!("an event called `{other}`"))),
        }
    }
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the holder of the home sent {what}\nhint: both have to be of one version"))
}

/// What somebody hears while their use case goes on.
pub(crate) fn reader(events: &Events, application: &Application, by: &Principal) -> Log {
    match hears_everything(by) {
        true => events.read().beside(application.events()),
        false => events.read(),
    }
}

/// What a use case comes to. Its events have ended by then.
pub(crate) async fn done(
    prepared: Prepared,
    application: Arc<Application>,
    by: Principal,
    events: Events,
) -> Result<Box<RawValue>, Error> {
    let done = prepared.run(application, by, events.clone()).await;
    events.end();
    done
}

/// Events while work goes on, and at last what came of it, in frames of bounded size that are made when they are wanted: a
/// slow reader costs a place in the log. Dropped, it drops the work.
pub(crate) fn frames(
    reader: Log,
    work: impl Future<Output = Told> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let going = Going { reader, work: Box::pin(work), last: None, over: false };
    unfold(going, |mut going| async move { going.frame().await.map(|frame| (Ok(frame), going)) })
}

struct Going {
    reader: Log,
    work: Pin<Box<dyn Future<Output = Told> + Send>>,
    /// What came of the work.
    last: Option<Told>,
    over: bool,
}

impl Going {
    async fn frame(&mut self) -> Option<Bytes> {
        let mut frame = BytesMut::new();
        while !self.over && frame.len() < FRAME {
            let next = tokio::select! {
                biased;
                last = &mut self.work, if self.last.is_none() => {
                    self.last = Some(last);
                    continue;
                }
                next = self.reader.next_numbered() => next,
                // What is there goes out at once.
                () = std::future::ready(()), if !frame.is_empty() => break,
            };
            match (next, self.last.take()) {
                (Some((number, event)), last) => {
                    self.last = last;
                    frame.extend_from_slice(&Told::Event(number, event).written());
                }
                (None, Some(last)) => {
                    self.over = true;
                    frame.extend_from_slice(&last.written());
                }
                // The log ends with the work.
                (None, None) => tokio::task::yield_now().await,
            }
        }
        (!frame.is_empty()).then(|| frame.freeze())
    }
}

/// Reads events out of bytes as they come.
#[derive(Default)]
pub(crate) struct Reader {
    bytes: BytesMut,
    /// How much of it was looked at for an end.
    looked: usize,
}

impl Reader {
    /// Takes more bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.bytes.len() + bytes.len() > MOST {
            return Err(unreadable("an event that is too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What came is no event: the error that it is, if it is one.
    pub(crate) fn rest(&self) -> Option<Error> {
        serde_json::from_slice(&self.bytes).ok()
    }

    /// The next whole event.
    pub(crate) fn next(&mut self) -> Result<Option<Told>, Error> {
        let from = self.looked.saturating_sub(1);
        let Some(end) = self.bytes[from..].windows(2).position(|pair| pair == b"\n\n") else {
            self.looked = self.bytes.len();
            return Ok(None);
        };
        let event = self.bytes.split_to(from + end + 2);
        self.looked = 0;
        let text = std::str::from_utf8(&event).map_err(|_| unreadable("what is not text"))?;
        let (mut name, mut data) = ("", "");
        for line in text.lines() {
            match line.split_once(": ") {
                Some(("event", value)) => name = value,
                Some(("data", value)) => data = value,
                _ => {}
            }
        }
        Told::read(name, data).map(Some)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_frame_is_bounded_and_the_answer_is_the_last() {
        use futures_util::StreamExt;
        let events = cara_control::Events::new(cara_control::Scope::Run);
        (0..40).for_each(|_| events.note("x".repeat(FRAME / 8)));
        let log = events.read();
        let done = async move {
            events.end();
            Told::View(serde_json::value::to_raw_value(&1).unwrap())
        };
        let frames: Vec<Bytes> = Box::pin(frames(log, done)).map(Result::unwrap).collect().await;
        assert!(frames.len() >= 5 && frames.iter().all(|frame| frame.len() < FRAME * 5 / 4));
        assert!(frames.last().unwrap().ends_with(b"event: view\ndata: 1\n\n"));
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let note = |text: &str| Arc::new(Event::Note { text: text.into() });
        let error = Error::new(ErrorKind::NotFound, "a\nhint: b");
        let all: Vec<u8> = [
            Told::Event(Some(7), note("line\n\nline")),
            Told::Event(None, note("é")),
            Told::View(serde_json::value::to_raw_value(&1).unwrap()),
            Told::Error(error.clone()),
        ]
        .iter()
        .flat_map(|told| told.written().to_vec())
        .collect();
        for step in [1, 2, 7, all.len()] {
            let (mut reader, mut read) = (Reader::default(), Vec::new());
            for part in all.chunks(step) {
                reader.push(part).unwrap();
                while let Some(told) = reader.next().unwrap() {
                    read.push(told);
                }
            }
            let [Told::Event(_, first), Told::Event(_, second), Told::View(view), Told::Error(failed)] = &read[..]
            else {
                panic!("{read:?}")
            };
            assert_eq!((first, second), (&note("line\n\nline"), &note("é")));
            assert_eq!((view.get(), failed), ("1", &error));
        }
    }
}
