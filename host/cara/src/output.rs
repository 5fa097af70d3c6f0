//! All that the program shows: on the standard streams, as text for a person
//! or as JSON for a program.

mod flow;
pub(crate) mod layout;
pub(crate) mod show;
mod spinner;
pub(crate) mod stdio;
pub(crate) mod streaming;
mod table;
pub(crate) mod when;

use anyhow::Result;
use serde::Serialize;

/// What a view looks like to a person.
pub(crate) trait Show {
    /// Prints it.
    fn show(&self);
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
        if self.json {
            layout::json(view)
        } else {
            view.show();
            Ok(())
        }
    }

    /// Prints a view with these words for a person, which are said beside it.
    pub(crate) fn done(self, view: &impl Serialize, words: &str) -> Result<()> {
        if self.json {
            layout::json(view)
        } else {
            show::note(words);
            Ok(())
        }
    }
}
