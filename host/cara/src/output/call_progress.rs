//! What is told while a use case goes on: notes, progress, messages.

use super::show;
use cara_control::{Event, Unit};
use cara_terminal::spinner::{Bar, Counted};

/// Hears of what happens while a use case goes on.
pub(crate) trait FnEvent {
    /// Something happened.
    fn event(&mut self, event: Event);
    /// A person is asked for something else meanwhile.
    fn pause(&mut self) {}
    /// Another process holds the home now, and the use case begins anew there.
    fn taken_over(&mut self) {
        self.event(Event::Note { text: "the process that held the home ended; going on".to_owned() });
    }
}

/// Shows notes and progress of a use case, on stderr.
#[derive(Default)]
pub(crate) struct CallProgress(Bar);

impl FnEvent for CallProgress {
    fn event(&mut self, event: Event) {
        match event {
            Event::Note { text } => {
                self.pause();
                show::note(&text);
            }
            Event::Progress(told) => {
                let counted = match told.unit {
                    Unit::Bytes => Counted::Bytes,
                    Unit::Components => Counted::Things,
                };
                self.0.set(&told.what, counted, told.done, told.of);
            }
            Event::Message { to, text } => show::message(&to, &text),
            Event::Ask { .. }
            | Event::Began { .. }
            | Event::Run { .. }
            | Event::Position { .. }
            | Event::Changed(_) => {}
        }
    }

    fn pause(&mut self) {
        self.0.clear();
    }
}
