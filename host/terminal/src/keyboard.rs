//! The keyboard while an answer comes: nothing that is typed then is shown in
//! the answer, answers a question, or is lost.
//!
//! ```text
//! turn begins: echo off ─→ question: what was typed is set aside, echo on ─→ answered: echo off ─→ turn ends: what was
//! typed is set aside, echo on ─→ the next prompt begins with it
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the terminal marks the beginning and the end of a pasted text with.
const PASTED: [&str; 2] = ["[200~", "[201~"];

/// The keyboard of a conversation, or of one message.
#[derive(Clone)]
pub struct Keyboard {
    /// What was typed ahead of the next prompt; none where there will be none.
    ahead: Option<Arc<Mutex<Vec<Stretch>>>>,
}

/// A stretch of what was typed ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// What it says.
    pub text: String,
    /// Whether it came key by key, and not as a pasted text.
    pub typed: bool,
}

/// Whether the terminal marked pasted text when something was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// It did: what it did not mark was typed.
    On,
    /// It did not, since a question stood: nobody knows what was typed, so nothing counts as typed.
    Off,
}

/// While it stands, an answer comes.
pub struct Turn(Keyboard);

/// While it stands, a question is asked.
pub struct Asking(());

impl Keyboard {
    /// The keyboard of a conversation: what is typed early is for the next message.
    pub fn of_conversation() -> Self {
        // A terminal that cannot be edited on begins no line with a text: there it stays in the terminal.
        let dumb = std::env::var("TERM").is_ok_and(|term| matches!(term.as_str(), "dumb" | "cons25" | "emacs"));
        Self { ahead: (!dumb).then(Arc::default) }
    }

    /// The keyboard of one message: what is typed early is for whoever reads the terminal next.
    pub fn of_message() -> Self {
        Self { ahead: None }
    }

    /// An answer begins.
    pub fn turn(&self) -> Turn {
        terminal::change(|state| (state.turn, state.marks) = (true, self.ahead.is_some()));
        Turn(self.clone())
    }

    /// A question begins.
    pub fn asking() -> Asking {
        terminal::change(|state| state.questions += 1);
        Asking(())
    }

    /// Sets aside what was typed, so that it answers nothing; what became of it, where there was something.
    pub fn set_aside(&self, marks: Marks) -> Option<&'static str> {
        let typed = terminal::drain();
        if typed.is_empty() {
            return None;
        }
        Some(match self.kept() {
            Some(mut kept) => {
                if let Some(last) = kept.last_mut() {
                    last.text.push('\n');
                }
                kept.extend(
                    stretches(&typed)
                        .into_iter()
                        .map(|stretch| Stretch { typed: stretch.typed && marks == Marks::On, ..stretch }),
                );
                match marks {
                    Marks::On => {
                        "what was typed before the question is no answer to it: it is kept for your next message"
                    }
                    Marks::Off => "what came beside the answer is kept for your next message, as pasted",
                }
            }
            None => "what was typed before the question was discarded",
        })
    }

    /// What was typed ahead of this prompt.
    pub fn take(&self) -> Vec<Stretch> {
        self.kept().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }

    fn kept(&self) -> Option<MutexGuard<'_, Vec<Stretch>>> {
        self.ahead.as_ref().map(|ahead| ahead.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0.ahead.is_some() {
            // It is kept; the prompt shows it.
            let _ = self.0.set_aside(Marks::On);
        }
        terminal::change(|state| state.turn = false);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        terminal::change(|state| state.questions = state.questions.saturating_sub(1));
    }
}

/// The text of what a terminal sent, without keys that are none.
fn stretches(bytes: &[u8]) -> Vec<Stretch> {
    let sent = String::from_utf8_lossy(bytes);
    let mut found: Vec<Stretch> = Vec::new();
    let mut typed = true;
    let mut rest = sent.trim_end_matches(['\r', '\n']);
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let letter = match letter {
            '\u{1b}' => {
                if let Some(mark) = PASTED.iter().position(|mark| rest.starts_with(mark)) {
                    typed = mark == 1;
                }
                rest = after_key(rest);
                continue;
            }
            '\r' => '\n',
            '\t' => ' ',
            letter if letter.is_control() && letter != '\n' => continue,
            letter => letter,
        };
        match found.last_mut() {
            Some(last) if last.typed == typed => last.text.push(letter),
            _ => found.push(Stretch { text: letter.into(), typed }),
        }
    }
    found
}

