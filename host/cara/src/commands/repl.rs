//! The conversation on a terminal: editing, history, commands with `/`.

use super::chat::{Talk, lock, remark, without_secrets};
use super::typed::Typed;
use crate::assemble;
use crate::boot::Cara;
use crate::places::Places;
use crate::{choose, show};
use anyhow::{Result, anyhow};
use cara_assistant::approvals::answer_request;
use cara_assistant::explain::{asked, explain};
use cara_assistant::text::harmless;
use cara_assistant::{Answer, Input, ModelName};
use cara_authority::ApprovalId;
use cara_services::egress::KnownSecrets;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Context, Editor, Event, EventHandler, Helper, Highlighter, Hinter, Validator};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// The prompt.
const PROMPT: &str = "› ";

/// Lines of history that are kept.
const HISTORY: usize = 1000;

/// What can be typed at the prompt, and what it does.
const COMMANDS: [(&str, &str); 12] = [
    ("/help", "show this"),
    ("/new", "begin a new conversation"),
    ("/model", "show the model and what else is on offer; `/model provider:model` changes it"),
    ("/tools", "show the tools, with what each may do"),
    ("/attach", "`/attach FILE`: attach a file to the next message"),
    ("/mine", "`/mine WORDS`: send words of which all are yours, pasted ones too; alone: so is the next message"),
    ("/expand", "show the results of the last answer's tools whole"),
    ("/approve", "what waits for an answer; `/approve ID`, `/approve ID no [reason]`"),
    ("/explain", "what the last answer saw, what was decided by which rule, and what it did"),
    ("/usage", "tokens and money of this conversation and of today"),
    ("/compact", "sum up the conversation before the next answer"),
    ("/exit", "end; Ctrl-D does too. Ctrl-C stops an answer"),
];

/// What the last turn left to be looked at.
#[derive(Default)]
struct Last {
    run: Option<String>,
    results: Vec<(String, String)>,
    /// Whether the person said that all of the next message is theirs.
    mine: bool,
}

