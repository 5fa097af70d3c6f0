//! A conversation at this terminal: messages go out, and what happens in their
//! runs is shown.

use super::asking::Asking;
use crate::door::Door;
use crate::error::told;
use crate::output::{FnEvent, show, stdio};
use anyhow::Result;
use cara_assistant::text::harmless;
use cara_assistant::{Ending, Input, TurnEvent};
use cara_authority::{Label, Source};
use cara_control::runs::{Attachment, BeginRun, Ended, Piece, Respondent, ResumeRun, StopRun, Words};
use cara_control::{Event, Operation};
use cara_terminal::keyboard::Keyboard;
use cara_terminal::streaming::{Streaming, lock};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A conversation, as this terminal has it.
pub(crate) struct Conversation<'a> {
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
    pub(crate) json: bool,
}

impl Conversation<'_> {
    /// Attaches a file to the next message. Its words are a stranger's until the person says otherwise.
    pub(crate) fn attach(&mut self, path: &Path) -> Result<String> {
        let file = Attachment::read(path).map_err(told)?;
        let name = file.name.clone();
        self.attached.push(file);
        Ok(name)
    }

    /// Says where the conversation stands, and goes on with a run that a dead process left in it.
    pub(super) async fn take_up(&mut self, session: &cara_control::chat::Conversation, tell: bool) -> Result<()> {
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
        let run = BeginRun::fresh().map_err(told)?;
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
        // One for the whole loop: what comes between two looks is not lost.
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let mut stopped = false;
        let called = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.heed(event, streaming, &mut asking),
                called = &mut ended => break called,
                answers = asking.answers() => asking.respond(answers).await,
                () = silence(streaming), if !self.json && asking.is_quiet() => lock(streaming).shows_waiting(),
                _ = &mut interrupted, if !stopped => {
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
            Event::Progress(_) | Event::Position { .. } | Event::Changed(_) => {}
            Event::Run { event } => {
                lock(streaming).heed(&event);
                match &event {
                    TurnEvent::Seen { label } => self.seen = label.clone(),
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

/// A message in the pieces of the application.
fn pieces(input: &Input) -> Vec<Piece> {
    let words = |label: Label| match (label.has(Source::Owner), label.is_private()) {
        (true, _) => Words::Typed,
        (false, false) => Words::Pasted,
        (false, true) => Words::File,
    };
    input.pieces().map(|(label, text)| Piece::of(words(label), text)).collect()
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

pub(super) fn print(value: &impl Serialize) {
    show::line(&serde_json::to_string(value).expect("events are plain data"));
}
