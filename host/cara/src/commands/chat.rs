//! `cara chat`: one answer with `--message`, else the conversation in `repl`.

use super::repl;
use crate::assemble::{self, CONSOLE};
use crate::boot::Cara;
use crate::cli::Chat;
use crate::prompt::Prompt;
use crate::{choose, output, show};
use anyhow::{Context, Result, anyhow, bail};
use cara_assistant::{
    Approver, Assistant, Ending, Failure, Input, LanguageModel, Listener, Nobody, RunContext, Session, SessionContext,
    TurnEvent,
};
use cara_authority::{Label, PersonId, SessionId, Source};
use cara_kernel::bindings::types::Blob;
use cara_services::egress::KnownSecrets;
use cara_services::files;
use serde::Serialize;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// The longest message, bytes.
const LONGEST: u64 = 1024 * 1024;

/// The largest attachment, bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Exit code of a turn ended by Ctrl-C (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Exit code of a turn that ended because nobody reads the answer (128 + SIGPIPE).
const UNREAD: u8 = 141;

/// Who speaks at this terminal.
pub(crate) const PERSON: &str = "local:owner";

/// Everything a conversation needs.
pub(crate) struct Talk {
    pub(crate) assistant: Assistant,
    pub(crate) language_model: Arc<dyn LanguageModel>,
    pub(crate) context: SessionContext,
    /// None until the first message.
    pub(crate) session: Option<Session>,
}

/// Runs the command.
pub(crate) async fn run(cara: &Cara, chat: Chat) -> Result<ExitCode> {
    let agent = chat.agent.clone().or_else(|| cara.config.chat.agent.clone());
    let agent = agent.unwrap_or_else(|| assemble::AGENT.to_owned());
    let configured = cara.config.agent.get(&agent);
    if configured.is_none() && agent != assemble::AGENT {
        let known: Vec<String> = cara.config.agent.keys().map(|name| format!("`{name}`")).collect();
        bail!(
            "there is no agent `{agent}`\nhint: configured are {}",
            if known.is_empty() { "none".into() } else { known.join(", ") }
        );
    }
    let own = configured.and_then(|agent| agent.model.as_ref());
    let provider = match own.filter(|_| chat.provider.model.is_none()) {
        Some(model) => choose::named(cara, model, &[], "the configuration names it").await?,
        None => choose::provider(cara, &chat.provider).await?,
    };
    cara.plugins.read_ahead(&provider.id).await?;
    let system = chat.system.clone().or_else(|| configured.and_then(|agent| agent.system.clone()));
    let system = system.or_else(|| cara.config.chat.system.clone());
    let person = PersonId::parse(PERSON)?;
    let reading = configured.map(|agent| agent.reading).unwrap_or_default();
    let context = SessionContext { person, channel: CONSOLE.to_owned(), agent, system, reading };
    let assistant = assemble::assistant(cara, &chat.tools, !chat.no_tools).await?;
    let session = open(&assistant, &context, &chat).await?;
    let mut talk = Talk { assistant, language_model: Arc::new(provider), context, session };
    for path in &chat.attach {
        talk.attach(Path::new(path)).await?;
    }
    talk.take_up(cara, chat.json).await?;
    match chat.message {
        Some(text) => once(&mut talk, message(text, chat.mine)?, chat.json).await,
        None => repl::run(cara, talk, chat.mine).await,
    }
}

/// The session that was asked for.
async fn open(assistant: &Assistant, context: &SessionContext, chat: &Chat) -> Result<Option<Session>> {
    let records = &assistant.records;
    let id = match (&chat.session, chat.r#continue) {
        (Some(id), _) => SessionId::parse(id)?,
        (None, true) => {
            let recent = records.recent_sessions(Some(&context.person), 1).await?;
            recent
                .into_iter()
                .next()
                .map(|session| session.id)
                .ok_or_else(|| anyhow!("there is no conversation to go on with"))?
        }
        (None, false) => return Ok(None),
    };
    let session = Session::open(records, &id, context.clone()).await?;
    let session =
        session.ok_or_else(|| anyhow!("there is no session `{id}`\nhint: `cara sessions list` shows them"))?;
    Ok(Some(session))
}