/// Runs until `/exit` or the end of input.
pub(crate) async fn run(cara: &Cara, mut talk: Talk, mine: bool) -> Result<ExitCode> {
    let typed = Typed::default();
    let mut editor = editor(cara, typed.clone())?;
    // While the person types.
    std::thread::spawn(cara_assistant::guards::prepare);
    let mut last = Last::default();
    show::note(&format!("cara {} · {} · /help shows the commands", env!("CARGO_PKG_VERSION"), full_name(&talk)));
    assemble::say_tools(cara, &talk.assistant).await?;
    loop {
        let (history, prompt) = (History::of(cara), prompt(&talk));
        let (back, read) = tokio::task::spawn_blocking(move || read_line(editor, &history, &prompt)).await?;
        editor = back;
        let line = match read {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        let mut input = typed.take(&line, std::io::stdin().is_terminal());
        if mine {
            input = input.endorsed();
        }
        let line = line.trim();
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if matches!(command, "/exit" | "/quit") {
            break;
        }
        if let Err(error) = obey(cara, &mut talk, &mut last, command, rest.trim(), input).await {
            show::error(&error);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the conversation has seen stands before the prompt once it matters.
fn prompt(talk: &Talk) -> String {
    let seen = talk.session.as_ref().map(|session| session.seen()).unwrap_or_default();
    if seen.is_untrusted() || seen.is_private() { format!("[{seen}] {PROMPT}") } else { PROMPT.to_owned() }
}

async fn obey(cara: &Cara, talk: &mut Talk, last: &mut Last, command: &str, rest: &str, input: Input) -> Result<()> {
    match command {
        "" => {}
        "/help" => COMMANDS.iter().for_each(|(name, what)| show::line(&format!("  {name:9} {what}"))),
        "/new" => {
            talk.session = None;
            show::note("a new conversation");
        }
        "/model" if rest.is_empty() => models(talk).await,
        "/model" => {
            let name: ModelName = rest.parse()?;
            talk.language_model = Arc::new(choose::named(cara, &name, &[], "/model names it").await?);
            show::note(&format!("now {}", full_name(talk)));
        }
        "/tools" => tools(talk).await?,
        "/attach" => {
            let id = talk.attach(Path::new(rest)).await?;
            show::note(&format!("attached as {id}; it goes with the next message"));
        }
        "/mine" if rest.is_empty() => {
            last.mine = true;
            show::note("all words of the next message count as yours");
        }
        "/mine" => turn(talk, last, Input::typed(rest)).await?,
        "/expand" => {
            for (name, text) in &last.results {
                show::line(&harmless(&format!("◂ {name}\n{text}")));
            }
        }
        "/approve" => approve(talk, rest).await?,
        "/explain" => {
            let id = if rest.is_empty() { last.run.clone() } else { Some(rest.to_owned()) };
            let id = id.ok_or_else(|| anyhow::anyhow!("there is no answer to explain yet"))?;
            match explain(&talk.assistant.records, &cara_authority::RunId::parse(&id)?).await? {
                Some(explained) => super::explain::print(&explained),
                None => show::note(&format!("there is no run `{id}`")),
            }
        }
        "/usage" => super::usage::of_session(cara, talk.session.as_ref(), &*talk.language_model).await?,
        "/compact" => match &mut talk.session {
            Some(session) => {
                session.compact();
                show::note("the conversation is summed up before the next answer");
            }
            None => show::note("nothing was said yet"),
        },
        command if command.starts_with('/') => show::note(&format!("`{command}` is no command; /help shows them")),
        _ => {
            let mine = std::mem::take(&mut last.mine);
            if !mine && !input.is_own() {
                show::note(
                    "what was not typed counts as a file's, not as yours; `/mine WORDS` says that all of them are yours",
                );
            }
            turn(talk, last, if mine { input.endorsed() } else { input }).await?;
        }
    }
    Ok(())
}

/// One turn; Ctrl-C ends it and nothing else.
async fn turn(talk: &mut Talk, last: &mut Last, input: Input) -> Result<()> {
    let streaming = Arc::new(Mutex::new(show::Streaming::new()));
    let ended = talk.turn(input, &streaming, false).await?;
    let mut streaming = lock(&streaming);
    streaming.end();
    last.results = streaming.results().to_vec();
    match ended {
        Err(failure) if failure.kind == "cancelled" => show::note("stopped"),
        Err(failure) => show::failure(&failure),
        Ok(ending) => {
            if let Some(what) = remark(&ending, streaming.has_said()) {
                show::note(what);
            }
            last.run = Some(ending.run);
        }
    }
    Ok(())
}

async fn tools(talk: &Talk) -> Result<()> {
    let toolbox = talk.assistant.tools.now().await.map_err(|failure| anyhow!("{failure}"))?;
    for (name, offered) in toolbox.all() {
        let effects: Vec<&str> = offered.effects.iter().map(|effect| effect.name()).collect();
        let effects = if effects.is_empty() { "computes".to_owned() } else { effects.join(", ") };
        show::line(&format!("  {:22} {:12} {effects}", name.as_str(), offered.component.id().as_str()));
    }
    show::note("`cara tools enable COMPONENT` switches more on");
    Ok(())
}

/// `/approve`, `/approve ID`, `/approve ID no reason`.
async fn approve(talk: &Talk, rest: &str) -> Result<()> {
    let records = &talk.assistant.records;
    let (id, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if id.is_empty() {
        let waiting = records.waiting_approvals().await?;
        if waiting.is_empty() {
            show::note("nothing waits for an answer");
        }
        for approval in waiting {
            let what = asked(approval.shown).map(|asked| format!("{} {}", asked.tool, asked.arguments));
            show::line(&harmless(&format!("  {}  {}", approval.id, what.unwrap_or_default())));
        }
        return Ok(());
    }
    let id = ApprovalId::parse(id)?;
    let Some(approval) = records.approval(&id).await? else { anyhow::bail!("there is no approval `{id}`") };
    let shown = asked(approval.shown).ok_or_else(|| anyhow::anyhow!("approval `{id}` cannot be read"))?;
    let answer = match rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), "")) {
        ("" | "yes" | "y", _) => Answer::Once,
        ("always", _) => Answer::Always,
        ("no" | "n", reason) => Answer::No(Some(reason.to_owned()).filter(|reason| !reason.is_empty())),
        _ => anyhow::bail!("write `/approve {id}`, `/approve {id} always` or `/approve {id} no REASON`"),
    };
    answer_request(records, &id, &shown, &approval.person, &answer, "chat").await?;
    show::note(&format!("answered {id}"));
    Ok(())
}

async fn models(talk: &Talk) {
    show::line(&format!("  now {}", full_name(talk)));
    match talk.language_model.models().await {
        Ok(models) => models.iter().for_each(|model| {
            show::line(&format!("  {}:{}", talk.language_model.component(), harmless(&model.id)));
        }),
        Err(failure) => show::note(&failure.message),
    }
}

fn full_name(talk: &Talk) -> String {
    format!("{}:{}", talk.language_model.component(), talk.language_model.model())
}

type LineEditor = Editor<Commands, FileHistory>;

/// What was typed before, in a file that anybody with the account can read: no line that holds a secret is kept.
struct History {
    file: PathBuf,
    known: KnownSecrets,
}

impl History {
    fn of(cara: &Cara) -> Self {
        Self { file: cara.home.history(), known: cara.services.known.clone() }
    }

    fn keeps(&self, line: &str) -> bool {
        without_secrets(&self.known, line) == line
    }
}

fn editor(cara: &Cara, typed: Typed) -> Result<LineEditor> {
    let config = Config::builder().max_history_size(HISTORY)?.history_ignore_space(true).build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Commands));
    editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(typed)));
    let history = History::of(cara);
    // The first time there is no file yet.
    if editor.load_history(&history.file).is_err() {
        tracing::debug!("no history yet");
    }
    let lines: Vec<String> = editor.history().iter().cloned().collect();
    // What earlier versions kept.
    if lines.iter().any(|line| !history.keeps(line)) {
        editor.clear_history()?;
        for line in lines.iter().filter(|line| history.keeps(line)) {
            editor.add_history_entry(line)?;
        }
        editor.save_history(&history.file)?;
    }
    Ok(editor)
}

/// Reads a line on a blocking thread; the history file is written after each, so that nothing is lost at a crash.
fn read_line(mut editor: LineEditor, history: &History, prompt: &str) -> (LineEditor, rustyline::Result<String>) {
    let read = editor.readline(prompt);
    if let Ok(line) = &read {
        let written = match history.keeps(line) {
            true => editor.add_history_entry(line).and_then(|_| editor.append_history(&history.file)),
            false => {
                show::note("this line looks as if it holds a secret: it is not kept in the history");
                Ok(())
            }
        };
        if let Err(error) = written {
            tracing::debug!(%error, "history could not be written");
        }
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
