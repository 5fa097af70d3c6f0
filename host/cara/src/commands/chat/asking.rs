//! What a person is asked at this terminal while a run goes on.

use crate::door::Door;
use crate::error::kind;
use cara_assistant::{Answer, Asked};
use cara_control::ErrorKind;
use cara_control::approvals::{Place, RespondToApproval, Verdict};
use cara_terminal::keyboard::Keyboard;
use cara_terminal::prompt;
use cara_terminal::streaming::{Streaming, lock};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// What a person is asked at this terminal while a run goes on.
pub(super) struct Asking<'a> {
    door: &'a Door,
    streaming: Arc<Mutex<Streaming>>,
    keyboard: Keyboard,
    /// The question that stands: what is asked, and the answer that is waited for.
    now: Option<Question>,
    /// Requests that were answered here: they may be told once more before the answer arrives.
    answered: HashSet<String>,
}

struct Question {
    asked: Vec<Asked>,
    /// Dropped, it ends the reading of a line.
    _stands: std::io::PipeWriter,
    answers: JoinHandle<Option<Vec<Answer>>>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(door: &'a Door, streaming: Arc<Mutex<Streaming>>, keyboard: Keyboard) -> Self {
        Self { door, streaming, keyboard, now: None, answered: HashSet::new() }
    }

    pub(super) fn ask(&mut self, mut asked: Vec<Asked>) {
        asked.retain(|asked| !self.answered.contains(&asked.id));
        if asked.is_empty() {
            return;
        }
        // A pipe says when the question falls; without one nobody can be asked here, and the answer comes from elsewhere.
        let Ok((fallen, stands)) = std::io::pipe() else { return };
        let (streaming, keyboard, shown) = (self.streaming.clone(), self.keyboard.clone(), asked.clone());
        let answers = tokio::task::spawn_blocking(move || prompt::ask(&streaming, &keyboard, &shown, &fallen));
        self.now = Some(Question { asked, _stands: stands, answers });
    }

    pub(super) fn decided(&mut self, id: &str) {
        if self.now.as_ref().is_some_and(|now| now.asked.iter().any(|asked| asked.id == id)) {
            self.now = None;
        }
    }

    /// Whether no question stands.
    pub(super) fn is_quiet(&self) -> bool {
        self.now.is_none()
    }

    /// The answers to the question that stands; for ever, when none does.
    pub(super) async fn answers(&mut self) -> Option<Vec<Answer>> {
        match &mut self.now {
            Some(now) => (&mut now.answers).await.ok().flatten(),
            None => std::future::pending().await,
        }
    }

    /// Gives the answers. One that was not taken is said, and its question is asked again.
    pub(super) async fn respond(&mut self, answers: Option<Vec<Answer>>) {
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
            let respond = RespondToApproval { id: asked.id.clone(), verdict, reason, by: Place::Prompt };
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
