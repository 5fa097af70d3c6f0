//! HTTP over checked connections: a pool for each sender, reach and scheme.
//!
//! A pooled connection was judged by the same rule when it was made, and nobody waits behind what another leaves unread.

use super::Transport;
use super::dial::{Access, Dialer};
use bytes::Bytes;
use cara_authority::Reach;
use cara_authority::origin::Scheme;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::time::Duration;

/// The largest header of an answer, names and values.
pub(super) const HEADER: usize = 64 * 1024;
/// How long a connection stays open unused.
const IDLE: Duration = Duration::from_secs(90);
/// How many connections to one server stay open unused.
const UNUSED: usize = 64;
/// What a server may send of one answer before anybody reads it: the window of an HTTP/2 stream.
pub const WINDOW: u32 = 256 * 1024;
/// How many unread answers it takes on one HTTP/2 connection until its others stand still. Each counts to its call.
const WINDOWS: u32 = 256;

/// What is sent.
pub(super) type Sent = UnsyncBoxBody<Bytes, super::error::Stopped>;
/// One pool of connections.
pub(super) type Pool = Client<Dialer, Sent>;

/// What one sender has of the network.
pub(super) struct Connections {
    pools: HashMap<(Reach, Scheme), Pool>,
    access: Access,
}

impl Connections {
    pub(super) fn new(transport: &Transport) -> Self {
        Self { pools: HashMap::new(), access: Access::new(transport.clone()) }
    }

    /// The pool for a reach, where there is one.
    pub(super) fn find(&mut self, reach: Reach, scheme: Scheme) -> Option<Pool> {
        if self.access.lines.available_permits() == 0 {
            // What is kept open and unused goes; what is in use stays until it is read.
            self.pools.clear();
        }
        self.pools.get(&(reach, scheme)).cloned()
    }

    /// The pool for a reach, made on first use.
    pub(super) fn find_or_make(&mut self, reach: Reach, scheme: Scheme, mut config: ClientConfig) -> Pool {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let pool = || {
            Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(UNUSED)
                .http1_max_buf_size(HEADER)
                .http2_max_header_list_size(HEADER as u32)
                .http2_initial_stream_window_size(WINDOW)
                .http2_initial_connection_window_size(WINDOWS * WINDOW)
                .http2_keep_alive_interval(Duration::from_secs(30))
                .build(Dialer::new(reach, scheme, config, &self.access))
        };
        self.pools.entry((reach, scheme)).or_insert_with(pool).clone()
    }
}
