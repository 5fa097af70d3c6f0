//! `cara chat`: one answer with `--message` or a pipe, else the conversation
//! in `repl`.

use super::repl;
use crate::cli::Chat;
use crate::door::{Door, FnEvent, kind};
use crate::keyboard::Keyboard;
use crate::output::streaming::Streaming;
use crate::output::{Output, show, stdio};
use crate::prompt;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cara_assistant::text::harmless;
use cara_assistant::{Answer, Asked, Ending, Failure, Input, TurnEvent};
use cara_authority::{Label, Source};
use cara_control::approvals::{RespondToApproval, Verdict};
use cara_control::chat::{Conversation, OpenChat, OpenedChat};
use cara_control::runs::{Attachment, BeginRun, Ended, LARGEST, LONGEST, Piece, Respondent, ResumeRun, StopRun, Words};
use cara_control::{ErrorKind, Event, Operation};
use cara_services::files;
use serde::Serialize;
use std::collections::HashSet;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Exit code of a turn ended by Ctrl-C (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Exit code of a turn that ended because nobody reads the answer (128 + SIGPIPE).
const UNREAD: u8 = 141;

/// A conversation, as this terminal has it.
pub(crate) struct Talk<'a> {
    pub(crate) door: &'a Door,
    pub(crate) by: Respondent,
    pub(crate) context_tokens: u32,
    /// None until the first message.
    pub(crate) session: Option<String>,
    /// What a model that is shown it has seen.
    pub(crate) seen: Label,
    /// Files that go with the next message.
    pub(crate) attached: Vec<Attachment>,
    /// Whether the conversation is summed up before the next answer.
    pub(crate) compact: bool,
    pub(crate) keyboard: Keyboard,
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, chat: Chat) -> Result<ExitCode> {
    let piped = piped(chat.message.as_deref())?;
    let message = message(chat.message.as_deref(), piped, chat.mine)?;
    if output.json && message.is_none() {
        bail!("`--json` prints the events of one answer\nhint: add `--message TEXT`");
    }
    let environment = door.environment().await?;
    let settings = chat.provider.settings()?;
    let open = OpenChat {
        model: chat.provider.named(),
        settings: settings.clone(),
        environment: environment.clone(),
        agent: chat.agent.clone(),
        session: chat.session.clone(),
        last: chat.r#continue,
        tools: chat.tools.iter().map(ToString::to_string).collect(),
        no_tools: chat.no_tools,
    };
    let opened = door.call(open).await?;
    let OpenedChat { model, context_tokens, agent, tools, vault_is_locked, session } = opened;
    if vault_is_locked {
        door.open_vault().await?;
    }
    let (agent, system) = (Some(agent), chat.system.clone());
    let by = Respondent { model, settings, environment, agent, system, no_tools: chat.no_tools };
    let mut talk = Talk {
        door,
        by,
        context_tokens,
        session: session.as_ref().map(|session| session.id.clone()),
        seen: session.as_ref().map(|session| session.label).unwrap_or_default(),
        attached: Vec::new(),
        compact: false,
        keyboard: if message.is_some() { Keyboard::of_message() } else { Keyboard::of_conversation() },
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
    let text = text.filter(|text| *text != "-");
    let input = match (text, piped) {
        (Some(text), Some(piped)) => Input::typed(format!("{text}\n\n")).and_file(piped),
        (Some(text), None) => Input::typed(text),
        (None, Some(piped)) => Input::file(piped),
        (None, None) if std::io::stdin().is_terminal() => return Ok(None),
        (None, None) => Input::default(),
    };
    if input.words().trim().is_empty() {
        bail!("the message is empty\nhint: say what the model should do");
    }
    Ok(Some(if mine { input.endorsed() } else { input }))
}

/// A message in the pieces of the application.
fn pieces(input: &Input) -> Vec<Piece> {
    let words = |label: Label| match (label.has(Source::Owner), label.is_private()) {
        (true, _) => Words::Typed,
        (false, false) => Words::Pasted,
        (false, true) => Words::File,
    };
    input.pieces().map(|(label, text)| Piece { words: words(label), text: text.to_owned() }).collect()
}

impl Talk<'_> {
    /// Attaches a file to the next message. Its words are a stranger's until the person says otherwise.
    pub(crate) fn attach(&mut self, path: &Path) -> Result<String> {
        let shown = path.display();
        let data = match files::read_capped(path, LARGEST as u64) {
            Ok(data) => data.ok_or_else(|| anyhow!("`{shown}` does not exist"))?,
            Err(files::FileError::TooLarge { .. }) => {
                bail!("`{shown}` is too large\nhint: attachments hold at most {} MiB", LARGEST >> 20)
            }
            Err(error) => return Err(error.into()),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let media_type = media_type(&data, path).to_owned();
        self.attached.push(Attachment { name: name.clone(), media_type, data: BASE64_STANDARD.encode(&data) });
        Ok(name)
    }

    /// Says where the conversation stands, and goes on with a run that a dead process left in it.
    async fn take_up(&mut self, session: &Conversation, tell: bool) -> Result<()> {
        if tell {
            show::note(&format!("going on with `{}` ({})", harmless(&session.title), session.id));
            let last = [("you", &session.asked), ("assistant", &session.answered)];
            for (who, text) in last.into_iter().filter_map(|(who, text)| Some((who, text.as_ref()?))) {
                show::aside(&format!("{who}: "), text);
            }
        }
        let Some(run) = &session.interrupted else { return Ok(()) };
        let streaming = Arc::new(Mutex::new(Streaming::new(&self.by.model)));
        let resume = ResumeRun { run: run.clone(), by: self.by.clone(), present: self.is_present() };
        let ended = self.follow(run.clone(), resume, &streaming).await?;
        lock(&streaming).end();
        match ended {
            ended if self.json => print(&ended),
            Ended::Done(_) => show::note("the answer that was interrupted is complete"),
            Ended::Error(failure) => show::failure(&failure),
        }
        Ok(())
    }

    /// Whether a person can be asked at this terminal.
    fn is_present(&self) -> bool {
        std::io::stdin().is_terminal() && !self.json
    }

    /// One turn, until it is answered, fails, or Ctrl-C stops it.
    pub(crate) async fn turn(&mut self, input: &Input, streaming: &Arc<Mutex<Streaming>>) -> Result<Ended> {
        let run = BeginRun::fresh().map_err(crate::door::told)?;
        let begin = BeginRun {
            run: run.clone(),
            session: self.session.clone(),
            by: self.by.clone(),
            message: pieces(input),
            attachments: self.attached.clone(),
            compact: self.compact,
            present: self.is_present(),
        };
        let ended = self.follow(run, begin, streaming).await?;
        self.attached.clear();
        self.compact = false;
        Ok(ended)
    }

    /// Shows what happens in a run, and asks at the terminal what is to be asked.
    async fn follow(
        &mut self,
        run: String,
        operation: impl Operation<View = Ended>,
        streaming: &Arc<Mutex<Streaming>>,
    ) -> Result<Ended> {
        let (sender, mut events) = unbounded_channel();
        let mut told = Told(sender);
        let (door, keyboard) = (self.door, self.keyboard.clone());
        let mut asking = Asking::new(door, streaming.clone(), keyboard.clone());
        let _turn = self.is_present().then(|| keyboard.turn());
        let ended = door.called(&operation, &mut told);
        let mut ended = std::pin::pin!(ended);
        let mut stopped = false;
        let called = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.heed(event, streaming, &mut asking),
                called = &mut ended => break called,
                answers = asking.answers() => asking.respond(answers).await,
                () = silence(streaming), if !self.json && asking.now.is_none() => lock(streaming).shows_waiting(),
                _ = tokio::signal::ctrl_c(), if !stopped => {
                    stopped = true;
                    door.call(StopRun { run: run.clone() }).await?;
                }
            }
            if stdio::is_lost() && !stopped {
                stopped = true;
                door.call(StopRun { run: run.clone() }).await?;
            }
        };
        drain(&mut events, |event| self.heed(event, streaming, &mut asking));
        Ok(called?.view)
    }

    fn heed(&mut self, event: Event, streaming: &Arc<Mutex<Streaming>>, asking: &mut Asking<'_>) {
        match event {
            Event::Began { session, .. } => self.session = Some(session),
            Event::Ask { asked } => asking.ask(asked),
            Event::Note { text } => lock(streaming).note(&text),
            Event::Message { to, text } => lock(streaming).message(&to, &text),
            Event::Progress(_) => {}
            Event::Run { event } => {
                lock(streaming).heed(&event);
                match &event {
                    TurnEvent::Seen { label } => self.seen = *label,
                    TurnEvent::ApprovalDecided { id, .. } => asking.decided(id),
                    _ => {}
                }
                match event {
                    // The prompt shows it with its question.
                    TurnEvent::Approval(_) if self.is_present() => {}
                    event if self.json => print(&event),
                    event => lock(streaming).event(&event),
                }
            }
        }
    }
}

