//! The line editor of a conversation: editing, history, completion of
//! commands, and whose words a line has.

use crate::columns::{Width, wrap};
use crate::keyboard::Stretch;
use crate::show::{self, joined};
use crate::typed::Typed;
use cara_assistant::Input;
use cara_assistant::text::harmless;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Config, Context, Editor, Event, EventHandler, ExternalPrinter, Helper, Highlighter, Hinter, Validator,
};
use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

/// Lines of history that are kept.
const HISTORY: usize = 1000;

/// Why no line can be read.
#[derive(Debug, thiserror::Error)]
#[error("no line can be read from the terminal")]
pub struct EditorError(#[from] ReadlineError);

/// What a person did at the prompt.
pub enum Entered {
    /// A line: as it was typed, and each stretch of it with whose words it has.
    Line(String, Input),
    /// Ctrl-C: the line is given up.
    Interrupted,
    /// Ctrl-D, or the end of a pipe.
    End,
}

/// What was typed before, in a file that anybody with the account can read: no line that holds a secret is kept.
pub struct History {
    /// The file.
    pub file: PathBuf,
    /// Whether a line may be kept.
    pub keeps: Box<dyn Fn(&str) -> bool + Send>,
}

/// The editor; it reads on a blocking thread.
pub struct LineEditor {
    editor: Editor<Commands, FileHistory>,
    typed: Typed,
    history: History,
}

impl LineEditor {
    /// An editor that knows these commands, and what was typed before.
    ///
    /// # Errors
    ///
    /// The terminal cannot be used, or the history cannot be written.
    pub fn open(commands: Vec<&'static str>, history: History) -> Result<Self, EditorError> {
        let config = Config::builder().max_history_size(HISTORY)?.history_ignore_space(true).build();
        let mut editor = Editor::with_config(config)?;
        let typed = Typed::default();
        editor.set_helper(Some(Commands(commands)));
        editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(typed.clone())));
        // The first time there is no file yet.
        if editor.load_history(&history.file).is_err() {
            tracing::debug!("no history yet");
        }
        let lines: Vec<String> = editor.history().iter().cloned().collect();
        // What earlier versions kept.
        if lines.iter().any(|line| !(history.keeps)(line)) {
            editor.clear_history()?;
            for line in lines.iter().filter(|line| (history.keeps)(line)) {
                editor.add_history_entry(line)?;
            }
            editor.save_history(&history.file)?;
        }
        Ok(Self { editor, typed, history })
    }

    /// A way to say something while a line is typed.
    pub fn above(&mut self) -> Above {
        let printer = self.editor.create_external_printer().ok();
        Above(printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>))
    }

    /// Reads a line, which begins with what was typed ahead of it; the history file is written after each, so that nothing
    /// is lost at a crash.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub fn read(&mut self, prompt: &str, ahead: &[Stretch]) -> Result<Entered, EditorError> {
        self.typed.begin(ahead);
        let ahead: String = ahead.iter().map(|stretch| stretch.text.as_str()).collect();
        match self.editor.readline_with_initial(prompt, (&ahead, "")) {
            Ok(line) => {
                self.keep(&line);
                let input = self.typed.take(&line, stdin().is_terminal());
                Ok(Entered::Line(line, input))
            }
            Err(ReadlineError::Interrupted) => Ok(Entered::Interrupted),
            Err(ReadlineError::Eof) => Ok(Entered::End),
            Err(error) => Err(error.into()),
        }
    }

    fn keep(&mut self, line: &str) {
        if !(self.history.keeps)(line) {
            show::note("this line looks as if it holds a secret: it is not kept in the history");
            return;
        }
        let written = self.editor.add_history_entry(line).and_then(|_| self.editor.append_history(&self.history.file));
        if let Err(error) = written {
            tracing::debug!(%error, "history could not be written");
        }
    }
}

/// What is said above the line that is typed.
pub struct Above(Option<Box<dyn ExternalPrinter + Send>>);

impl Above {
    /// Says a sentence.
    pub fn note(&mut self, text: &str) {
        let lines = joined(&wrap(&harmless(text), Width::of_output().get()));
        let printed = self.0.as_mut().is_some_and(|above| above.print(format!("{lines}\n")).is_ok());
        if !printed {
            show::note(text);
        }
    }
}

/// Completes commands.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Commands(Vec<&'static str>);

impl Completer for Commands {
    type Candidate = String;
    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..position];
        let names = self.0.iter().filter(|name| !typed.is_empty() && name.starts_with(typed));
        Ok((0, names.map(ToString::to_string).collect()))
    }
}
