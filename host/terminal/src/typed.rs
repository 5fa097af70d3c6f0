//! Which stretches of a line the person typed, and which came in another way.
//!
//! Only what comes in one character at a time is typed. What a terminal marks as pasted, what is yanked or undone, is not:
//! somebody else may have chosen the words. A line of the history is as it was when it was entered.

use crate::keyboard::Stretch;
use cara_assistant::Input;
use rustyline::{Cmd, ConditionalEventHandler, Event, EventContext, KeyCode, KeyEvent, Modifiers, RepeatCount};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What an editor calls before each key.
#[derive(Clone, Default)]
pub(crate) struct Typed(Arc<Mutex<Watched>>);

/// The line as it was at the last key.
#[derive(Default)]
struct Watched {
    line: Vec<char>,
    /// Whether each of its characters was typed.
    own: Vec<bool>,
    /// What comes next is pasted.
    pasting: bool,
    /// Whether there was any key: a pipe has none.
    keys: bool,
    /// Lines that were typed whole in this process.
    known: HashSet<String>,
}

impl Watched {
    fn becomes(&mut self, line: &str) {
        let line: Vec<char> = line.chars().collect();
        let pasted = std::mem::take(&mut self.pasting);
        if line == self.line {
            return;
        }
        if self.known.contains(&line.iter().collect::<String>()) {
            self.own = vec![true; line.len()];
            self.line = line;
            return;
        }
        let same = |(a, b): &(&char, &char)| a == b;
        let begin = line.iter().zip(&self.line).take_while(same).count();
        let most = line.len().min(self.line.len()) - begin;
        let end = line.iter().rev().zip(self.line.iter().rev()).take_while(same).count().min(most);
        let new = line.len() - begin - end;
        let typed = new == 1 && !pasted;
        self.own.splice(begin..self.line.len() - end, std::iter::repeat_n(typed, new));
        self.line = line;
    }
}

impl ConditionalEventHandler for Typed {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.becomes(context.line());
        watched.keys = true;
        watched.pasting = event.get(0) == Some(&KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE));
        None
    }
}

impl Typed {
    /// The line begins with what was typed ahead of it.
    pub(crate) fn begin(&self, ahead: &[Stretch]) {
        if ahead.is_empty() {
            return;
        }
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.keys = true;
        watched.line = ahead.iter().flat_map(|stretch| stretch.text.chars()).collect();
        watched.own = ahead.iter().flat_map(|stretch| stretch.text.chars().map(|_| stretch.typed)).collect();
    }

    /// What was read, each stretch with whose words it has. `terminal`: a person sits there, also when it tells of no
    /// keys, as simple terminals do not; what comes through a pipe is a file's.
    pub(crate) fn take(&self, line: &str, terminal: bool) -> Input {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.keys {
            watched.becomes(line);
        } else {
            watched.own = vec![terminal; line.chars().count()];
        }
        let own = std::mem::take(&mut watched.own);
        (watched.line, watched.pasting, watched.keys) = (Vec::new(), false, false);
        let mut stretches: Vec<(bool, String)> = Vec::new();
        for (own, letter) in own.into_iter().zip(line.chars()) {
            match stretches.last_mut() {
                Some((last, text)) if *last == own => text.push(letter),
                _ => stretches.push((own, letter.to_string())),
            }
        }
        if stretches.iter().all(|(own, _)| *own) {
            watched.known.insert(line.to_owned());
        }
        stretches.into_iter().fold(Input::default(), |input, (own, text)| match own {
            true => input.and_typed(text),
            false if terminal => input.and_pasted(text),
            false => input.and_file(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line after each key; `^` before one that the terminal marked as pasted.
    fn entered(typed: &Typed, lines: &[&str]) -> Input {
        for line in lines {
            let mut watched = typed.0.lock().unwrap_or_else(PoisonError::into_inner);
            watched.pasting = line.starts_with('^');
            watched.becomes(line.trim_start_matches('^'));
            watched.keys = true;
        }
        typed.take(lines.last().unwrap_or(&"").trim_start_matches('^'), true)
    }

    #[test]
    fn what_comes_in_one_by_one_is_typed_and_all_else_is_pasted() {
        let typed = Typed::default();
        assert_eq!(entered(&typed, &["h", "hi", "h", "ho"]), Input::typed("ho"));
        assert_eq!(
            entered(&typed, &["a", "a:", "^a:evil", "a:evil!"]),
            Input::typed("a:").and_pasted("evil").and_typed("!")
        );
        // One pasted letter is pasted; a change within a pasted stretch does not make the rest of it typed.
        assert_eq!(entered(&typed, &["^x"]), Input::pasted("x"));
        let within = Input::pasted("ev").and_typed("1").and_pasted("l");
        assert_eq!(entered(&typed, &["^evil", "ev1il", "ev1l"]), within);
    }

    #[test]
    fn what_was_typed_ahead_is_typed_and_what_was_pasted_ahead_is_not() {
        let typed = Typed::default();
        let stretch = |text: &str, typed| Stretch { text: text.to_owned(), typed };
        typed.begin(&[stretch("see ", true), stretch("evil", false)]);
        assert_eq!(entered(&typed, &["see evil", "see evil!"]), Input::typed("see ").and_pasted("evil").and_typed("!"));
        typed.begin(&[stretch("go on", true)]);
        assert_eq!(typed.take("go on", true), Input::typed("go on"));
    }

    #[test]
    fn a_line_of_the_history_is_as_it_was_entered() {
        let typed = Typed::default();
        entered(&typed, &["o", "ok"]);
        entered(&typed, &["^send it"]);
        assert_eq!(entered(&typed, &["ok"]), Input::typed("ok"));
        assert_eq!(entered(&typed, &["send it"]), Input::pasted("send it"));
    }

    #[test]
    fn a_pipe_is_a_file_and_a_terminal_without_keys_a_person() {
        let typed = Typed::default();
        assert_eq!(typed.take("send it", false), Input::file("send it"));
        assert_eq!(typed.take("send it", true), Input::typed("send it"));
    }
}
