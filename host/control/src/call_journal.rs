//! Calls of programs on their way into the ledger: in a file at once, in the
//! ledger a few milliseconds later, many at a time.
//!
//! A call has ended when its line is in the file: `kill -9` loses none from then on, and a power cut at most what was not on
//! disk. There are two files in turns: while what is in one is kept, lines go into the other; who holds the home next keeps
//! what is left in either. Each line has a proof that a process of this home wrote it.
//!
//! ```text
//! put ─→ calls/0 ─┐ every few ms, in one change
//!        calls/1 ─┴─→ ledger: usage, audit ─→ the file is emptied
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
use subtle::ConstantTimeEq;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long calls wait for others, so that they are kept together.
const GROUP: Duration = Duration::from_millis(4);

/// The folder of both files, in the home.
const FOLDER: &str = "calls";

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
    files: [Lines<File>; 2],
    /// Into which of them lines go.
    current: usize,
    /// Those whose lines are in it.
    waiting: Vec<ProgramUse>,
}

fn paths(home: &Home) -> [PathBuf; 2] {
    // A folder of their own: who follows the configuration is woken by each change beside it.
    ["0", "1"].map(|name| home.path().join(FOLDER).join(name))
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
    let mut shown = [0; 32];
    hex::decode_to_slice(proof, &mut shown).ok()?;
    let is_own = bool::from(records.proof_of_use(json).as_slice().ct_eq(&shown));
    is_own.then(|| serde_json::from_slice(json).ok()).flatten()
}

