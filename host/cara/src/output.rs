//! All that the program shows: views for a person, or as JSON for a program,
//! and what is told beside them.

mod call_progress;

pub(crate) use call_progress::{CallProgress, FnEvent};
pub(crate) use cara_terminal::{columns, layout, show, stdio, when};

use anyhow::Result;
use serde::Serialize;

/// What a view looks like to a person.
pub(crate) trait Show {
    /// Prints the view.
    fn show(&self);
}

/// A word of the application, as JSON has it.
pub(crate) fn word(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).ok();
    json.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// How this process prints what commands give back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// As JSON.
    pub(crate) json: bool,
}

impl Output {
    /// Prints a view.
    pub(crate) fn emit(self, view: &(impl Show + Serialize)) -> Result<()> {
        self.print(view, || view.show())
    }

    /// Prints a view with these words for a person, which are said beside it.
    pub(crate) fn done(self, view: &impl Serialize, words: &str) -> Result<()> {
        self.print(view, || show::note(words))
    }

    /// Prints a view as JSON, or in another way for a person.
    pub(crate) fn print(self, view: &impl Serialize, person: impl FnOnce()) -> Result<()> {
        if self.json {
            layout::json(view)?;
        } else {
            person();
        }
        Ok(())
    }
}
