//! The bytes of a connection: notes when some came, and ends it when nobody
//! takes what is written, or when it has to end, whatever it became.

use super::activity::{Activity, STALLED};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A stream that is watched. It keeps its listener open until it is dropped, whatever it was upgraded to.
pub(crate) struct Io<S> {
    stream: S,
    activity: Activity,
    /// Goes off when nothing could be written for too long.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Comes when the connection has to end. `Server::serve` waits for that as well, but not for a connection that was
    /// upgraded.
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _open: TaskTrackerToken,
}

impl<S> Io<S> {
    /// Watches a stream.
    pub(crate) fn new(stream: S, activity: Activity, open: TaskTrackerToken) -> Self {
        let ended = activity.end().map(|end| Box::pin(end.clone().cancelled_owned()));
        Self { stream, activity, stalled: None, ended, _open: open }
    }

    /// An error once the connection has to end; else whoever reads or writes is woken when it has to.
    fn goes_on(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().map(|ended| ended.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection has to end")),
            Some(Poll::Pending) | None => Ok(()),
        }
    }

    /// What came of writing; an error once that has made no progress for too long.
    fn progress<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Io<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.goes_on(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Io<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.goes_on(context)?;
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.progress(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.goes_on(context)?;
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.progress(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.goes_on(context)?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.progress(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.progress(context, shut)
    }
}
