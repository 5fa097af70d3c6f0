//! Asks the person at the terminal,
//! and stops asking when somebody else has answered.
//!
//! What was typed before a question appears never answers it: it is set aside, and that is said. Lines are read from the
//! terminal itself, so nothing is read ahead that a later question could take for its answer; rustyline keeps nothing
//! either between two of its lines.

pub use crate::declined::Declined;
use crate::keyboard::{Keyboard, Marks};
use crate::question::{Question, Reply, Screen};
use crate::streaming::{Streaming, lock};
use crate::{show, stdio};
use cara_assistant::{Answer, Asked};
use std::io::PipeReader;
use std::sync::Mutex;

/// How many calls are asked about on one screen; of more than these too little could be shown.
const AT_ONCE: usize = 6;

/// The longest line that is read, bytes; the terminal itself takes no longer one.
const LONGEST: usize = 4096;

/// Asks about calls that stand together, a screen at a time. None when the terminal is gone, or the question fell: then the
/// other end of `fallen` is closed.
pub fn ask(
    streaming: &Mutex<Streaming>,
    keyboard: &Keyboard,
    asked: &[Asked],
    fallen: &PipeReader,
) -> Option<Vec<Answer>> {
    // Before the question the terminal marks pasted text, and while the question stands it does not.
    set_aside(streaming, keyboard, Marks::On);
    let _asking = Keyboard::asking();
    let screens = asked.chunks(AT_ONCE).map(|part| converse(streaming, keyboard, part, fallen));
    let answers = screens.collect::<Option<Vec<_>>>().map(|answers| answers.concat());
    set_aside(streaming, keyboard, Marks::Off);
    answers
}

/// Keeps what was typed from answering anything, and says so.
fn set_aside(streaming: &Mutex<Streaming>, keyboard: &Keyboard, marks: Marks) {
    if let Some(became) = keyboard.set_aside(marks) {
        lock(streaming).note(became);
    }
}

/// Shows the question until a line answers it, or the end of input does: that is a no. None when the question fell.
fn converse(
    streaming: &Mutex<Streaming>,
    keyboard: &Keyboard,
    asked: &[Asked],
    fallen: &PipeReader,
) -> Option<Vec<Answer>> {
    let screen = terminal::screen();
    let mut question = Question::new(asked, screen);
    let mut shown = false;
    loop {
        set_aside(streaming, keyboard, Marks::Off);
        if !std::mem::replace(&mut shown, true) {
            lock(streaming).lines(&question.lines());
        }
        lock(streaming).question(&question.prompt());
        let Line::Typed(line) = read_line(Some(fallen))? else {
            show::note("no answer: that is a no");
            return Some(vec![Answer::No(None); asked.len()]);
        };
        match question.reply(&line) {
            Reply::Answers(answers) => return Some(answers),
            Reply::Unclear(why) => show::note(&why),
            Reply::View(at) => {
                if pages(streaming, &question.whole(at), screen, fallen)? {
                    question.was_seen(at);
                }
                shown = false;
            }
        }
    }
}

/// Shows lines a screen at a time; whether all were shown.
fn pages(streaming: &Mutex<Streaming>, lines: &[String], screen: Screen, fallen: &PipeReader) -> Option<bool> {
    let page = screen.rows.saturating_sub(1).max(1);
    let count = lines.len().div_ceil(page);
    for (at, part) in lines.chunks(page).enumerate() {
        lock(streaming).lines(part);
        if at + 1 < count {
            lock(streaming).question(&format!("{} of {count}; Enter shows the next, `q` stops: ", at + 1));
            if !matches!(read_line(Some(fallen))?, Line::Typed(line) if line.trim().is_empty()) {
                return Some(false);
            }
        }
    }
    Some(true)
}

/// Asks a question of yes or no. Whatever is not `y` or `yes`, as the whole line, is no.
pub fn agreed(question: &str) -> bool {
    // There is no message that it could be kept for.
    let _ = Keyboard::of_message().set_aside(Marks::On);
    stdio::write_aside(&cara_assistant::text::harmless(question));
    let Some(Line::Typed(line)) = read_line(None) else { return false };
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Asks the same where a no ends the command; `otherwise` says that nothing was done.
///
/// # Errors
///
/// The person said no.
pub fn agree(question: &str, otherwise: &'static str) -> Result<(), Declined> {
    if agreed(question) { Ok(()) } else { Err(Declined(otherwise)) }
}

/// What a person does at a question.
enum Line {
    Typed(String),
    /// Ctrl-D, or more than anybody types.
    End,
}

/// A line from the terminal; none when the question fell or the terminal is gone.
fn read_line(fallen: Option<&PipeReader>) -> Option<Line> {
    let mut line = Vec::new();
    while terminal::wait(fallen) {
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
    use super::{PipeReader, Screen};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::termios::tcgetwinsize;
    use std::io::stdin;

    /// Waits for a line; false when the question falls first. The terminal hands over whole lines, so reading one then does
    /// not block.
    pub(crate) fn wait(fallen: Option<&PipeReader>) -> bool {
        let stdin = stdin();
        let mut fds = vec![PollFd::new(&stdin, PollFlags::IN)];
        fds.extend(fallen.map(|fallen| PollFd::new(fallen, PollFlags::IN)));
        loop {
            match poll(&mut fds, None) {
                Ok(_) => return fds.get(1).is_none_or(|fallen| fallen.revents().is_empty()),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Reads past the buffer of the standard library, which could hold what was typed early.
    pub(crate) fn read(bytes: &mut [u8]) -> Option<usize> {
        rustix::io::read(stdin(), bytes).ok()
    }

    /// Its size; what every terminal has when it does not say.
    pub(crate) fn screen() -> Screen {
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

    pub(crate) fn wait(_: Option<&super::PipeReader>) -> bool {
        true
    }

    pub(crate) fn read(bytes: &mut [u8]) -> Option<usize> {
        let mut line = Vec::new();
        std::io::stdin().lock().read_until(b'\n', &mut line).ok()?;
        let read = line.len().min(bytes.len());
        bytes[..read].copy_from_slice(&line[..read]);
        Some(read)
    }

    pub(crate) fn screen() -> Screen {
        Screen::USUAL
    }
}
