//! Calls of programs on their way into the ledger: in a file at once, in the
//! ledger a few milliseconds later, many at a time.
//!
//! A call has ended when its line is in the file: `kill -9` loses none from then on, and a power cut at most what was not on
//! disk. There are two files in turns: while what is in one is kept, lines go into the other; who holds the home next keeps
//! what is left in either. Each line has a proof that a process of this home wrote it.
//!
//! ```text
//! put ─→ calls.0 ─┐ every few ms, in one change
//!        calls.1 ─┴─→ ledger: usage, audit ─→ the file is emptied
//! ```

use crate::error::{Context, Error, Result, error, fail};
use cara_records::{ProgramUse, Records};
use cara_services::clock::Clock;
use cara_services::files;
use cara_services::home::Home;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long calls wait for others, so that they are kept together.
const GROUP: Duration = Duration::from_millis(2);

/// How long nothing is tried after the ledger failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How many calls wait at most before no other begins.
const MOST: usize = 10_000;

/// The longest line.
const LONGEST: u64 = 64 * 1024;

/// How many calls that were left are kept together.
const TOGETHER: usize = 1_000;

/// The calls that are not in the ledger yet.
pub(crate) struct Journal {
    clock: Clock,
    records: Records,
    state: Mutex<State>,
    wake: Notify,
    end: CancellationToken,
    ended: CancellationToken,
}

struct State {
    files: [File; 2],
    /// Into which of them lines go.
    current: usize,
    /// Those whose lines are in it.
    waiting: Vec<ProgramUse>,
}

fn paths(home: &Home) -> [PathBuf; 2] {
    ["calls.0", "calls.1"].map(|name| home.path().join(name))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A call as a line, which nobody makes who does not have the key of the conversations.
fn line(records: &Records, one: &ProgramUse) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(one)?;
    let proof = hex::encode(records.proof_of_use(&json));
    Ok([proof.as_bytes(), b" ", &json, b"\n"].concat())
}

/// The call of a line that was made here.
fn call(records: &Records, line: &[u8]) -> Option<ProgramUse> {
    let (proof, json) = line.trim_ascii_end().split_at_checked(64)?;
    let json = json.strip_prefix(b" ")?;
    let is_own = hex::encode(records.proof_of_use(json)).as_bytes() == proof;
    is_own.then(|| serde_json::from_slice(json).ok()).flatten()
}

/// The lines that a process left.
struct Left {
    lines: BufReader<File>,
    /// Whether something stands there that no process left.
    is_odd: bool,
}

impl Left {
    fn open(path: &Path) -> Result<Option<Self>> {
        let Some(_) = files::private_len(path)? else { return Ok(None) };
        let cannot = || format!("`{}` cannot be read", path.display());
        Ok(Some(Self { lines: BufReader::new(File::open(path).with_context(cannot)?), is_odd: false }))
    }

    /// The next calls; none at the end.
    fn next(&mut self, records: &Records) -> Vec<ProgramUse> {
        let mut calls = Vec::new();
        while calls.len() < TOGETHER {
            let mut bytes = Vec::new();
            match (&mut self.lines).take(LONGEST).read_until(b'\n', &mut bytes) {
                Ok(0) => break,
                Ok(_) if bytes.ends_with(b"\n") => match call(records, &bytes) {
                    Some(call) => calls.push(call),
                    None => self.is_odd = true,
                },
                // The last line may be half there: its call had not ended.
                Ok(read) if (read as u64) < LONGEST => break,
                _ => {
                    self.is_odd = true;
                    break;
                }
            }
        }
        calls
    }
}

/// Keeps what a process before left. What is not understood keeps nobody from the home: it is put aside.
pub(crate) async fn recover(home: &Home, records: &Records) -> Result<()> {
    for path in &paths(home) {
        let is_odd = match Left::open(path) {
            Ok(None) => continue,
            Ok(Some(mut left)) => loop {
                let calls = left.next(records);
                if calls.is_empty() {
                    break left.is_odd;
                }
                records.keep_uses(&calls).await?;
            },
            Err(_) => true,
        };
        if is_odd {
            let aside = path.with_extension(format!("{}.unreadable", path.extension().unwrap_or_default().display()));
            fs::rename(path, &aside).with_context(|| format!("`{}` cannot be put aside", path.display()))?;
            tracing::warn!(file = %aside.display(), "the journal of calls has what nobody here wrote, and was put aside");
        } else {
            files::remove(path)?;
        }
    }
    Ok(())
}

impl Journal {
    /// Begins to write what comes.
    pub(crate) fn open(home: &Home, records: &Records, clock: Clock) -> Result<Arc<Self>> {
        let open = |path: &Path| open(path).with_context(|| format!("`{}` cannot be written", path.display()));
        let [first, second] = paths(home);
        let files = [open(&first)?, open(&second)?];
        let state = Mutex::new(State { files, current: 0, waiting: Vec::new() });
        let (wake, end, ended) = Default::default();
        let journal = Arc::new(Self { clock, records: records.clone(), state, wake, end, ended });
        tokio::spawn(journal.clone().keep());
        Ok(journal)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to begin what could not be written down in the end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.state().waiting.len() >= MOST {
            fail!(
                Conflict,
                "calls are not written down fast enough\nhint: try again; `cara logs` says whether the ledger fails"
            );
        }
        Ok(())
    }

    /// Writes a call down that ended.
    pub(crate) fn put(&self, one: ProgramUse) -> Result<()> {
        let line = line(&self.records, &one)?;
        let mut state = self.state();
        let current = state.current;
        let written = state.files[current].write_all(&line);
        // It is kept all the same: what cannot be written here can often be in the ledger, whose place is made before.
        state.waiting.push(one);
        drop(state);
        self.wake.notify_one();
        let lost = |why: io::Error| -> Error {
            error!(Internal, "a call cannot be written down: {why}\nhint: see whether the home's disk has room")
        };
        written.map_err(lost)
    }

    /// Keeps what waits, until the journal is closed.
    async fn keep(self: Arc<Self>) {
        loop {
            let closes = self.end.is_cancelled();
            if !closes {
                tokio::select! {
                    () = self.wake.notified() => tokio::time::sleep(GROUP).await,
                    () = self.end.cancelled() => {}
                }
            }
            let (group, file) = {
                let mut state = self.state();
                let file = state.current;
                state.current = 1 - file;
                (std::mem::take(&mut state.waiting), file)
            };
            if !self.kept(&group).await {
                // What is left is in the files.
                break;
            }
            if let Err(error) = self.state().files[file].set_len(0) {
                tracing::warn!(%error, "the journal of calls cannot be emptied; none of them counts twice");
            }
            if closes {
                break;
            }
        }
        self.ended.cancel();
    }

    /// Keeps a group, tried again until it is; false where the journal is closed before.
    async fn kept(&self, group: &[ProgramUse]) -> bool {
        while !group.is_empty() {
            let Err(error) = self.records.keep_uses(group).await else { break };
            tracing::error!(%error, calls = group.len(), "calls of programs wait for the ledger");
            if self.end.is_cancelled() {
                return false;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.end.cancelled() => {}
            }
        }
        true
    }

    /// Keeps what is left, and ends.
    pub(crate) async fn close(&self) {
        self.end.cancel();
        self.ended.cancelled().await;
    }
}
