//! Asks the person at the terminal,
//! and stops asking when somebody else has answered.
//!
//! What was typed before a question appears never answers it: it is discarded, and that is said. Lines are read from the
//! terminal itself, so nothing is read ahead that a later question could take for its answer; rustyline keeps nothing
//! either between two of its lines.

use crate::commands::lock;
use crate::question::{Question, Reply, Screen};
use crate::show::{self, Streaming};
use anyhow::Result;
use cara_assistant::{Answer, Approver, Asked};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How often it is looked whether the question still stands, milliseconds.
const LOOK_MS: i64 = 200;

/// How many calls are asked about on one screen; of more than these too little could be shown.
const AT_ONCE: usize = 6;

/// The longest line that is read, bytes; the terminal itself takes no longer one.
const LONGEST: usize = 4096;

/// The terminal as a place where approvals are asked for.
pub(crate) struct Prompt {
    streaming: Arc<Mutex<Streaming>>,
    /// Held by who reads the terminal, until it reads no more.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Prompt {
    pub(crate) fn new(streaming: Arc<Mutex<Streaming>>) -> Self {
        Self { streaming, turn: Arc::default() }
    }
}

/// Ends the reading when the question is dropped.
struct Standing(Arc<AtomicBool>);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Approver for Prompt {
    async fn ask(&self, asked: &[Asked]) -> Vec<Answer> {
        let turn = self.turn.clone().lock_owned().await;
        let standing = Standing(Arc::new(AtomicBool::new(true)));
        let (stands, streaming, asked) = (standing.0.clone(), self.streaming.clone(), asked.to_vec());
        let answers = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let screens = asked.chunks(AT_ONCE).map(|part| converse(&streaming, part, &stands));
            screens.collect::<Option<Vec<_>>>()
        });
        match answers.await.ok().flatten() {
            Some(answers) => answers.concat(),
            // No terminal any more, or the question fell: the answer comes from elsewhere.
            None => std::future::pending().await,
        }
    }
}

/// Shows the question until a line answers it, or the end of input does: that is a no. None when the question fell.
fn converse(streaming: &Mutex<Streaming>, asked: &[Asked], stands: &AtomicBool) -> Option<Vec<Answer>> {
    let screen = terminal::screen();
    let mut question = Question::new(asked, screen);
    let mut shown = false;
    loop {
        if terminal::discard() {
            show::note("what was typed before the question was discarded");
        }
        if !std::mem::replace(&mut shown, true) {
            lock(streaming).lines(&question.lines());
        }
        lock(streaming).question(&question.prompt());
        let Line::Typed(line) = read_line(stands)? else {
            show::note("no answer: that is a no");
            return Some(vec![Answer::No(None); asked.len()]);
        };
        match question.reply(&line) {
            Reply::Answers(answers) => return Some(answers),
            Reply::Unclear(why) => show::note(&why),
            Reply::View(at) => {
                if pages(streaming, &question.whole(at), screen, stands)? {
                    question.was_seen(at);
                }
                shown = false;
            }
        }
    }
}

/// Shows lines a screen at a time; whether all were shown.
fn pages(streaming: &Mutex<Streaming>, lines: &[String], screen: Screen, stands: &AtomicBool) -> Option<bool> {
    let page = screen.rows.saturating_sub(1).max(1);
    let count = lines.len().div_ceil(page);
    for (at, part) in lines.chunks(page).enumerate() {
        lock(streaming).lines(part);
        if at + 1 < count {
            lock(streaming).question(&format!("{} of {count}; Enter shows the next, `q` stops: ", at + 1));
            if !matches!(read_line(stands)?, Line::Typed(line) if line.trim().is_empty()) {
                return Some(false);
            }
        }
    }
    Some(true)
}

/// Asks a question of yes or no. Whatever is not `y` or `yes`, as the whole line, is no.
pub(crate) fn agreed(question: &str) -> Result<bool> {
    terminal::discard();
    crate::output::write_aside(&cara_assistant::text::harmless(question));
    let Some(Line::Typed(line)) = read_line(&AtomicBool::new(true)) else { return Ok(false) };
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What a person does at a question.
enum Line {
    Typed(String),
    /// Ctrl-D, or more than anybody types.
    End,
}

/// A line from the terminal; none when the question fell or the terminal is gone.
fn read_line(stands: &AtomicBool) -> Option<Line> {
    let mut line = Vec::new();
    while stands.load(Ordering::Relaxed) {
        if !terminal::is_ready(LOOK_MS) {
            continue;
        }
        let mut bytes = [0; LONGEST];
        let read = terminal::read(&mut bytes)?;
        line.extend_from_slice(&bytes[..read]);
        // The end of input; what was typed before it counts for nothing.
        if read == 0 || line.len() > LONGEST {
            return Some(Line::End);
        }
        if line.ends_with(b"\n") {
            return Some(Line::Typed(String::from_utf8_lossy(&line).into_owned()));
        }
    }
    None
}

/// The terminal that standard input is.
#[cfg(unix)]
mod terminal {
    use super::Screen;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};
    use std::io::stdin;

    /// Throws away what was typed and not read; whether there was a line of it.
    pub(super) fn discard() -> bool {
        let waiting = is_ready(0);
        // Input that is no terminal is refused here, and has nobody who types too early.
        waiting & tcflush(stdin(), QueueSelector::IFlush).is_ok()
    }

    /// Waits so long for a line. The terminal hands over whole lines, so reading one then does not block.
    pub(super) fn is_ready(wait_ms: i64) -> bool {
        let stdin = stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: wait_ms * 1_000_000 })).is_ok_and(|ready| ready > 0)
    }

    /// Reads past the buffer of the standard library, which could hold what was typed early.
    pub(super) fn read(bytes: &mut [u8]) -> Option<usize> {
        rustix::io::read(stdin(), bytes).ok()
    }

    /// Its size; what every terminal has when it does not say.
    pub(super) fn screen() -> Screen {
        let size = tcgetwinsize(stdin()).ok().filter(|size| size.ws_col >= 20 && size.ws_row >= 8);
        let size = size.map(|size| Screen { columns: size.ws_col.into(), rows: size.ws_row.into() });
        size.unwrap_or(Screen::USUAL)
    }
}

/// There reading blocks until a line comes, also when the question fell meanwhile, and what was typed early is not thrown
/// away: where labels ask, it cannot hold the id of the question.
#[cfg(not(unix))]
mod terminal {
    use super::Screen;
    use std::io::BufRead;

    pub(super) fn discard() -> bool {
        false
    }

    pub(super) fn is_ready(_: i64) -> bool {
        true
    }

    pub(super) fn read(bytes: &mut [u8]) -> Option<usize> {
        let mut line = Vec::new();
        std::io::stdin().lock().read_until(b'\n', &mut line).ok()?;
        let read = line.len().min(bytes.len());
        bytes[..read].copy_from_slice(&line[..read]);
        Some(read)
    }

    pub(super) fn screen() -> Screen {
        Screen::USUAL
    }
}
