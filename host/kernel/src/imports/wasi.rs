//! WASI 0.2, empty-handed: for guests of toolchains that always import it.
//!
//! No arguments, no environment, no files, no sockets. Clocks and random numbers work; what is written to stdout and
//! stderr goes to the log.

use crate::bindings::cara::plugin::log::Level;
use crate::call::{Call, CallState};
use crate::imports::log::escape;
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
            let log = |level| LogStream { call: call.clone(), level, line: Vec::new() };
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
    line: Vec<u8>,
}

/// The longest line waited for; a longer one is written in pieces.
const LONGEST: usize = 4096;

/// Cuts bytes after each line feed, and where a line of which so many bytes are there already would be too long.
fn pieces(mut there: usize, mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let room = LONGEST - there.min(LONGEST - 1);
        let end = bytes.iter().take(room).position(|&byte| byte == b'\n').map_or(room.min(bytes.len()), |at| at + 1);
        let (piece, rest) = bytes.split_at(end);
        bytes = rest;
        there = if end == room || piece.ends_with(b"\n") { 0 } else { there + end };
        (!piece.is_empty()).then_some(piece)
    })
}

impl LogStream {
    fn take(&mut self, bytes: &[u8]) {
        for piece in pieces(self.line.len(), bytes) {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") || self.line.len() >= LONGEST {
                self.flush_line();
            }
        }
    }

    fn flush_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        if !text.is_empty() {
            let mut line = String::new();
            escape(&text, &mut line);
            self.call.write_line(self.level, line);
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        self.flush_line();
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self { call: self.call.clone(), level: self.level, line: Vec::new() })
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush_line();
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
            let cut: Vec<&[u8]> = pieces(there, &text).collect();
            assert_eq!(cut.concat(), text);
            assert!(cut.iter().all(|piece| piece.len() <= LONGEST) && cut[0].len() + there <= LONGEST, "{there}");
            assert!(cut.contains(&b"short\n".as_slice()) && cut.last() == Some(&b"end".as_slice()));
        }
    }
}
