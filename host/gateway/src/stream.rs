//! Events over HTTP: server-sent events, written and read.
//!
//! Each event has its name (`event`, `view` or `error`) and one line of JSON.

use bytes::{Bytes, BytesMut};
use cara_control::{Error, ErrorKind, Event};
use http_body::Frame;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::UnboundedReceiver;

/// The most bytes of one event.
const MOST: usize = 64 * 1024 * 1024;

/// What is told while a use case goes on, and at its end.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something happened.
    Event(Event),
    /// The use case is done.
    View(Box<RawValue>),
    /// The use case failed.
    Error(Error),
}

impl Told {
    fn written(&self) -> Bytes {
        let (name, data) = match self {
            Self::Event(event) => ("event", serde_json::to_string(event)),
            Self::View(view) => ("view", Ok(view.get().to_owned())),
            Self::Error(error) => ("error", serde_json::to_string(error)),
        };
        let data = data.expect("events are plain data");
        format!("event: {name}\ndata: {data}\n\n").into()
    }

    fn read(name: &str, data: &str) -> Result<Self, Error> {
        match name {
            "event" => Ok(Self::Event(serde_json::from_str(data)?)),
            "view" => Ok(Self::View(serde_json::from_str(data)?)),
            "error" => Ok(Self::Error(serde_json::from_str(data)?)),
            other => Err(unreadable(&format!("an event called `{other}`"))),
        }
    }
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the holder of the home sent {what}\nhint: both have to be of one version"))
}

/// A body that does the work while it is read, and ends with what came of it.
pub(crate) struct EventBody {
    told: UnboundedReceiver<Told>,
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl EventBody {
    pub(crate) fn new(told: UnboundedReceiver<Told>, work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        Self { told, work: Some(work) }
    }
}

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(work) = &mut self.work
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
        // All that is there goes out at once.
        let mut ready = BytesMut::new();
        loop {
            match self.told.poll_recv(context) {
                Poll::Ready(Some(told)) => ready.extend_from_slice(&told.written()),
                Poll::Ready(None) if ready.is_empty() => return Poll::Ready(None),
                Poll::Pending if ready.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => return Poll::Ready(Some(Ok(Frame::data(ready.freeze())))),
            }
        }
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

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let note = |text: &str| Event::Note { text: text.into() };
        let error = Error::new(ErrorKind::NotFound, "a\nhint: b");
        let all: Vec<u8> = [
            Told::Event(note("line\n\nline")),
            Told::Event(note("é")),
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
            let [Told::Event(first), Told::Event(second), Told::View(view), Told::Error(failed)] = &read[..] else {
                panic!("{read:?}")
            };
            assert_eq!((first, second), (&note("line\n\nline"), &note("é")));
            assert_eq!((view.get(), failed), ("1", &error));
        }
    }
}
