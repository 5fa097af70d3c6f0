//! The editor that a person named in `VISUAL` or `EDITOR`, opened on a file.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Why a file was not edited.
#[derive(Debug, thiserror::Error)]
pub enum ExternalEditorError {
    /// No editor is named.
    #[error("no editor is named\nhint: set `EDITOR`, for example to `nano`")]
    None,
    /// The editor cannot be started.
    #[error("the editor `{editor}` cannot be started: {source}\nhint: `EDITOR` names another one")]
    Start {
        /// What `EDITOR` says.
        editor: String,
        /// Why.
        source: io::Error,
    },
    /// The editor failed, so what it left is not used.
    #[error("the editor `{editor}` ended with {status}, so nothing was changed\nhint: `EDITOR` names another one")]
    Failed {
        /// What `EDITOR` says.
        editor: String,
        /// How it ended.
        status: ExitStatus,
    },
}

/// Opens the person's editor on a file, and waits until it ends.
///
/// # Errors
///
/// No editor is named, it cannot be started, or it failed.
pub fn open(path: &Path) -> Result<(), ExternalEditorError> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.map(|editor| editor.trim().to_owned()).find(|editor| !editor.is_empty());
    let editor = editor.ok_or(ExternalEditorError::None)?;
    match command(&editor).arg(path).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(ExternalEditorError::Failed { editor, status }),
        Err(source) => Err(ExternalEditorError::Start { editor, source }),
    }
}

/// The editor with its arguments, as shells take it: `code --wait`.
fn command(editor: &str) -> Command {
    if cfg!(windows) {
        let mut words = editor.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        return command;
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{editor} \"$1\""), "sh"]);
    command
}
