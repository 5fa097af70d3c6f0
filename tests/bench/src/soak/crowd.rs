//! Connections that begin a request and never end it, from many addresses.

use super::daemon::Daemon;
use crate::table::answer;
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long a request may take meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections of one address: fewer than the daemon takes of one, so that it is not that alone which keeps them off.
const OF_ONE: usize = 100;

/// Has this process open so many files.
pub(super) fn raise(files: usize) -> Result<()> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = files as u64 + 256;
    ensure!(
        wanted <= most,
        "this takes {wanted} open files, the system allows {most}\nhint: take smaller numbers, or `ulimit -Hn {wanted}` as root"
    );
    Ok(setrlimit(Resource::RLIMIT_NOFILE, now.max(wanted), most)?)
}

/// One that says half of what it wants.
async fn half(number: usize, to: SocketAddr) -> Result<TcpStream> {
    let part = |value: usize| u8::try_from(value % 250 + 1).unwrap_or(1);
    let from = Ipv4Addr::new(127, 1, part(number / OF_ONE / 250), part(number / OF_ONE));
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = timeout(PATIENCE, socket.connect(to)).await.context("nobody accepts")??;
    stream.write_all(b"GET /control/v1/ready HTTP/1.1\r\nhost: localhost\r\nx-half: ").await?;
    Ok(stream)
}

/// A request as anybody makes it; how long it took.
async fn request(daemon: &Daemon) -> Result<Duration> {
    let began = Instant::now();
    let answer = async {
        let mut stream = TcpStream::connect(daemon.address).await?;
        let request = format!(
            "GET /control/v1/ready HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            daemon.token
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Ok(began.elapsed())
    };
    timeout(PATIENCE, answer).await.context("no answer came")?
}

/// Opens them, has them stay for so long, and asks meanwhile; how many requests were not answered.
pub(super) async fn half_open(count: usize, stay: Duration, daemon: &Daemon) -> Result<usize> {
    let before = daemon.resident()?;
    let over = CancellationToken::new();
    let asking = tokio::spawn(asking(daemon.clone(), over.clone()));
    let (mut open, mut refused) = (Vec::with_capacity(count), 0);
    for number in 0..count {
        match half(number, daemon.address).await {
            Ok(stream) => open.push(stream),
            Err(_) => refused += 1,
        }
    }
    tokio::time::sleep(stay).await;
    let with = daemon.resident()?;
    over.cancel();
    let (times, errors) = asking.await?;
    drop(open);
    let worst = times.iter().max().copied().unwrap_or_default();
    answer(&format!(
        "half-open: {count} begun, {refused} not accepted; meanwhile {} requests answered, the slowest after {worst:.1?}, {} errors",
        times.len(),
        errors.len()
    ));
    errors.first().into_iter().for_each(|error| answer(&format!("  for example: {error}")));
    answer(&format!("half-open: memory of the daemon {:+.1} MiB", (with - before) / 1024.0 / 1024.0));
    Ok(errors.len())
}

/// Asks ten times a second until it is over.
async fn asking(daemon: Daemon, over: CancellationToken) -> (Vec<Duration>, Vec<String>) {
    let (mut times, mut errors) = (Vec::new(), Vec::new());
    let mut tick = interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            () = over.cancelled() => return (times, errors),
            _ = tick.tick() => match request(&daemon).await {
                Ok(time) => times.push(time),
                Err(error) => errors.push(format!("{error:#}")),
            },
        }
    }
}
