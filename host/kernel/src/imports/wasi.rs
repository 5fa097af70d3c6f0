//! WASI 0.2, empty-handed: for guests of toolchains that always import it.
//!
//! No arguments, no environment, no files, no sockets. Clocks and random numbers work; what is written to stdout and
//! stderr goes to the log.

use super::log::escape;
use super::{Call, CallState};
use crate::bindings::cara::plugin::log::Level;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

/// The most random bytes in one request.
const RANDOM: u64 = 64 << 10;

/// Made when the guest first uses WASI; most guests of ours never do.
#[derive(Default)]
pub(crate) struct Ambient(Option<Box<WasiCtx>>);

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let call = &self.call;
        let ctx = self.ambient.0.get_or_insert_with(|| {
            let log = |level| LogStream { call: call.clone(), level, line: Line::default() };
            let mut builder = WasiCtx::builder();
            builder.stdout(log(Level::Info)).stderr(log(Level::Warn));
            builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM);
            Box::new(builder.build())
        });
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.gate }
    }
}

/// A guest's stdout or stderr: complete lines go to the log.
struct LogStream {
    call: Arc<Call>,
    level: Level,
    line: Line,
}

/// The longest line waited for; a longer one is written in pieces.
const LONGEST: usize = 4096;

/// The line under way.
#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    /// Takes bytes, and gives each line that ends among them; one that is too long comes in pieces.
    fn take(&mut self, bytes: &[u8], mut ended: impl FnMut(Vec<u8>)) {
        for byte in bytes {
            self.0.push(*byte);
            if *byte == b'\n' || self.0.len() >= LONGEST {
                ended(std::mem::take(&mut self.0));
            }
        }
    }
}

impl LogStream {
    fn write(call: &Call, level: Level, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        if !text.trim_end().is_empty() {
            let mut line = String::new();
            escape(text.trim_end(), &mut line);
            call.write_line(level, line);
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        Self::write(&self.call, self.level, &self.line.0);
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self { call: self.call.clone(), level: self.level, line: Line::default() })
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { call, level, line } = &mut *self;
        line.take(bytes, |line| Self::write(call, *level, &line));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = std::mem::take(&mut self.line);
        Self::write(&self.call, self.level, &line.0);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_long_line_is_lost() {
        let text = [vec![b'a'; 10_000], b"\nshort\n\n".to_vec(), vec![b'b'; 4096], b"\nend".to_vec()].concat();
        for there in [0, 1, 4095] {
            let (mut line, mut ended) = (Line(vec![b'x'; there]), Vec::new());
            line.take(&text, |line| ended.push(line));
            assert_eq!(ended.concat()[there..], text[..text.len() - 3]);
            assert!(ended.iter().all(|line| line.len() <= LONGEST), "{there}");
            assert!(ended.contains(&b"short\n".to_vec()) && line.0 == b"end");
        }
    }
}
