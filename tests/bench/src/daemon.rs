//! `cara start`: how soon it answers, and what it takes while nobody asks.

use crate::Counts;
use crate::process::{ASK, cara, command, first_byte, nothing};
use crate::samples::{Samples, in_turns};
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take until it answers, before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that holds a home, ended with the value.
pub(crate) struct Daemon {
    child: Child,
    /// Seconds until it answered.
    pub(crate) ready: f64,
}

impl Daemon {
    /// Starts one at its socket alone, and waits until it answers.
    pub(crate) fn start(cara: &Path, home: &Path) -> Result<Self> {
        Self::start_at(cara, home, "none")
    }

    /// The same, with an address for programs.
    pub(crate) fn start_at(cara: &Path, home: &Path, listen: &str) -> Result<Self> {
        let mut command = command(cara, home);
        command.args(["start", "--listen", listen]).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let mut daemon = Self { child: command.spawn().context("`cara start` cannot be started")?, ready: 0.0 };
        while !answers(&home.join("cara/cara.sock")) {
            ensure!(began.elapsed() < PATIENCE, "`cara start` does not answer");
            std::thread::sleep(Duration::from_micros(200));
        }
        daemon.ready = began.elapsed().as_secs_f64();
        Ok(daemon)
    }

    /// A process that does nothing at all, as the floor.
    fn sleeping(home: &Path) -> Result<Self> {
        let child = command("/bin/sleep", home).arg("1000").spawn().context("`sleep` cannot be started")?;
        Ok(Self { child, ready: 0.0 })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where programs reach it.
    pub(crate) fn listening(cara: &Path, home: &Path) -> Result<SocketAddr> {
        let began = Instant::now();
        loop {
            let mut command = command(cara, home);
            command.args(["status", "--json"]);
            let status: Value = serde_json::from_str(&first_byte(command)?.1)?;
            if let Some(address) = status["reachable"]["listening"][0].as_str() {
                return address.parse().with_context(|| format!("`{address}` is no address"));
            }
            ensure!(began.elapsed() < PATIENCE, "`cara start` does not listen: {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Bytes that it has resident.
    pub(crate) fn memory(&self) -> Result<f64> {
        self.kilobytes("VmRSS:")
    }

    /// The most bytes that it had resident.
    pub(crate) fn peak(&self) -> Result<f64> {
        self.kilobytes("VmHWM:")
    }

    fn kilobytes(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok(number(&status, name).context("the system does not say what is resident")? * 1024.0)
    }

    /// How often its threads came back from waiting, so far.
    fn wakes(&self) -> Result<f64> {
        let mut wakes = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = std::fs::read_to_string(thread?.path().join("status"))?;
            wakes += number(&status, "voluntary_ctxt_switches:").context("the system does not count switches")?;
        }
        Ok(wakes)
    }

    /// The same for a minute, seen through a window.
    fn wakes_a_minute(&self, window: Duration) -> Result<f64> {
        let before = self.wakes()?;
        std::thread::sleep(window);
        // A thread that ended took its count along.
        Ok((self.wakes()? - before).max(0.0) * 60.0 / window.as_secs_f64())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of the processors that a process had.
pub(crate) fn worked(process: u32) -> Result<f64> {
    /// Parts of a second in which Linux counts them.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("the system does not say how long a process worked")?;
    Ok((user + system) / TICKS)
}

/// The number behind a name.
fn number(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether somebody lets in at a socket.
#[cfg(unix)]
fn answers(socket: &Path) -> bool {
    let asked = || {
        let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.write_all(b"GET /control/v1/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[cfg(not(unix))]
fn answers(_: &Path) -> bool {
    false
}

/// All of it; what a system does not say of its processes is left out there.
pub(crate) fn measure(counts: Counts) -> Result<Vec<Row>> {
    let (cara, home) = (cara()?, tempfile::tempdir()?);
    let mut ask = command(&cara, home.path());
    ask.args(ASK);
    first_byte(ask)?;
    let start = || Ok(Daemon::start(&cara, home.path())?.ready);
    let (ours, floor) = in_turns(counts.starts, start, || nothing(home.path()))?;
    let name = "daemon: exec to ready".into();
    let mut rows = vec![Row { name, against: "/bin/true", ours, floor, unit: Unit::Time, aim: Aim::Below(0.060) }];
    if cfg!(target_os = "linux") {
        rows.extend(idle(counts, &cara, home.path())?);
    }
    Ok(rows)
}

/// What it takes while nothing happens: after its start, and after an answer.
fn idle(counts: Counts, cara: &Path, home: &Path) -> Result<Vec<Row>> {
    let (mut fresh, mut used, mut wakes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut memory, mut sleeps) = (Vec::new(), Vec::new());
    for _ in 0..counts.cold {
        let (daemon, sleeping) = (Daemon::start(cara, home)?, Daemon::sleeping(home)?);
        fresh.push(daemon.memory()?);
        let mut ask = command(cara, home);
        ask.args(ASK);
        first_byte(ask)?;
        used.push(daemon.memory()?);
        memory.push(sleeping.memory()?);
        // What an answer leaves to be tidied up is over soon.
        std::thread::sleep(counts.window);
        wakes.push(daemon.wakes_a_minute(counts.window)?);
        sleeps.push(sleeping.wakes_a_minute(counts.window)?);
    }
    let row = |name: &str, ours, floor, unit, aim| {
        let (ours, floor) = (Samples::new(ours), Samples::new(floor));
        Row { name: name.into(), against: "sleep 1000", ours, floor, unit, aim }
    };
    Ok(vec![
        row("daemon: memory, idle after its start", fresh, memory.clone(), Unit::Memory, Aim::Below(35e6)),
        row("daemon: memory, idle after an answer", used, memory, Unit::Memory, Aim::Below(35e6)),
        row("daemon: wake-ups a minute, idle", wakes, sleeps, Unit::Count, Aim::Below(6.0)),
    ])
}