impl Talk {
    /// The session, begun with these first words if there is none yet.
    pub(crate) async fn session(&mut self, first: &str) -> Result<&mut Session> {
        if self.session.is_none() {
            // It becomes the title, which every list shows.
            let first = without_secrets(&self.assistant.services.known, first);
            let begun = Session::begin(&self.assistant.records, self.context.clone(), &first).await?;
            self.session = Some(begun);
        }
        self.session.as_mut().ok_or_else(|| anyhow!("the session was not begun"))
    }

    /// Attaches a file to the next message. Its words are a stranger's until the person says otherwise.
    pub(crate) async fn attach(&mut self, path: &Path) -> Result<String> {
        let shown = path.display();
        let data = files::read_capped(path, LARGEST)?.ok_or_else(|| anyhow!("`{shown}` does not exist"))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let media_type = media_type(&data, path).to_owned();
        let records = self.assistant.records.clone();
        let session = self.session(name.as_deref().unwrap_or("a file")).await?;
        let label = Label::of(Source::File).private();
        Ok(session.attach(&records, Blob { media_type, name, data }, label).await?)
    }

    /// Goes on with a run that a dead process left in the session.
    async fn take_up(&mut self, cara: &Cara, json: bool) -> Result<()> {
        for run in self.assistant.records.unfinished_runs().await? {
            if !cara.process.lives(&cara.home, &run.process)? {
                self.assistant.records.release_process(&run.process).await?;
            } else if self.session.as_ref().is_some_and(|session| *session.id() == run.session) {
                bail!("session `{}` is in use by another process\nhint: end that one first", run.session);
            }
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        let streaming = Arc::new(Mutex::new(show::Streaming::new()));
        let run_context = run_context(&streaming, json, CancellationToken::new());
        if let Some(resumed) = self.assistant.resume(session, &self.language_model, run_context).await {
            lock(&streaming).end();
            match resumed {
                ended if json => print(&ended.as_ref().map_or_else(Last::Error, Last::Done)),
                Ok(_) => show::note("the answer that was interrupted is complete"),
                Err(failure) => show::failure(&failure),
            }
        }
        Ok(())
    }

    /// One turn, until it is answered, fails, or Ctrl-C stops it.
    pub(crate) async fn turn(
        &mut self,
        input: Input,
        streaming: &Arc<Mutex<show::Streaming>>,
        json: bool,
    ) -> Result<Result<Ending, Failure>> {
        let cancel = CancellationToken::new();
        let run_context = run_context(streaming, json, cancel.clone());
        self.session(&input.words()).await?;
        let Some(session) = &mut self.session else { bail!("the session was not begun") };
        let run = self.assistant.run(session, &self.language_model, input, run_context);
        let mut run = std::pin::pin!(run);
        tokio::select! {
            ended = &mut run => return Ok(ended),
            _ = tokio::signal::ctrl_c() => cancel.cancel(),
        }
        Ok(run.await)
    }
}

/// Shows what happens, and asks at the terminal when there is one.
fn run_context(streaming: &Arc<Mutex<show::Streaming>>, json: bool, cancel: CancellationToken) -> RunContext {
    let (shown, stop) = (streaming.clone(), cancel.clone());
    let present = std::io::stdin().is_terminal() && !json;
    let listen: Listener = Arc::new(move |event: TurnEvent| {
        lock(&shown).heed(&event);
        match event {
            // The prompt shows it with its question.
            TurnEvent::Approval(_) if present => {}
            event if json => print(&event),
            event => lock(&shown).event(&event),
        }
        if output::is_lost() {
            stop.cancel();
        }
    });
    let approver: Arc<dyn Approver> = if present { Arc::new(Prompt::new(streaming.clone())) } else { Arc::new(Nobody) };
    RunContext { listen, approver, cancel }
}

/// The terminal's state; nobody panics while it is held.
pub(crate) fn lock(streaming: &Mutex<show::Streaming>) -> std::sync::MutexGuard<'_, show::Streaming> {
    streaming.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of the command line. What comes on stdin is a file's, unless the person says that the words are theirs.
fn message(text: String, mine: bool) -> Result<Input> {
    let empty = || anyhow!("the message is empty\nhint: say what the model should do");
    if text != "-" {
        return if text.trim().is_empty() { Err(empty()) } else { Ok(Input::typed(text)) };
    }
    let mut read = String::new();
    std::io::stdin().take(LONGEST + 1).read_to_string(&mut read).context("the message on stdin is not text")?;
    if read.len() as u64 > LONGEST {
        bail!("the message on stdin is over {LONGEST} bytes");
    }
    if read.trim().is_empty() {
        return Err(empty());
    }
    Ok(if mine { Input::typed(read) } else { Input::file(read) })
}

/// The last line of the JSON stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Last<'a> {
    Done(&'a Ending),
    Error(&'a Failure),
}

async fn once(talk: &mut Talk, input: Input, json: bool) -> Result<ExitCode> {
    let streaming = Arc::new(Mutex::new(show::Streaming::new()));
    let ended = talk.turn(input, &streaming, json).await?;
    if json {
        print(&ended.as_ref().map_or_else(Last::Error, Last::Done));
    } else {
        lock(&streaming).end();
    }
    let said = lock(&streaming).has_said();
    match ended {
        Ok(ending) => {
            let remark = remark(&ending, said);
            if let Some(what) = remark.filter(|_| !json) {
                show::note(what);
            }
            // A cut answer is one; the others are none.
            let answered = said && ending.stop != "refused";
            Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(failure) if failure.kind == "cancelled" => {
            Ok(ExitCode::from(if output::is_lost() { UNREAD } else { INTERRUPTED }))
        }
        Err(failure) => {
            if !json {
                show::failure(&failure);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What a person is told of an answer that is not whole.
pub(super) fn remark(ending: &Ending, said: bool) -> Option<&'static str> {
    match ending.stop {
        "refused" => Some("the model declined to answer"),
        "length" => Some("the answer was cut: it reached its longest length"),
        _ if !said => Some("the model gave an empty answer"),
        _ => None,
    }
}

/// A text in which secrets that are stored, or look like some, are replaced: for what is kept readable.
pub(super) fn without_secrets(known: &KnownSecrets, text: &str) -> String {
    use cara_assistant::guards::output::{FindingAction, OutputCheck, Policy};
    let policy = Policy {
        secret: FindingAction::Mask,
        payment: FindingAction::Mask,
        identity: FindingAction::Off,
        contact: FindingAction::Off,
    };
    let mut check = OutputCheck::new(policy);
    let shown = check.push(&known.scrub_text(text));
    shown + &check.finish()
}

fn print(value: &impl Serialize) {
    show::line(&serde_json::to_string(value).expect("events are plain data"));
}

/// What the bytes are, by their first ones; else by the name.
fn media_type(data: &[u8], path: &Path) -> &'static str {
    let magic: [(&[u8], &str); 7] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"ID3", "audio/mpeg"),
    ];
    if let Some((_, media_type)) = magic.iter().find(|(magic, _)| data.starts_with(magic)) {
        return media_type;
    }
    match (data.get(..4), data.get(8..12)) {
        (Some(b"RIFF"), Some(b"WEBP")) => return "image/webp",
        (Some(b"RIFF"), Some(b"WAVE")) => return "audio/wav",
        _ => {}
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        _ if std::str::from_utf8(data).is_ok() => "text/plain",
        _ => "application/octet-stream",
    }
}