/// Until nothing came for so long that it has to be said what is waited for.
async fn silence(streaming: &Mutex<Streaming>) {
    let due = lock(streaming).due();
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn drain(events: &mut UnboundedReceiver<Event>, mut heed: impl FnMut(Event)) {
    while let Ok(event) = events.try_recv() {
        heed(event);
    }
}

/// Hands events to the loop that shows them.
struct Told(UnboundedSender<Event>);

impl FnEvent for Told {
    fn event(&mut self, event: Event) {
        // The loop hears of them as long as the call goes on.
        let _ = self.0.send(event);
    }
}

/// What a person is asked at this terminal while a run goes on.
struct Asking<'a> {
    door: &'a Door,
    streaming: Arc<Mutex<Streaming>>,
    keyboard: Keyboard,
    /// The question that stands: what is asked, and the answer that is waited for.
    now: Option<Provenance>,
    /// Requests that were answered here: they may be told once more before the answer arrives.
    answered: HashSet<String>,
}

struct Provenance {
    asked: Vec<Asked>,
    /// Dropped, it ends the reading of a line.
    _stands: std::io::PipeWriter,
    answers: JoinHandle<Option<Vec<Answer>>>,
}

impl<'a> Asking<'a> {
    fn new(door: &'a Door, streaming: Arc<Mutex<Streaming>>, keyboard: Keyboard) -> Self {
        Self { door, streaming, keyboard, now: None, answered: HashSet::new() }
    }