/// What can be made shorter.
trait Cut: Write {
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Cut for File {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// A file of lines, each there as a whole or not at all: what is left of half a line would spoil the next one.
struct Lines<F> {
    file: F,
    /// How many bytes of whole lines are in it.
    whole: u64,
    /// Whether half a line may be behind them.
    is_spoilt: bool,
}

impl<F: Cut> Lines<F> {
    fn new(file: F, whole: u64) -> Self {
        Self { file, whole, is_spoilt: false }
    }

    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.mend()?;
        let added = self.file.write_all(line);
        match &added {
            Ok(()) => self.whole += line.len() as u64,
            Err(_) => {
                self.is_spoilt = true;
                // Where that fails too, it is tried before the next line.
                let _ = self.mend();
            }
        }
        added
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.is_spoilt {
            self.file.cut(self.whole)?;
            self.is_spoilt = false;
        }
        Ok(())
    }

    fn empty(&mut self) -> io::Result<()> {
        self.file.cut(0)?;
        (self.whole, self.is_spoilt) = (0, false);
        Ok(())
    }
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

/// The first name that no file has which was put aside before.
fn aside(path: &Path) -> Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".unreadable.{number}"));
        let aside = PathBuf::from(name);
        if !files::exists(&aside)? {
            return Ok(aside);
        }
        number += 1;
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
            let aside = aside(path)?;
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
        let open = |path: &Path| {
            let opened = open(path).and_then(|file| file.metadata().map(|about| Lines::new(file, about.len())));
            opened.with_context(|| format!("`{}` cannot be written", path.display()))
        };
        files::ensure_private_dir(&home.path().join(FOLDER))?;
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
        // Whoever reads the file reads no longer ones.
        let is_short = line.len() as u64 <= LONGEST;
        let mut state = self.state();
        let State { files, current, waiting } = &mut *state;
        let added = if is_short { files[*current].add(&line) } else { Ok(()) };
        // It is kept all the same: what cannot be written here can often be in the ledger, whose place is made before.
        waiting.push(one);
        drop(state);
        self.wake.notify_one();
        if !is_short {
            fail!(
                Internal,
                "a call cannot be written down: its line has over {LONGEST} bytes\nhint: report it with what `cara logs` shows"
            );
        }
        let lost = |why: io::Error| -> Error {
            error!(Internal, "a call cannot be written down: {why}\nhint: see whether the home's disk has room")
        };
        added.map_err(lost)
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
            let emptied = self.state().files[file].empty();
            if let Err(error) = emptied {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::application::Application;
    use crate::plugins::tests::{open as opened, with_a_file_for_secrets};
    use cara_authority::{ComponentId, PersonId};
    use cara_records::UsageBy;
    use serde_json::{Value, json};

    fn one(id: &str, detail: Value) -> ProgramUse {
        ProgramUse {
            id: id.to_owned(),
            reserved: false,
            person: PersonId::owner(),
            credential: "account".to_owned(),
            component: ComponentId::parse("rehearsal").unwrap(),
            model: "script".to_owned(),
            input: 1,
            output: 1,
            micros: None,
            at_ms: 1,
            detail,
        }
    }

    async fn calls(application: &Application) -> u64 {
        let used = application.records().await.unwrap().usage(0, UsageBy::Credential).await.unwrap();
        used.iter().map(|total| total.calls).sum()
    }

    /// A file on a disk with room for so many bytes, which may not be made shorter.
    struct Full {
        bytes: Vec<u8>,
        most: usize,
        is_broken: bool,
    }

    impl Cut for Full {
        fn cut(&mut self, len: u64) -> io::Result<()> {
            if self.is_broken {
                return Err(io::Error::other("broken"));
            }
            self.bytes.truncate(usize::try_from(len).unwrap());
            Ok(())
        }
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.most - self.bytes.len());
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn half_a_line_that_a_full_disk_leaves_is_taken_out_again() {
        let mut lines = Lines::new(Full { bytes: Vec::new(), most: 10, is_broken: false }, 0);
        lines.add(b"first\n").unwrap();
        assert!(lines.add(b"second\n").is_err());
        assert_eq!((lines.file.bytes.as_slice(), lines.whole), (&b"first\n"[..], 6));
        // Where it cannot be taken out at once, no line is joined to it.
        lines.file.is_broken = true;
        assert!(lines.add(b"second\n").is_err());
        lines.file.most = 20;
        assert!(lines.add(b"third\n").is_err());
        assert_eq!(lines.file.bytes, b"first\nseco");
        lines.file.is_broken = false;
        lines.add(b"third\n").unwrap();
        assert_eq!((lines.file.bytes.as_slice(), lines.whole), (&b"first\nthird\n"[..], 12));
    }

    #[tokio::test]
    async fn a_line_that_nobody_would_read_is_not_written_and_its_call_is_kept_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let application = opened(&with_a_file_for_secrets(folder.path()));
        let records = application.records().await.unwrap();
        let journal = Journal::open(application.home(), records, application.services.clock).unwrap();
        let refused = journal.put(one("u-aaaa", json!("x".repeat(70_000)))).unwrap_err();
        assert!(refused.message.contains("its line has over 65536 bytes"), "{refused}");
        let len = |path: &PathBuf| fs::metadata(path).unwrap().len();
        assert_eq!(paths(application.home()).iter().map(len).sum::<u64>(), 0);
        journal.put(one("u-bbbb", json!("x"))).unwrap();
        journal.close().await;
        assert_eq!(calls(&application).await, 2);
    }

    #[tokio::test]
    async fn no_call_begins_while_ten_thousand_wait_for_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let application = opened(&with_a_file_for_secrets(folder.path()));
        let records = application.records().await.unwrap();
        let journal = Journal::open(application.home(), records, application.services.clock).unwrap();
        journal.state().waiting = vec![one("u-aaaa", Value::Null); MOST];
        let refused = journal.check().unwrap_err();
        assert!(refused.message.contains("not written down fast enough") && refused.hint.is_some(), "{refused}");
        journal.state().waiting.truncate(MOST - 1);
        journal.check().unwrap();
        journal.state().waiting.clear();
        journal.close().await;
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_among_good_ones_costs_none_of_them_and_each_such_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let home = with_a_file_for_secrets(folder.path());
        let application = opened(&home);
        let records = application.records().await.unwrap();
        files::ensure_private_dir(&home.path().join(FOLDER)).unwrap();
        for number in 1..=3_u64 {
            let good = |name: &str| line(records, &one(&format!("u-{name}{number}"), Value::Null)).unwrap();
            let left = [good("a"), vec![b'x'; 70_000], b"\n".to_vec(), good("b")].concat();
            files::write_private_atomic(&paths(&home)[1], &left).unwrap();
            recover(&home, records).await.unwrap();
            assert_eq!(calls(&application).await, 2 * number);
            let aside = home.path().join(format!("{FOLDER}/1.unreadable.{number}"));
            assert!(fs::read(aside).unwrap() == left && !paths(&home)[1].exists(), "{number}");
        }
    }
}
