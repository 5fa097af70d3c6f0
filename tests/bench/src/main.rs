//! Measures what the architecture costs, each figure beside its floor.
//!
//! ```text
//! cargo build --release --bin cara --bin cara-bench
//! target/release/cara-bench all        everything
//! target/release/cara-bench sandbox    one of start, homeless, daemon, door, memory, cold, sandbox, …
//! target/release/cara-bench smoke      everything with tiny counts: shows that it works, not how fast
//! target/release/cara-bench soak       many chats, WebSockets and half-open connections at once, for minutes (Linux)
//! ```
//!
//! A floor is the same work without this program: wasmtime alone, a plain client, `/bin/true`. It is measured in the
//! same run, in turns with ours, so a busy or slow machine moves both. Time never fails a run; a wrong answer does.

mod bare;
mod boxes;
mod daemon;
mod door;
mod gateway;
mod load;
mod people;
mod plugin;
mod process;
mod proxy;
mod samples;
mod sandbox;
mod sessions;
#[cfg(target_os = "linux")]
mod soak;
mod stream;
mod table;
mod turn;

use anyhow::{Result, bail};
use std::process::ExitCode;
use std::time::Duration;
use table::{Row, Table};

/// How often each thing is done.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Samples of each figure.
    samples: usize,
    /// Sandbox calls in one sample.
    calls: usize,
    /// Events in one stream.
    events: usize,
    /// Requests in one round by a client.
    requests: usize,
    /// Starts of the program.
    starts: usize,
    /// Starts with nothing compiled; each takes seconds.
    cold: usize,
    /// Conversations of a home that is much used.
    sessions: usize,
    /// How long somebody who does nothing is watched.
    window: Duration,
}

impl Counts {
    const FULL: Self = Self {
        samples: 25,
        calls: 1000,
        events: 10_000,
        requests: 1600,
        starts: 40,
        cold: 5,
        sessions: 10_000,
        window: Duration::from_secs(12),
    };
    const SMOKE: Self = Self {
        samples: 2,
        calls: 20,
        events: 200,
        requests: 64,
        starts: 2,
        cold: 1,
        sessions: 20,
        window: Duration::from_millis(50),
    };
}

/// What can be measured, in the order of the table.
const SUBJECTS: [&str; 15] = [
    "start", "homeless", "daemon", "door", "memory", "cold", "sandbox", "stream", "turn", "boxes", "people",
    "sessions", "load", "plugin", "gateway",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [process::PEAK, program, arguments @ ..] => process::print_peak(program, arguments),
        [proxy::SERVE, words @ ..] => proxy::serve(words),
        #[cfg(target_os = "linux")]
        ["soak", numbers @ ..] => soak::run(numbers),
        ["smoke"] => measure(&SUBJECTS, Counts::SMOKE),
        [] | ["all"] => measure(&SUBJECTS, Counts::FULL),
        subjects => measure(subjects, Counts::FULL),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(subjects: &[&str], counts: Counts) -> Result<()> {
    if let Some(unknown) = subjects.iter().find(|subject| !SUBJECTS.contains(subject)) {
        bail!("nothing is called `{unknown}`\nhint: measure `all`, `smoke`, or some of {}", SUBJECTS.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::new();
    for subject in SUBJECTS.iter().filter(|subject| subjects.contains(subject)) {
        table::note(&format!("measuring {subject}"));
        let rows: Vec<Row> = match *subject {
            "start" => process::start(counts)?,
            "homeless" => process::homeless(counts)?,
            "daemon" => daemon::measure(counts)?,
            "door" => [runtime.block_on(door::call(counts))?, door::whole(counts)?].into_iter().flatten().collect(),
            "memory" => process::memory(counts)?,
            "cold" => process::cold(counts)?,
            "sandbox" => runtime.block_on(sandbox::measure(counts))?,
            "stream" => runtime.block_on(stream::measure(counts))?,
            "turn" => runtime.block_on(turn::measure(counts))?,
            "boxes" => runtime.block_on(boxes::measure(counts))?,
            "people" => runtime.block_on(people::measure(counts))?,
            "sessions" => sessions::measure(counts, &runtime)?,
            "load" => load::measure(counts)?,
            "plugin" => plugin::measure(counts)?,
            _ => gateway::measure(counts, &runtime)?,
        };
        table.add(rows);
    }
    table.print();
    Ok(())
}
