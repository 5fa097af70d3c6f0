//! Runs a program of the operator's for its answer, with nothing to read, a
//! deadline, and a bound on what it says.

use crate::error::{Result, error, fail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most bytes that are read of each of its outputs.
const MOST: u64 = 1024 * 1024;

/// The variables that a program is given: none of them holds a secret.
const ENVIRONMENT: [&str; 3] = ["PATH", "HOME", "LANG"];

/// What a program said, and whether it did what it was asked.
pub(crate) struct Ran {
    pub(crate) done: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ran {
    /// The first line of why it did not.
    pub(crate) fn why(&self) -> String {
        let said = String::from_utf8_lossy(&self.stderr);
        let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
        line.chars().take(256).collect::<String>().escape_debug().to_string()
    }
}

/// A program of this name in an absolute folder of `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let mut paths =
        std::env::split_paths(&folders).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    paths.find(|path| cara_services::files::exists(path).unwrap_or(false))
}

/// Runs it to its end, or ends it.
pub(crate) async fn run(program: &Path, arguments: &[&str]) -> Result<Ran> {
    let shown = program.display();
    if !program.is_absolute() {
        fail!(Invalid, "`{shown}` is no absolute path\nhint: write where the program is from `/` on");
    }
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|why| error!(Unavailable, "`{shown}` cannot be started: {why}\nhint: see whether it is there"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::join!(read(stdout), read(stderr), child.wait()) };
    match timeout(PATIENCE, whole).await {
        Ok((stdout, stderr, status)) => Ok(Ran { done: status?.success(), stdout, stderr }),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            fail!(
                Unavailable,
                "`{shown}` did not end within {seconds} s\nhint: run it by hand to see what it waits for"
            )
        }
    }
}

/// What comes, as far as it is wanted; the rest is thrown away so that the program can end.
async fn read(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What could not be read was not said.
        let _ = (&mut from).take(MOST).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    bytes
}
