//! The daemon that is put under load: a process with a home of its own.

use crate::daemon;
use crate::process::{cara, command, first_byte};
use anyhow::{Context, Result};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A process that listens, ended with the last of its clones.
#[derive(Clone)]
pub(super) struct Daemon {
    process: Arc<(daemon::Daemon, TempDir)>,
    pub(super) address: SocketAddr,
    /// What lets in.
    pub(super) token: String,
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
        let process = daemon::Daemon::start_at(&cara, home.path(), "127.0.0.1:0")?;
        let address = daemon::Daemon::listening(&cara, home.path())?;
        Ok(Self { process: Arc::new((process, home)), address, token })
    }

    /// Bytes that are resident.
    pub(super) fn resident(&self) -> Result<f64> {
        self.process.0.memory()
    }

    /// The most that were.
    pub(super) fn peak(&self) -> Result<f64> {
        self.process.0.peak()
    }

    /// Seconds that the processors worked for it.
    pub(super) fn worked(&self) -> Result<f64> {
        daemon::worked(self.process.0.id())
    }
}
