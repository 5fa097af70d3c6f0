//! WebSockets that say nothing, but that they are still there.

use super::daemon::Daemon;
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long an answer may take at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What frames begin with (RFC 6455, section 5.2): the last of its message, of this kind.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A frame of a client, masked with zeros.
fn frame(head: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).context("the frame is too long")?;
    Ok([&[head, 0x80 | length, 0, 0, 0, 0], payload].concat())
}

/// The next frame of the server.
async fn next(stream: &mut BufReader<TcpStream>) -> Result<(u8, Vec<u8>)> {
    let (head, length) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = match length {
        126 => stream.read_u16().await?.into(),
        0..126 => length.into(),
        _ => bail!("the server sends more than was asked for"),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((head, payload))
}

async fn opened(daemon: &Daemon) -> Result<BufReader<TcpStream>> {
    let mut stream = BufReader::new(TcpStream::connect(daemon.address).await?);
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        daemon.token
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(stream.read_line(&mut head).await? > 0, "the connection ended: {head}");
    }
    ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
    Ok(stream)
}

/// Is there until it is over, and then asks one thing; how often it was asked whether it is there.
pub(super) async fn idle(daemon: Daemon, over: CancellationToken) -> Result<usize> {
    let (mut stream, mut pings) = (opened(&daemon).await?, 0);
    loop {
        // Bytes that wait are left where they are.
        tokio::select! {
            () = over.cancelled() => break,
            there = stream.fill_buf() => ensure!(!there?.is_empty(), "the connection ended"),
        }
        match next(&mut stream).await? {
            (PING, payload) => stream.write_all(&frame(PONG, &payload)?).await?,
            (CLOSE, payload) => bail!("the server closes: {payload:?}"),
            (other, _) => bail!("the server sends {other:#x} unasked"),
        }
        pings += 1;
    }
    stream.write_all(&frame(TEXT, br#"{"jsonrpc":"2.0","id":1,"method":"ready"}"#)?).await?;
    let answer = async {
        loop {
            match next(&mut stream).await? {
                (TEXT, payload) => return anyhow::Ok(payload),
                (PING, _) => {}
                (other, _) => bail!("the server sends {other:#x}"),
            }
        }
    };
    let answer = String::from_utf8(timeout(PATIENCE, answer).await.context("no answer came")??)?;
    ensure!(answer.contains("\"result\""), "{answer}");
    stream.write_all(&frame(CLOSE, &1000_u16.to_be_bytes())?).await?;
    Ok(pings)
}
