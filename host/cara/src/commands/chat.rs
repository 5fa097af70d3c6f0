//! `cara chat`: one answer with `--message`, else the conversation in `repl`.

use super::repl;
use crate::boot::Cara;
use crate::cli::Chat;
use crate::{choose, show};
use anyhow::{Context, Result, bail};
use cara_assistant::{Conversation, Ending, Failure, Provider, TurnEvent};
use serde::Serialize;
use std::io::Read;
use std::process::ExitCode;

/// The longest message, bytes.
const LONGEST: u64 = 1024 * 1024;

/// Exit code of a turn ended by Ctrl-C (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, chat: Chat) -> Result<ExitCode> {
    let provider = choose::provider(cara, &chat.provider).await?;
    let system = chat.system.or_else(|| cara.config.chat.system.clone());
    let conversation = Conversation::new(system);
    match chat.message {
        Some(text) => once(provider, conversation, &message(text)?, chat.json).await,
        None => repl::run(cara, provider, conversation).await,
    }
}

fn message(text: String) -> Result<String> {
    if text != "-" {
        return Ok(text);
    }
    let mut read = String::new();
    std::io::stdin().take(LONGEST + 1).read_to_string(&mut read).context("the message on stdin is not text")?;
    if read.len() as u64 > LONGEST {
        bail!("the message on stdin is over {LONGEST} bytes");
    }
    Ok(read)
}

/// The last line of the JSON stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Last<'a> {
    Done(&'a Ending),
    Error(&'a Failure),
}

async fn once(provider: Provider, mut conversation: Conversation, text: &str, json: bool) -> Result<ExitCode> {
    let mut streaming = show::Streaming::new();
    let listen = |event: &TurnEvent| if json { print(event) } else { streaming.event(event) };
    let turn = conversation.turn(&provider, text, listen);
    let ended = tokio::select! {
        ended = turn => ended,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    if json {
        print(&ended.as_ref().map_or_else(Last::Error, Last::Done));
    } else {
        streaming.end_line();
    }
    match ended {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            if !json {
                show::failure(&failure);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn print(value: &impl Serialize) {
    show::line(&serde_json::to_string(value).expect("events are plain data"));
}
