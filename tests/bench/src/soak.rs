//! Many at once: streamed chats, WebSockets that say nothing, and connections
//! that never finish what they ask.
//!
//! ```text
//! cara-bench soak [SECONDS [CHATS [SOCKETS [HALF-OPEN]]]]      300 1000 200 10000 unless said otherwise
//! ```
//!
//! The daemon is a process of its own with a fresh home. Behind it is a vendor in this process, who says a word at a time, so
//! that each chat goes through a component and out again. Each answer is looked at: one that lacks a word is an error, and
//! ends the run badly. Memory is what the system counts as resident in the daemon.

mod chats;
mod crowd;
mod daemon;
mod sockets;
mod vendor;

use crate::table::{answer, machine};
use anyhow::{Context, Result, bail, ensure};
use chats::Chats;
use daemon::Daemon;
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many of each.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// How long chats are begun.
    time: Duration,
    chats: usize,
    sockets: usize,
    half_open: usize,
}

impl Size {
    fn of(words: &[&str]) -> Result<Self> {
        ensure!(
            words.len() <= 4,
            "`soak` takes at most four numbers: seconds, chats, WebSockets, half-open connections"
        );
        let mut numbers: [u16; 4] = [300, 1000, 200, 10_000];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = word.parse().with_context(|| format!("`{word}` is no number"))?;
        }
        let [seconds, chats, sockets, half_open] = numbers.map(usize::from);
        ensure!(seconds > 2 && chats > 0, "there is nothing to be seen without chats, or in less than 3 seconds");
        Ok(Self { time: Duration::from_secs(seconds as u64), chats, sockets, half_open })
    }

    /// How long one answer takes: chats begin one after another within that time. So long the daemon is left alone after all
    /// of it, before its memory is looked at once more, and half of it connections stay half open.
    fn answer(self) -> Duration {
        Duration::from_secs(10).min(self.time / 3)
    }
}

/// Does all of it.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let size = Size::of(words)?;
    crowd::raise(size.half_open + 3 * size.chats + size.sockets)?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(soak(size))
}

async fn soak(size: Size) -> Result<()> {
    let vendor = vendor::serve(size.answer() / vendor::WORDS)?;
    let daemon = Daemon::start(vendor, size.chats)?;
    let chats = Chats::new(&daemon);
    chats.one().await.context("not even one chat is answered")?;
    let mut errors = under_load(size, &daemon, chats).await?;
    errors += crowd::half_open(size.half_open, size.answer() / 2, &daemon).await?;
    answer(&machine());
    if errors > 0 {
        bail!("{errors} errors");
    }
    Ok(())
}

/// All chats and all WebSockets; how many errors there were.
async fn under_load(size: Size, daemon: &Daemon, chats: Chats) -> Result<usize> {
    let (before, worked_before) = (daemon.resident()?, daemon.worked()?);
    let (stop, all) = (CancellationToken::new(), TaskTracker::new());
    let idle: Vec<_> = (0..size.sockets).map(|_| all.spawn(sockets::idle(daemon.clone(), stop.clone()))).collect();
    let began = Instant::now();
    for number in 0..size.chats {
        let (after, until) = (size.answer() * number as u32 / size.chats as u32, began + size.time);
        all.spawn(chats.clone().again_and_again(after, until));
    }
    let mut seen = Vec::new();
    let mut look = interval(Duration::from_secs(1));
    while began.elapsed() < size.time {
        look.tick().await;
        // All of them talk from then on.
        if began.elapsed() > size.answer() {
            seen.push(daemon.resident()?);
        }
    }
    chats.ended().await;
    let worked = daemon.worked()? - worked_before;
    stop.cancel();
    all.close();
    let (mut pings, mut lost) = (0, Vec::new());
    for socket in idle {
        match socket.await? {
            Ok(asked) => pings += asked,
            Err(error) => lost.push(format!("{error:#}")),
        }
    }
    all.wait().await;
    sleep(size.answer()).await;
    let told = chats.told();
    answer(&format!(
        "chats: {} at once for {:?}: {} answers, {} words, {} errors",
        size.chats, size.time, told.answers, told.words, told.errors
    ));
    answer(&format!("WebSockets: {} without a request, {pings} pings answered, {} errors", size.sockets, lost.len()));
    told.first.iter().chain(lost.first()).for_each(|error| answer(&format!("  for example: {error}")));
    answer(&format!(
        "processor: {:.1} s of the daemon, {:.1} µs a word",
        worked,
        worked * 1e6 / told.words.max(1) as f64
    ));
    memory(size, before, &seen, daemon)?;
    Ok(told.errors + lost.len())
}

/// What is said of memory.
fn memory(size: Size, before: f64, seen: &[f64], daemon: &Daemon) -> Result<()> {
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / 1024.0 / 1024.0);
    let median = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(before)
    };
    let (first, last) = (median(&seen[..seen.len() / 2]), median(&seen[seen.len() / 2..]));
    let (peak, after) = (daemon.peak()?, daemon.resident()?);
    let parts = [("before", before), ("first half", first), ("second half", last), ("peak", peak), ("after", after)];
    let parts = parts.map(|(name, bytes)| format!("{name} {}", mib(bytes)));
    answer(&format!("memory of the daemon: {}", parts.join(", ")));
    let each = (last - before) / (size.chats + size.sockets) as f64;
    answer(&format!("memory of a stream (chats and WebSockets alike): {:.0} KiB", each / 1024.0));
    Ok(())
}