/// What follows a key that sends more than a letter, or what a terminal answers to a question of the host's.
fn after_key(rest: &str) -> &str {
    if rest.starts_with(['P', ']', '_', '^', 'X']) {
        // A string that ends with ST or BEL; one that does not end hides the rest.
        let ends = [("\u{1b}\\", 2), ("\u{7}", 1)].map(|(end, len)| rest.find(end).map(|at| at + len));
        return ends.into_iter().flatten().min().map_or("", |at| &rest[at..]);
    }
    let Some(parameters) = rest.strip_prefix(['[', 'O']) else {
        return rest.char_indices().nth(1).map_or("", |(at, _)| &rest[at..]);
    };
    let end = parameters.find(|letter: char| matches!(letter, '@'..='~'));
    end.map_or("", |end| &parameters[end + 1..])
}

/// How the terminal treats keys.
#[derive(Default)]
struct State {
    turn: bool,
    /// Whether pasted text is to be marked meanwhile.
    marks: bool,
    questions: usize,
}

/// The terminal that standard input is.
#[cfg(unix)]
mod terminal {
    use super::State;
    use crate::stdio;
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
    use std::io::{IsTerminal, stdin, stdout};
    use std::sync::{Mutex, Once, PoisonError};

    /// The terminal belongs to the process, so what was done to it does too.
    static NOW: Mutex<(State, Option<Termios>)> = Mutex::new((State { turn: false, marks: false, questions: 0 }, None));

    /// Marks pasted text, or does not.
    const MARKS: [&str; 2] = ["\u{1b}[?2004l", "\u{1b}[?2004h"];

    static HOOK: Once = Once::new();

    /// Changes what goes on, and the terminal with it.
    pub(crate) fn change(change: impl FnOnce(&mut State)) {
        let mut now = NOW.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, before) = &mut *now;
        change(state);
        let quiet = state.turn && state.questions == 0;
        match (quiet, before.is_some()) {
            (true, false) => *before = hush(state.marks),
            (false, true) => before.take().iter().for_each(|before| restore(before, state.marks)),
            _ => {}
        }
    }

    fn hush(marks: bool) -> Option<Termios> {
        let before = tcgetattr(stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        // Ctrl-C ends the answer, and not what was typed ahead.
        quiet.local_modes.insert(LocalModes::NOFLSH);
        tcsetattr(stdin(), OptionalActions::Now, &quiet).ok()?;
        if marks && stdout().is_terminal() {
            stdio::write(MARKS[1]);
        }
        HOOK.call_once(|| {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // Whoever panics may hold it.
                if let Ok(mut now) = NOW.try_lock() {
                    let (state, before) = &mut *now;
                    before.take().iter().for_each(|before| restore(before, state.marks));
                }
                hook(panic);
            }));
        });
        Some(before)
    }

    fn restore(before: &Termios, marks: bool) {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        if marks && stdout().is_terminal() {
            stdio::write(MARKS[0]);
        }
    }

    /// Takes what was typed and not read, the beginning of a line too.
    pub(crate) fn drain() -> Vec<u8> {
        let mut typed = Vec::new();
        // Input that is no terminal has nobody who types too early.
        let Ok(before) = tcgetattr(stdin()) else { return typed };
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        if tcsetattr(stdin(), OptionalActions::Now, &raw).is_ok() {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = rustix::io::read(stdin(), &mut bytes) {
                typed.extend_from_slice(&bytes[..read]);
            }
            // As it was, which was possible before.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
        }
        typed
    }
}

/// There nothing is hidden or set aside.
#[cfg(not(unix))]
mod terminal {
    use super::State;

    pub(crate) fn change(change: impl FnOnce(&mut State)) {
        change(&mut State::default());
    }

    pub(crate) fn drain() -> Vec<u8> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(text: &str, typed: bool) -> Stretch {
        Stretch { text: text.to_owned(), typed }
    }

    #[test]
    fn keys_become_text_and_pasted_text_stays_known_as_such() {
        assert_eq!(stretches(b"and\tthen\r\nmore\n"), [stretch("and then\n\nmore", true)]);
        assert_eq!(
            stretches("see \u{1b}[200~évil\u{1b}[201~!\u{1b}[A\u{1b}[1;5C\u{1b}Ox\n".as_bytes()),
            [stretch("see ", true), stretch("évil", false), stretch("!", true)]
        );
        let answered = b"a\x1bP1$r0m\x1b\\b\x1b]11;rgb:0/0/0\x07c\x1b_forged";
        assert_eq!(stretches(answered), [stretch("abc", true)]);
        assert_eq!(stretches(b"\n"), []);
        assert_eq!(stretches(b"\x1b"), []);
        assert_eq!(stretches(b"\x01a\x7f"), [stretch("a", true)]);
    }
}
