//! The conversation on a terminal: editing, history, commands with `/`.

use crate::boot::Cara;
use crate::{choose, show};
use anyhow::Result;
use cara_assistant::{Conversation, ModelName, Provider};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Context, Editor, Helper, Highlighter, Hinter, Validator};
use std::path::Path;
use std::process::ExitCode;

/// The prompt.
const PROMPT: &str = "› ";

/// Lines of history that are kept.
const HISTORY: usize = 1000;

/// What can be typed at the prompt, and what it does.
const COMMANDS: [(&str, &str); 4] = [
    ("/help", "show this"),
    ("/new", "begin a new conversation"),
    ("/model", "show the model and what else is on offer; `/model provider:model` changes it"),
    ("/exit", "end; Ctrl-D does too. Ctrl-C stops an answer"),
];

/// Runs until `/exit` or the end of input.
pub(crate) async fn run(cara: &Cara, mut provider: Provider, mut conversation: Conversation) -> Result<ExitCode> {
    let empty = conversation.clone();
    let mut editor = editor(cara)?;
    show::note(&format!("cara {} · {} · /help shows the commands", env!("CARGO_PKG_VERSION"), full_name(&provider)));
    loop {
        let history = cara.home.history();
        let (back, read) = tokio::task::spawn_blocking(move || read_line(editor, &history)).await?;
        editor = back;
        let line = match read {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        let line = line.trim();
        match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
            ("", _) => {}
            ("/exit" | "/quit", _) => break,
            ("/help", _) => COMMANDS.iter().for_each(|(name, what)| show::line(&format!("  {name:8} {what}"))),
            ("/new", _) => {
                conversation = empty.clone();
                show::note("a new conversation");
            }
            ("/model", "") => models(&provider).await,
            ("/model", name) => match change(cara, name.trim()).await {
                Ok(changed) => {
                    provider = changed;
                    show::note(&format!("now {}", full_name(&provider)));
                }
                Err(error) => show::error(&error),
            },
            (command, _) if command.starts_with('/') => {
                show::note(&format!("`{command}` is no command; /help shows them"))
            }
            _ => turn(&provider, &mut conversation, line).await,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One turn; Ctrl-C ends it and nothing else.
async fn turn(provider: &Provider, conversation: &mut Conversation, text: &str) {
    let mut streaming = show::Streaming::new();
    let ended = tokio::select! {
        ended = conversation.turn(provider, text, |event| streaming.event(event)) => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    streaming.end_line();
    match ended {
        None => show::note("stopped; the conversation is as it was before"),
        Some(Err(failure)) => show::failure(&failure),
        Some(Ok(ending)) => match ending.stop {
            "length" => show::note("the answer was cut: it reached its longest length"),
            "refused" => show::note("the model declined to answer"),
            "tool-calls" => show::note("the model asked for a tool, and none is offered to it yet"),
            _ => {}
        },
    }
}

async fn change(cara: &Cara, name: &str) -> Result<Provider> {
    let name: ModelName = name.parse()?;
    choose::named(cara, &name, &[], "/model names it").await
}

async fn models(provider: &Provider) {
    show::line(&format!("  now {}", full_name(provider)));
    match provider.component.models(&provider.grants, &provider.services).await {
        Ok(returned) => match returned.answer {
            Ok(models) => models.iter().for_each(|model| {
                show::line(&format!("  {}:{}", provider.component.id(), cara_assistant::text::harmless(&model.id)));
            }),
            Err(error) => show::note(&error.message),
        },
        Err(fault) => show::note(&fault.to_string()),
    }
}

fn full_name(provider: &Provider) -> String {
    format!("{}:{}", provider.component.id(), provider.model)
}

type LineEditor = Editor<Commands, FileHistory>;

fn editor(cara: &Cara) -> Result<LineEditor> {
    let config = Config::builder().max_history_size(HISTORY)?.history_ignore_space(true).auto_add_history(true).build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Commands));
    let file = cara.home.history();
    // The first time there is no file yet.
    if editor.load_history(&file).is_err() {
        tracing::debug!("no history yet");
    }
    Ok(editor)
}

/// Reads a line on a blocking thread; the history file is written after each, so that nothing is lost at a crash.
fn read_line(mut editor: LineEditor, history: &Path) -> (LineEditor, rustyline::Result<String>) {
    let read = editor.readline(PROMPT);
    if read.is_ok()
        && let Err(error) = editor.append_history(history)
    {
        tracing::debug!(%error, "history could not be written");
    }
    (editor, read)
}

/// Completes commands.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Commands;

impl Completer for Commands {
    type Candidate = String;
    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..position];
        let names = COMMANDS.iter().map(|(name, _)| *name).filter(|name| !typed.is_empty() && name.starts_with(typed));
        Ok((0, names.map(str::to_owned).collect()))
    }
}
