//! The programs this crate runs, and how it runs them:
//! captured, with a deadline.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::environment;

/// Where the programs are. A name without a path is looked up in `PATH`.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Builds; rustup's where there is one.
    pub cargo: PathBuf,
    /// Compiles.
    pub rustc: PathBuf,
    /// Adds a target.
    pub rustup: PathBuf,
    /// Downloads packages on Debian.
    pub apt_get: PathBuf,
    /// Knows their versions.
    pub apt_cache: PathBuf,
    /// Unpacks them.
    pub dpkg: PathBuf,
    /// Knows which are installed.
    pub dpkg_query: PathBuf,
}

impl Tools {
    /// The machine's own. In a build script `CARGO` and `RUSTC` name the running toolchain's.
    #[must_use]
    pub fn from_environment() -> Self {
        let named =
            |variable, otherwise: &str| std::env::var_os(variable).map_or_else(|| otherwise.into(), PathBuf::from);
        Self {
            cargo: named("CARGO", "cargo"),
            rustc: named("RUSTC", "rustc"),
            rustup: "rustup".into(),
            apt_get: "apt-get".into(),
            apt_cache: "apt-cache".into(),
            dpkg: "dpkg".into(),
            dpkg_query: "dpkg-query".into(),
        }
    }
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such program.
    #[error("`{0}` is not installed")]
    Missing(String),
    /// It could not be started or read.
    #[error("`{program}` cannot be run: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It did not end in time and was ended.
    #[error("`{command}` did not answer within {seconds} s")]
    Late {
        /// The whole command.
        command: String,
        /// The time it had.
        seconds: u64,
    },
    /// The program ended with an error.
    #[error("`{command}` failed ({status}): {said}", said = last_line(.stderr))]
    Failed {
        /// The whole command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// All it wrote to its error stream.
        stderr: String,
    },
}

/// A command with a clean environment.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    environment::clean(&mut command);
    command
}

/// Runs to the end and gives what was written to stdout.
pub(crate) fn run(command: &mut Command, deadline: Option<Duration>) -> Result<Vec<u8>, RunError> {
    let program = file_name(command.get_program());
    let start = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => RunError::Missing(program.clone()),
        _ => RunError::Start { program: program.clone(), source },
    };
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let end = deadline.map(|deadline| (deadline, Instant::now() + deadline));
    let (Some(stdout), Some(stderr)) = (receive(&stdout, end), receive(&stderr, end)) else {
        // A failure to end it changes nothing for us: its output is no longer waited for.
        let _ = child.kill();
        let _ = child.wait();
        let seconds = deadline.unwrap_or_default().as_secs();
        return Err(RunError::Late { command: line(command), seconds });
    };
    let status = child.wait().map_err(start)?;
    if !status.success() {
        let stderr = String::from_utf8_lossy(&stderr).trim_end().to_owned();
        return Err(RunError::Failed { command: line(command), status, stderr });
    }
    Ok(stdout)
}

/// Like [`run`], as text without the white space around it.
pub(crate) fn ask(command: &mut Command, deadline: Option<Duration>) -> Result<String, RunError> {
    Ok(String::from_utf8_lossy(&run(command, deadline)?).trim().to_owned())
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is all there is to show.
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// `None` when the time is over.
fn receive(from: &mpsc::Receiver<Vec<u8>>, end: Option<(Duration, Instant)>) -> Option<Vec<u8>> {
    match end {
        None => from.recv().ok(),
        Some((_, end)) => from.recv_timeout(end.saturating_duration_since(Instant::now())).ok(),
    }
}

fn line(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    std::iter::once(file_name(command.get_program()).into()).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn file_name(program: &OsStr) -> String {
    Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

/// The line that says most: the first that is marked as an error, else the last.
fn last_line(stderr: &str) -> &str {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let marked = lines.clone().find(|line| line.starts_with("error") || line.starts_with("E:"));
    marked.or_else(|| lines.next_back()).unwrap_or("it said nothing")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_at_its_deadline() {
        let mut hanging = command(Path::new("sleep"));
        let begun = Instant::now();
        let error = run(hanging.arg("600"), Some(Duration::from_millis(50))).unwrap_err();
        assert!(matches!(error, RunError::Late { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_failure_shows_the_line_marked_as_the_error() {
        let mut failing = command(Path::new("sh"));
        let script = "echo 'info: trying' >&2; echo 'error: no such server' >&2; echo 'help: none' >&2; exit 3";
        let error = run(failing.args(["-c", script]), None).unwrap_err();
        assert!(error.to_string().ends_with("(exit status: 3): error: no such server"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut command(Path::new("/nowhere/rustup")), None).unwrap_err();
        assert_eq!(error.to_string(), "`rustup` is not installed");
    }
}
