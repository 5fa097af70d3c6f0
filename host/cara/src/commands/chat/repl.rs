//! The conversation on a terminal: editing, history, commands with `/`.

use super::conversation::{Conversation, remark};
use crate::commands::usage;
use crate::output::{Show, layout, show};
use anyhow::{Result, anyhow};
use cara_assistant::Input;
use cara_assistant::text::{harmless, without_secrets};
use cara_control::approvals::{ListApprovals, Place, RespondToApproval, Verdict};
use cara_control::chat::OpenChat;
use cara_control::explain::ExplainRun;
use cara_control::models::ListModels;
use cara_control::runs::{Ended, Respondent};
use cara_control::status::ShowStatus;
use cara_control::tools::ListOfferedTools;
use cara_control::{Event, HomeFiles};
use cara_terminal::editor::{Entered, History, LineEditor};
use cara_terminal::streaming::{Streaming, lock};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The prompt.
const PROMPT: &str = "› ";

/// What can be typed at the prompt, and what it does.
const COMMANDS: [(&str, &str); 13] = [
    ("/help", "show this"),
    ("/new", "begin a new conversation"),
    ("/model", "show the model and what else is on offer; `/model provider:model` changes it"),
    ("/tools", "show the tools, with what each may do"),
    ("/attach", "`/attach FILE`: attach a file to the next message"),
    ("/mine", "`/mine WORDS`: send words of which all are yours, pasted ones too; alone: so is the next message"),
    ("/expand", "show the results of the last answer's tools whole"),
    ("/approve", "what waits for an answer; `/approve ID`, `/approve ID no [reason]`"),
    ("/explain", "what the last answer saw, what was decided by which rule, and what it did"),
    ("/status", "what the process does that this conversation runs in"),
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

/// Runs until `/exit` or the end of input, and tells what happens to the home while nothing is asked.
pub(crate) async fn run(talk: Conversation<'_>, tools: &[String], mine: bool) -> Result<ExitCode> {
    let (sender, heard) = unbounded_channel();
    let door = talk.door;
    tokio::select! {
        code = converse(talk, tools, mine, heard) => code,
        () = door.follow_home(sender) => Ok(ExitCode::FAILURE),
    }
}

async fn converse(
    mut talk: Conversation<'_>,
    tools: &[String],
    mine: bool,
    mut heard: UnboundedReceiver<Event>,
) -> Result<ExitCode> {
    let mut editor = editor(&talk)?;
    let mut above = editor.above();
    // While the person types.
    std::thread::spawn(cara_assistant::guards::prepare);
    let mut last = Last::default();
    show::note(&format!("cara {} · {} · /help shows the commands", env!("CARGO_PKG_VERSION"), talk.by.model));
    if !tools.is_empty() {
        show::note(&format!("tools: {} · `cara tools list` shows more", tools.join(", ")));
    }
    loop {
        let (prompt, ahead) = (prompt(&talk), talk.keyboard.take());
        // What an answer was told with is not told again.
        while heard.try_recv().is_ok() {}
        let mut reading = tokio::task::spawn_blocking(move || {
            let read = editor.read(&prompt, &ahead);
            (editor, read)
        });
        let (back, read) = loop {
            tokio::select! {
                read = &mut reading => break read?,
                Some(event) = heard.recv() => if let Event::Note { text } = event { above.note(&text) },
            }
        };
        editor = back;
        let (line, mut input) = match read? {
            Entered::Line(line, input) => (line, input),
            Entered::Interrupted => continue,
            Entered::End => break,
        };
        if mine {
            input = input.endorsed();
        }
        let line = line.trim();
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if matches!(command, "/exit" | "/quit") {
            break;
        }
        if let Err(error) = obey(&mut talk, &mut last, command, rest.trim(), input).await {
            show::error(error.as_ref());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the conversation has seen stands before the prompt once it matters.
fn prompt(talk: &Conversation<'_>) -> String {
    let seen = &talk.seen;
    if seen.is_untrusted() || seen.is_private() { format!("[{seen}] {PROMPT}") } else { PROMPT.to_owned() }
}

async fn obey(talk: &mut Conversation<'_>, last: &mut Last, command: &str, rest: &str, input: Input) -> Result<()> {
    match command {
        "" => {}
        "/help" => COMMANDS.iter().for_each(|(name, what)| layout::hang(&format!("  {name:9} "), what)),
        "/new" => {
            talk.seen = Default::default();
            match talk.session.take() {
                Some(old) => {
                    show::note(&format!("a new conversation; `cara chat --session {old}` goes on with the old one"))
                }
                None => show::note("a new conversation"),
            }
        }
        "/model" if rest.is_empty() => models(talk).await,
        "/model" => {
            let opened = talk.door.call(OpenChat::with_model(rest, &talk.by)).await?;
            talk.context_tokens = opened.context_tokens;
            talk.by.turn_to(opened.model);
            show::note(&format!("now {}", talk.by.model));
        }
        "/tools" => tools(talk).await?,
        "/status" => talk.door.call(ShowStatus {}).await?.show(),
        "/attach" => {
            let name = talk.attach(Path::new(rest))?;
            show::note(&format!("`{name}` goes with the next message"));
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
            let run = id.ok_or_else(|| anyhow!("there is no answer to explain yet"))?;
            talk.door.call(ExplainRun { run }).await?.show();
        }
        "/usage" => usage::of_session(talk.door, talk.session.as_deref(), talk.context_tokens).await?,
        "/compact" if talk.session.is_some() => {
            talk.compact = true;
            show::note("the conversation is summed up before the next answer");
        }
        "/compact" => show::note("nothing was said yet"),
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
async fn turn(talk: &mut Conversation<'_>, last: &mut Last, input: Input) -> Result<()> {
    let streaming = Arc::new(Mutex::new(Streaming::new(&talk.by.model)));
    let ended = talk.turn(&input, &streaming).await?;
    let mut streaming = lock(&streaming);
    streaming.end();
    last.results = streaming.results().to_vec();
    match ended {
        Ended::Error(failure) if failure.kind == "cancelled" => show::note("stopped"),
        Ended::Error(failure) => show::failure(&failure),
        Ended::Done(ending) => {
            if let Some(what) = remark(&ending, streaming.has_said()) {
                show::note(what);
            }
            last.run = Some(ending.run);
        }
    }
    Ok(())
}

async fn tools(talk: &Conversation<'_>) -> Result<()> {
    let Respondent { environment, no_tools, .. } = talk.by.clone();
    for offered in talk.door.call(ListOfferedTools { environment, no_tools }).await? {
        let effects = if offered.effects.is_empty() { "computes".to_owned() } else { offered.effects.join(", ") };
        show::line(&format!("  {:22} {:12} {effects}", offered.tool, offered.component));
    }
    let more =
        if no_tools { "no tools: `--no-tools` was said" } else { "`cara tools enable COMPONENT` switches more on" };
    show::note(more);
    Ok(())
}

/// `/approve`, `/approve ID`, `/approve ID no reason`.
async fn approve(talk: &Conversation<'_>, rest: &str) -> Result<()> {
    let (id, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if id.is_empty() {
        let waiting = talk.door.call(ListApprovals {}).await?;
        if waiting.is_empty() {
            show::note("nothing waits for an answer");
        }
        for request in waiting {
            let what = request.asked.map(|asked| format!("{} {}", asked.tool, asked.arguments));
            show::line(&harmless(&format!("  {}  {}", request.id, what.unwrap_or_default())));
        }
        return Ok(());
    }
    let (verdict, reason) = match rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), "")) {
        ("" | "yes" | "y", _) => (Verdict::Once, None),
        ("always", _) => (Verdict::Always, None),
        ("no" | "n", reason) => (Verdict::Deny, Some(reason.to_owned()).filter(|reason| !reason.is_empty())),
        _ => anyhow::bail!("write `/approve {id}`, `/approve {id} always` or `/approve {id} no REASON`"),
    };
    talk.door.call(RespondToApproval { id: id.to_owned(), verdict, reason, by: Place::Chat }).await?;
    show::note(&format!("answered {id}"));
    Ok(())
}

async fn models(talk: &Conversation<'_>) {
    show::line(&format!("  now {}", talk.by.model));
    let Respondent { model, settings, environment, .. } = talk.by.clone();
    let list = ListModels { model: Some(model), settings, environment };
    match talk.door.call(list).await {
        Ok(models) => models.iter().for_each(|model| show::line(&format!("  {}", harmless(&model.model)))),
        Err(error) => show::error(error.as_ref()),
    }
}

/// The editor of the prompt, with what was typed before.
fn editor(talk: &Conversation<'_>) -> Result<LineEditor> {
    let surroundings = talk.door.surroundings();
    let known = surroundings.known.clone();
    let keeps = Box::new(move |line: &str| without_secrets(&known, line) == line);
    let history = History { file: surroundings.home.history(), keeps };
    Ok(LineEditor::open(COMMANDS.iter().map(|(name, _)| *name).collect(), history)?)
}
