//! A WebSocket client that says what it is told to, right or wrong.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Codes of frames (RFC 6455, section 5.2).
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// The bit of a frame that ends its message.
pub(super) const FIN: u8 = 0x80;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection goes through.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    next: i64,
}

/// A frame, masked as a client has to.
pub(super) fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 1, 9, 3];
    let mut frame = head_of(head, payload.len(), 0x80);
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The head of a frame that is said to have so many bytes.
pub(super) fn head_of(head: u8, length: usize, masked: u8) -> Vec<u8> {
    let mut frame = vec![head];
    match length {
        0..=125 => frame.push(masked | length as u8),
        126..=0xffff => {
            frame.push(masked | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(masked | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame
}

impl Client {
    /// Opens a WebSocket at the socket of a home.
    pub(super) async fn open(socket: &Path) -> Self {
        Self::opened(Box::new(UnixStream::connect(socket).await.unwrap()), "").await
    }

    /// Opens one over TCP, with these lines in the head.
    pub(super) async fn open_at(address: SocketAddr, lines: &str) -> Self {
        Self::opened(Box::new(TcpStream::connect(address).await.unwrap()), lines).await
    }

    /// How an upgrade over TCP is answered, with these lines in the head.
    pub(super) async fn answered_at(address: SocketAddr, lines: &str) -> String {
        Self::head(&mut TcpStream::connect(address).await.unwrap(), lines).await
    }

    async fn opened(mut stream: Box<dyn Stream>, lines: &str) -> Self {
        let head = Self::head(&mut stream, lines).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "the example of RFC 6455, section 1.3: {head}");
        assert!(head.contains("sec-websocket-protocol: cara.v1"), "{head}");
        Self { stream, next: 1 }
    }

    async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), lines: &str) -> String {
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: cara.v1\r\n{lines}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }

    /// Sends bytes as they are.
    pub(super) async fn sends(&mut self, bytes: &[u8]) {
        // The other side may have hung up for good reason: what it said before is read next.
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next frame; none when the connection is over.
    pub(super) async fn hears(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).await.ok()?;
            assert_eq!(head[1] & 0x80, 0, "what a server says is not masked");
            let length = match head[1] {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                length => length.into(),
            };
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((head[0], payload))
        };
        timeout(PATIENCE, read).await.expect("the other side answers")
    }

    /// The code with which the other side closes, after whatever else it says.
    pub(super) async fn is_closed(&mut self) -> Option<u16> {
        while let Some((head, payload)) = self.hears().await {
            if head == FIN | CLOSE {
                return Some(payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code)));
            }
        }
        None
    }

    /// Asks for a use case, and goes on.
    pub(super) async fn asks(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next;
        self.next += 1;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
        self.sends(&frame(FIN | TEXT, request.as_bytes())).await;
        id
    }

    /// The next message as JSON.
    pub(super) async fn message(&mut self) -> Value {
        loop {
            match self.hears().await.expect("the connection goes on") {
                (head, payload) if head == FIN | TEXT => return serde_json::from_slice(&payload).unwrap(),
                (head, _) if head == FIN | PING => {}
                other => panic!("no message: {other:?}"),
            }
        }
    }

    /// Asks for a use case, and waits for its answer; what happens meanwhile is told.
    pub(super) async fn calls(&mut self, method: &str, params: Value) -> (Vec<Value>, Value) {
        let id = self.asks(method, params).await;
        let mut events = Vec::new();
        loop {
            let message = self.message().await;
            match message.get("method") {
                Some(_) => events.push(message["params"].clone()),
                None if message["id"] == id => return (events, message),
                None => panic!("another answer: {message}"),
            }
        }
    }
}