    fn ask(&mut self, mut asked: Vec<Asked>) {
        asked.retain(|asked| !self.answered.contains(&asked.id));
        if asked.is_empty() {
            return;
        }
        // A pipe says when the question falls; without one nobody can be asked here, and the answer comes from elsewhere.
        let Ok((fallen, stands)) = std::io::pipe() else { return };
        let (streaming, keyboard, shown) = (self.streaming.clone(), self.keyboard.clone(), asked.clone());
        let answers = tokio::task::spawn_blocking(move || prompt::ask(&streaming, &keyboard, &shown, &fallen));
        self.now = Some(Provenance { asked, _stands: stands, answers });
    }

    fn decided(&mut self, id: &str) {
        if self.now.as_ref().is_some_and(|now| now.asked.iter().any(|asked| asked.id == id)) {
            self.now = None;
        }
    }

    /// The answers to the question that stands; for ever, when none does.
    async fn answers(&mut self) -> Option<Vec<Answer>> {
        match &mut self.now {
            Some(now) => (&mut now.answers).await.ok().flatten(),
            None => std::future::pending().await,
        }
    }

    async fn respond(&mut self, answers: Option<Vec<Answer>>) {
        let Some(now) = self.now.take() else { return };
        // No terminal any more: the answer comes from elsewhere.
        let Some(answers) = answers else { return };
        let mut again = Vec::new();
        for (asked, answer) in now.asked.into_iter().zip(answers) {
            let (verdict, reason) = match answer {
                Answer::Once => (Verdict::Once, None),
                Answer::Always => (Verdict::Always, None),
                Answer::No(reason) => (Verdict::Deny, reason),
            };
            let respond = RespondToApproval { id: asked.id.clone(), verdict, reason, by: "prompt".to_owned() };
            match self.door.call(respond).await {
                Ok(_) => drop(self.answered.insert(asked.id)),
                // Somebody was faster, or the request is gone; the run says so.
                Err(error) if matches!(kind(&error), Some(ErrorKind::Conflict | ErrorKind::NotFound)) => {
                    tracing::debug!(%error, "an answer came too late");
                    self.answered.insert(asked.id);
                }
                Err(error) => {
                    lock(&self.streaming).note(&format!("the answer was not taken: {error}"));
                    again.push(asked);
                }
            }
        }
        self.ask(again);
    }
}

/// The terminal's state; nobody panics while it is held.
pub(crate) fn lock(streaming: &Mutex<Streaming>) -> MutexGuard<'_, Streaming> {
    streaming.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn once(talk: &mut Talk<'_>, input: Input) -> Result<ExitCode> {
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
                show_failure(&failure);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Why a turn failed.
pub(super) fn show_failure(failure: &Failure) {
    show::failure(failure);
}

/// What a person is told of an answer that is not whole.
pub(super) fn remark(ending: &Ending, said: bool) -> Option<&'static str> {
    match &*ending.stop {
        "refused" => Some("the model declined to answer"),
        "length" => Some("the answer was cut: it reached its longest length"),
        _ if !said => Some("the model gave an empty answer"),
        _ => None,
    }
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
