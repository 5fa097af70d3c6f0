//! The program as a process: how soon it answers, how much memory it takes.

use crate::Counts;
use crate::bare::Bare;
use crate::samples::{Samples, in_turns, timed};
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The word with which this program runs another one and prints its memory at the peak: `peak PROGRAM ARGUMENT...`.
pub(crate) const PEAK: &str = "peak";

/// Starts of which nothing is expected.
const TRUE: &str = "/bin/true";

/// What is asked: one answer, without a network.
pub(crate) const ASK: [&str; 5] = ["chat", "--model", "rehearsal", "--message", "hello"];

/// The executable beside this one.
pub(crate) fn cara() -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let path = own.with_file_name(format!("cara{}", std::env::consts::EXE_SUFFIX));
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    ensure!(path.exists(), "`{}` is not there\nhint: build it with `cargo build{release} -p cara`", path.display());
    Ok(path)
}

/// A command with nothing of this process's environment, and a home of its own.
pub(crate) fn command(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("CARA_HOME", home.join("cara")).current_dir(home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Seconds from the start of a command to the first byte it writes, or to its end. It has to end well.
pub(crate) fn first_byte(mut command: Command) -> Result<(f64, String)> {
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
    let mut output = child.stdout.take().context("the output is a pipe")?;
    let mut text = vec![0];
    let read = output.read(&mut text)?;
    let took = began.elapsed().as_secs_f64();
    text.truncate(read);
    output.read_to_end(&mut text)?;
    let ended = child.wait_with_output()?;
    if !ended.status.success() {
        bail!("{command:?} ended with {}: {}", ended.status, String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok((took, String::from_utf8(text)?))
}

/// Asks once.
fn answer(cara: &Path, home: &Path) -> Result<f64> {
    let mut command = command(cara, home);
    command.args(ASK);
    let (took, text) = first_byte(command)?;
    ensure!(!text.trim().is_empty(), "`cara {}` answered nothing", ASK.join(" "));
    Ok(took)
}

/// Starts `true`.
pub(crate) fn nothing(home: &Path) -> Result<f64> {
    Ok(first_byte(command(TRUE, home))?.0)
}

/// With everything compiled.
pub(crate) fn start(counts: Counts) -> Result<Vec<Row>> {
    let (cara, home) = (cara()?, tempfile::tempdir()?);
    answer(&cara, home.path())?;
    let (ours, floor) = in_turns(counts.starts, || answer(&cara, home.path()), || nothing(home.path()))?;
    let name = "start: exec to the first byte of an answer".into();
    let against = "/bin/true";
    Ok(vec![Row { name, against, ours, floor, unit: Unit::Time, aim: Aim::Below(0.015) }])
}

/// Commands that need no home, and open none.
pub(crate) fn homeless(counts: Counts) -> Result<Vec<Row>> {
    let (cara, folder) = (cara()?, tempfile::tempdir()?);
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        format!("hello-{number}")
    };
    let run = |arguments: &[&str]| {
        let mut command = command(&cara, folder.path());
        command.args(arguments);
        let began = Instant::now();
        first_byte(command)?;
        Ok(began.elapsed().as_secs_f64())
    };
    let floor = || nothing(folder.path());
    let completion = in_turns(counts.starts, || run(&["completion", "bash"]), floor)?;
    let new = in_turns(counts.starts, || run(&["plugin", "new", "tool", &fresh()]), floor)?;
    let row = |name: &str, (ours, floor): (Samples, Samples)| Row {
        name: name.into(),
        against: "/bin/true",
        ours,
        floor,
        unit: Unit::Time,
        aim: Aim::Below(0.010),
    };
    Ok(vec![row("homeless: `cara completion bash`", completion), row("homeless: `cara plugin new tool`", new)])
}

/// With nothing compiled, in a new home each time.
pub(crate) fn cold(counts: Counts) -> Result<Vec<Row>> {
    let (cara, bare) = (cara()?, Bare::new()?);
    let files: Vec<&[u8]> = cara_bundle::components().iter().map(|embedded| embedded.wasm).collect();
    let ours = || answer(&cara, tempfile::tempdir()?.path());
    let floor = || timed(|| compile_all(&bare, &files));
    let (ours, floor) = in_turns(counts.cold, ours, floor)?;
    let name = format!("cold: first start, compiles {} components", files.len());
    let against = "wasmtime alone: compile them in parallel";
    Ok(vec![Row { name, against, ours, floor, unit: Unit::Time, aim: Aim::None }])
}

fn compile_all(bare: &Bare, files: &[&[u8]]) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = files.iter().map(|file| scope.spawn(|| bare.compile(file).map(drop))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("wasmtime does not panic"))
    })
}

/// At the peak, after one answer: with everything compiled, and at the first start.
pub(crate) fn memory(counts: Counts) -> Result<Vec<Row>> {
    let (cara, warm) = (cara()?, tempfile::tempdir()?);
    answer(&cara, warm.path())?;
    let nothing = || peak(Path::new(TRUE), &[], warm.path());
    let again = in_turns(counts.cold, || peak(&cara, &ASK, warm.path()), nothing)?;
    let first = in_turns(counts.cold, || peak(&cara, &ASK, tempfile::tempdir()?.path()), nothing)?;
    let row = |name: &str, (ours, floor): (Samples, Samples), aim| Row {
        name: name.into(),
        against: "/bin/true",
        ours,
        floor,
        unit: Unit::Memory,
        aim,
    };
    Ok(vec![
        row("memory: peak of one answer", again, Aim::Below(30e6)),
        row("memory: peak of the first start", first, Aim::None),
    ])
}

/// Bytes a program held at its peak. A child inherits the peak of the process that starts it (Linux keeps it over
/// `exec`), and this one is large by now, so a fresh and small copy of it does that.
pub(crate) fn peak(program: &Path, arguments: &[&str], home: &Path) -> Result<f64> {
    let mut command = command(std::env::current_exe()?, home);
    command.arg(PEAK).arg(program).args(arguments);
    let (_, text) = first_byte(command)?;
    text.trim().parse().with_context(|| format!("`{PEAK}` printed `{text}`"))
}

/// Runs a program and prints what it held at its peak.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn print_peak(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("`{program}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    println!("{}", children_peak()?);
    Ok(())
}

#[cfg(unix)]
fn children_peak() -> Result<i64> {
    use nix::sys::resource::{UsageWho, getrusage};
    // Bytes on Apple's systems, kilobytes elsewhere.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * unit)
}

#[cfg(not(unix))]
fn children_peak() -> Result<i64> {
    bail!("the peak memory of a process is only read on Unix")
}
