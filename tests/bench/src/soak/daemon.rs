//! The daemon that is put under load: a process with a home of its own.

use crate::process::{cara, command, first_byte};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// Parts of a second in which the system counts what a process works.
const TICKS: f64 = 100.0;

/// A process that listens, ended with the last of its clones.
#[derive(Clone)]
pub(super) struct Daemon {
    process: Arc<Process>,
    pub(super) address: SocketAddr,
    /// What lets in.
    pub(super) token: String,
}

struct Process {
    child: Child,
    #[allow(dead_code, reason = "the home is there as long as the process")]
    home: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command says, as JSON.
fn asked(cara: &Path, home: &Path, arguments: &[&str]) -> Result<Value> {
    let mut command = command(cara, home);
    command.args(arguments).arg("--json");
    Ok(serde_json::from_str(&first_byte(command)?.1)?)
}

impl Daemon {
    /// Starts one with room for so many chats, whose models are this vendor's.
    pub(super) fn start(vendor: SocketAddr, chats: usize) -> Result<Self> {
        let (cara, home) = (cara()?, tempfile::tempdir()?);
        let own = home.path().join("cara");
        cara_services::files::ensure_private_dir(&own)?;
        // One component may have half of all places.
        let calls = (2 * chats + 16).min(4096);
        let config = format!(
            "[vault]\nstore = \"file\"\n[pool]\ncalls = {calls}\n[component.openai.settings]\nbase-url = \"http://{vendor}/v1\"\n"
        );
        std::fs::write(own.join("config.toml"), config)?;
        // Naming a provider grants it what it asks for.
        asked(&cara, home.path(), &["models", "--model", "openai"])?;
        let token = asked(&cara, home.path(), &["token", "create", "soak", "--scope", "read,chat"])?;
        let token = token["token"].as_str().context("there is a token")?.to_owned();
        let mut start = command(&cara, home.path());
        start.args(["start", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Arc::new(Process { child: start.spawn().context("`cara start` cannot be started")?, home });
        let began = Instant::now();
        loop {
            let status = asked(&cara, process.home.path(), &["status"]).unwrap_or_default();
            if let Some(address) = status["reachable"]["listening"][0].as_str() {
                return Ok(Self { process, address: address.parse()?, token });
            }
            ensure!(began.elapsed() < PATIENCE, "`cara start` does not listen: {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn said(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.process.child.id());
        std::fs::read_to_string(path).context("the daemon ended, or the system does not say what it takes")
    }

    fn kilobytes(&self, name: &str) -> Result<f64> {
        let status = self.said("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()).context("the system does not say it")?;
        Ok(number.parse::<f64>()? * 1024.0)
    }

    /// Bytes that are resident.
    pub(super) fn resident(&self) -> Result<f64> {
        self.kilobytes("VmRSS:")
    }

    /// The most that were.
    pub(super) fn peak(&self) -> Result<f64> {
        self.kilobytes("VmHWM:")
    }

    /// Seconds that the processors worked for it.
    pub(super) fn worked(&self) -> Result<f64> {
        let stat = self.said("stat")?;
        // Behind the name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        Ok((ticks(11).context("the system does not say it")? + ticks(12).context("the system does not say it")?)
            / TICKS)
    }
}
