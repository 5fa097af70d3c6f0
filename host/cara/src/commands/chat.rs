//! `cara chat`: one answer with `--message` or a pipe, else the conversation
//! in `repl`.

mod asking;
mod conversation;
mod repl;

use crate::cli::Chat;
use crate::door::Door;
use crate::output::{Output, show, stdio};
use anyhow::{Context, Result, bail};
use cara_assistant::Input;
use cara_control::chat::{OpenChat, OpenedChat};
use cara_control::environment::Variables;
use cara_control::runs::{Ended, LONGEST, Respondent};
use cara_terminal::keyboard::Keyboard;
use cara_terminal::streaming::{Streaming, lock};
use conversation::{Conversation, print, remark};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Exit code of a turn ended by Ctrl-C (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Exit code of a turn that ended because nobody reads the answer (128 + SIGPIPE).
const UNREAD: u8 = 141;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, chat: Chat) -> Result<ExitCode> {
    let piped = piped(chat.message.as_deref())?;
    let message = message(chat.message.as_deref(), piped, chat.mine)?;
    if output.json && message.is_none() {
        bail!("`--json` prints the events of one answer\nhint: add `--message TEXT`");
    }
    let keyboard = if message.is_some() { Keyboard::of_message() } else { Keyboard::of_conversation() };
    // What is typed while components are prepared is for the first message.
    let preparing = message.is_none().then(|| keyboard.turn());
    let opened = tokio::select! {
        opened = open(door, &chat) => opened?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    drop(preparing);
    let (settings, environment, opened) = opened;
    let OpenedChat { model, context_tokens, agent, tools, vault_is_locked, session } = opened;
    if vault_is_locked {
        door.open_vault().await?;
    }
    let (agent, system) = (Some(agent), chat.system.clone());
    let (no_tools, unattended) = (chat.no_tools, chat.unattended);
    let by = Respondent { model, settings, environment, agent, system, no_tools, unattended };
    let mut talk = Conversation {
        door,
        by,
        context_tokens,
        session: session.as_ref().map(|session| session.id.clone()),
        seen: session.as_ref().map(|session| session.label.clone()).unwrap_or_default(),
        attached: Vec::new(),
        compact: false,
        keyboard,
        json: output.json,
    };
    for path in &chat.attach {
        talk.attach(Path::new(path))?;
    }
    if let Some(session) = &session {
        talk.take_up(session, message.is_none()).await?;
    }
    match message {
        Some(input) => once(&mut talk, input).await,
        None => repl::run(talk, &tools, chat.mine).await,
    }
}

/// Opens a conversation as the command line has it, with the settings and the environment it was opened with.
async fn open(door: &Door, chat: &Chat) -> Result<(BTreeMap<String, String>, Variables, OpenedChat)> {
    let (settings, environment) = (chat.provider.settings()?, door.environment().await?);
    let open = OpenChat {
        model: chat.provider.named(),
        in_place_of: None,
        settings: settings.clone(),
        environment: environment.clone(),
        agent: chat.agent.clone(),
        session: chat.session.as_ref().map(ToString::to_string),
        last: chat.r#continue,
        tools: chat.tools.iter().map(ToString::to_string).collect(),
        no_tools: chat.no_tools,
    };
    Ok((settings, environment, door.call(open).await?))
}

/// What came through a pipe, where that is a message or a part of one.
fn piped(message: Option<&str>) -> Result<Option<String>> {
    if std::io::stdin().is_terminal() {
        return if message == Some("-") { read_stdin().map(Some) } else { Ok(None) };
    }
    read_stdin().map(|text| Some(text).filter(|text| !text.trim().is_empty()))
}

fn read_stdin() -> Result<String> {
    let mut read = String::new();
    let most = LONGEST as u64;
    std::io::stdin().take(most + 1).read_to_string(&mut read).context("the message on stdin is not text")?;
    if read.len() > LONGEST {
        bail!("the message on stdin is over {LONGEST} bytes\nhint: attach it as a file: `--attach FILE`");
    }
    Ok(read)
}

/// The one message of the command line. What comes through a pipe is a file's, unless the person says that the words are
/// theirs.
fn message(text: Option<&str>, piped: Option<String>, mine: bool) -> Result<Option<Input>> {
    let asked = text.is_some();
    let text = text.filter(|text| *text != "-");
    let input = match (text, piped) {
        (Some(text), Some(piped)) => Input::typed(format!("{text}\n\n")).and_file(piped),
        (Some(text), None) => Input::typed(text),
        (None, Some(piped)) => Input::file(piped),
        (None, None) if std::io::stdin().is_terminal() => return Ok(None),
        (None, None) if asked => Input::default(),
        (None, None) => bail!(
            "stdin is no terminal, and no message came through it\nhint: `cara chat -m TEXT` asks once and prints the answer"
        ),
    };
    if input.words().trim().is_empty() {
        bail!("the message is empty\nhint: say what the model should do");
    }
    Ok(Some(if mine { input.endorsed() } else { input }))
}

async fn once(talk: &mut Conversation<'_>, input: Input) -> Result<ExitCode> {
    let streaming = Arc::new(Mutex::new(Streaming::new(&talk.by.model)));
    let ended = talk.turn(&input, &streaming).await?;
    if talk.json {
        print(&ended);
    } else {
        lock(&streaming).end();
    }
    let said = lock(&streaming).has_said();
    match ended {
        Ended::Done(ending) => {
            let remark = remark(&ending, said);
            if let Some(what) = remark.filter(|_| !talk.json) {
                show::note(what);
            }
            // A cut answer is one; the others are none.
            let answered = said && ending.stop != "refused";
            Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Ended::Error(failure) if failure.kind == "cancelled" => {
            Ok(ExitCode::from(if stdio::is_lost() { UNREAD } else { INTERRUPTED }))
        }
        Ended::Error(failure) => {
            if !talk.json {
                show::failure(&failure);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
