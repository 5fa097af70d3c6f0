//! Runs: one message of a person, and all that is done to answer it.
//!
//! A run belongs to the holder of the home, not to the connection that began it: whoever asked follows its events, and can
//! go and come back. The caller names the run, so that the same request made again after the holder died begins no second
//! one: it is followed, resumed where it stopped, or its answer is told.
//!
//! ```text
//! runs.begin ─→ Active { events } ─→ task: Assistant::run ─→ events ─→ every follower
//!                                        └─ approvals: Ask event ─→ approvals.respond
//! ```

use crate::active_runs::Active;
use crate::allowed;
use crate::answering::Answers;
use crate::application::Application;
use crate::error::{Result, error, fail};
use crate::event::{Event, Events};
use crate::operation::{Done, Operation, Route};
use crate::secrets;
use crate::telemetry::within_this;
use cara_assistant::part::{Body, Part};
use cara_assistant::text::without_secrets;
use cara_assistant::{Ending, Failure, Input, Session, TurnEvent};
use cara_authority::{Label, Principal, RunId, Scope, SessionId, Source};
use cara_records::{Records, RunState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::MutexGuard;

mod media_type;
pub(crate) mod said;

pub use crate::active_runs::Ended;
pub use crate::answering::Respondent;

/// The longest message, bytes.
pub const LONGEST: usize = 1024 * 1024;

/// The most bytes of an attached file.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// The most bytes of a request: a message with the files that go with it, in base64.
const MOST: usize = 64 * 1024 * 1024;

/// Whose words a piece of a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Words {
    /// The person typed them.
    Typed,
    /// They were pasted: somebody else may have chosen them.
    Pasted,
    /// They came from a file or a pipe.
    File,
    /// A model, a schedule or a client composed them: they are nobody's own.
    Composed,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Whose words they are. `typed` counts where whoever asks may also answer approvals; else they are composed.
    pub words: Words,
    /// The words.
    pub text: String,
    /// What else they were made of, such as `web+private`: what a model that composed them had seen. With a credential it
    /// takes nothing away: what is composed counts as made of anything.
    #[serde(default)]
    pub label: Label,
}

impl Piece {
    /// Words that were made of nothing else.
    pub fn of(words: Words, text: impl Into<String>) -> Self {
        Self { words, text: text.into(), label: Label::NONE }
    }

    /// What of it is believed of whoever says it. What the person types allows what it names, as a yes does: so whoever may say
    /// yes may say that it was typed. What a program composed is made of whatever it read, and what it says of that is
    /// believed of processes of the account alone.
    fn said_by(self, by: &Principal) -> Self {
        let (may_say_yes, is_account) = (by.has(Scope::Approve), by.credential().is_none());
        match self.words {
            _ if is_account => self,
            Words::Typed | Words::Pasted | Words::File if may_say_yes => self,
            _ => Self { words: Words::Composed, label: self.label.join(&Label::UNKNOWN), ..self },
        }
    }
}

/// A file that goes with a message.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// The media type: `image/png`.
    pub media_type: String,
    /// Its content, base64; at most 8 MiB.
    pub data: String,
}

impl Respondent {
    /// Another model answers from now on, which `chat.open` let in. Settings stay with their provider.
    pub fn turn_to(&mut self, model: String) {
        let provider = |model: &str| model.split(':').next().map(str::to_owned);
        if provider(&self.model) != provider(&model) {
            self.settings.clear();
        }
        self.model = model;
    }
}

/// Begins a run with a message, and follows it to its end.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BeginRun {
    /// The run's id, chosen by the caller: `r-` and ten characters of `a-z2-7`. The same id begins no second run.
    pub run: String,
    /// The session; a new one when left out.
    #[serde(default)]
    pub session: Option<String>,
    /// The model that answers.
    pub by: Respondent,
    /// The message.
    pub message: Vec<Piece>,
    /// Files that go with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Sum the conversation up first.
    #[serde(default)]
    pub compact: bool,
    /// Whether somebody follows who can be asked: then approvals are told as `ask`.
    #[serde(default)]
    pub present: bool,
}

impl BeginRun {
    /// A fresh id for a run.
    pub fn fresh() -> Result<String> {
        Ok(Records::fresh_run()?.to_string())
    }

    fn input(&self) -> Result<Input> {
        let words: usize = self.message.iter().map(|piece| piece.text.len()).sum();
        if words > LONGEST {
            fail!(
                Invalid,
                "the message has {words} bytes\nhint: a message holds at most {LONGEST} bytes; attach a file"
            );
        }
        if self.message.iter().all(|piece| piece.text.trim().is_empty()) {
            fail!(Invalid, "the message is empty\nhint: say what the model should do");
        }
        Ok(self.message.iter().fold(Input::default(), |input, Piece { words, text, label }| {
            let own = match words {
                Words::Typed => Label::of(Source::Owner),
                Words::Pasted => Label::of(Source::File),
                Words::File => Label::of(Source::File).private(),
                // Nobody says what it was made of.
                Words::Composed if *label == Label::NONE => Label::of(Source::Model).join(&Label::UNKNOWN),
                Words::Composed => Label::of(Source::Model),
            };
            input.and_said(own.join(label), text)
        }))
    }
}

/// What a request about a run comes to.
enum Known {
    /// The run goes on, and is followed.
    GoesOn(Arc<Active>),
    /// The run has ended.
    Over(Ended),
}

impl Known {
    async fn ended(self, application: &Application, by: &Principal, run: &RunId, events: &Events) -> Result<Ended> {
        match self {
            Self::GoesOn(active) => follow(application, by, run, &active, events, 0).await,
            Self::Over(ended) => Ok(ended),
        }
    }
}

/// Follows a run from its beginning to its end. Who follows reads messages to the terminal as well, if they may.
async fn follow(
    application: &Application,
    by: &Principal,
    run: &RunId,
    active: &Active,
    events: &Events,
    after: usize,
) -> Result<Ended> {
    let _reads = match allowed::hears_everything(by) {
        true => application.console.follow(application.records().await?, run, active, events).await,
        false => None,
    };
    Ok(active.follow(events, after).await)
}

impl Operation for BeginRun {
    type View = Ended;
    const ROUTE: Route =
        Route::post("runs.begin", "/control/v1/runs", "Send a message, and follow the run that answers it.")
            .up_to(MOST)
            .following()
            .chat();

    async fn run(mut self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        let (within, whose, told) = (application.clone(), by.clone(), events.clone());
        self.message = self.message.into_iter().map(|piece| piece.said_by(by)).collect();
        // Who goes away does not cut the beginning in half.
        let run = RunId::parse(&self.run)?;
        let begin = within_this(async move { self.begin(&within, &whose, &told).await });
        let begun = application.holder.work.spawn(begin);
        begun.await??.ended(application, by, &run, events).await
    }
}

/// Waits until nobody else begins a run. The next process is asked where this one takes up no run any more.
async fn begin(application: &Application) -> Result<MutexGuard<'_, ()>> {
    let beginning = application.active_runs.begin().await;
    beginning.ok_or_else(|| error!(Unknown, "the process that holds the home is ending\nhint: try again in a moment"))
}

impl BeginRun {
    async fn begin(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Known> {
        allowed::respondent(by, &self.by)?;
        allowed::run(application, by, &self.run).await?;
        if let Some(id) = &self.session {
            allowed::session(application, by, id).await?;
        }
        let id = RunId::parse(&self.run)?;
        let records = application.records().await?;
        if let Some(again) = again(application, by, &id, (&self.by, self.present), events).await? {
            return Ok(again);
        }
        let input = self.input()?;
        if application.holder.stop.is_cancelled() {
            fail!(Conflict, "the process that holds the home is ending\nhint: try again in a moment");
        }
        let answers = Answers::of(application, &id, &self.by, self.present).await?.charging(application, by).await?;
        let brought = application.brought(&self.by.settings, &self.by.environment)?;
        secrets::refuse_values(application, &brought.environment, &input.words())?;
        let known = brought.environment.known.as_ref().unwrap_or(application.services.egress.known());
        let beginning = begin(application).await?;
        // The same request may have been faster through another connection.
        if application.active_runs.run(&id).is_some() || records.run(&id).await?.is_some() {
            drop(beginning);
            let known = again(application, by, &id, (&self.by, self.present), events).await?;
            return known
                .ok_or_else(|| error!(NotFound, "the run `{id}` was deleted meanwhile\nhint: send the message again"));
        }
        let mut session = match &self.session {
            Some(session) => answers.open(application, &SessionId::parse(session)?).await?,
            None => {
                // The first words become the title, which every list shows.
                let first = match self.attachments.first().filter(|_| input.words().trim().is_empty()) {
                    Some(file) => file.name.clone(),
                    None => without_secrets(known, &input.words()),
                };
                // The same request made again, after a holder that died in between, begins no second conversation.
                let random = self.run.strip_prefix("r-").unwrap_or(&self.run);
                let id = SessionId::parse(&format!("s-{random}"))?;
                let begun = Session::begin_as(id, records, answers.context.clone(), &first).await?;
                application.active_runs.keep(begun).lock_owned().await
            }
        };
        let taken = self.take_in(records, &id, &mut session, &input).await?;
        if self.compact {
            session.compact();
        }
        let active = answers.taking(taken).start(application, id, session, Some(input));
        drop(beginning);
        Ok(Known::GoesOn(active))
    }
}

/// What a request comes to whose run is known: the run is followed, taken up, or its answer is told.
async fn again(
    application: &Arc<Application>,
    who: &Principal,
    id: &RunId,
    (by, present): (&Respondent, bool),
    events: &Events,
) -> Result<Option<Known>> {
    let records = application.records().await?;
    if let Some(active) = application.active_runs.run(id) {
        return Ok(Some(Known::GoesOn(active)));
    }
    let Some(run) = records.run(id).await? else { return Ok(None) };
    if run.state == RunState::Running {
        let answers = Answers::of(application, id, by, present).await?.charging(application, who).await?;
        let beginning = begin(application).await?;
        // Of two that take it up, one goes on and the other follows.
        let active = match application.active_runs.run(id) {
            Some(active) => active,
            None => {
                let session = answers.open(application, &run.session).await?;
                answers.start(application, id.clone(), session, None)
            }
        };
        drop(beginning);
        return Ok(Some(Known::GoesOn(active)));
    }
    events.tell(Event::Began { run: id.to_string(), session: run.session.to_string() });
    if run.state != RunState::Done {
        let why = run.reason.unwrap_or_else(|| format!("the run is {}", run.state.name()));
        return Ok(Some(Known::Over(Ended::Error(Failure::own("ended", why)))));
    }
    let (mut from, mut answer) = (1, None);
    loop {
        let page = records.messages(&run.session, from, 500).await?;
        let Some(last) = page.last() else { break };
        from = last.place + 1;
        answer = page.into_iter().rfind(|message| message.run.as_ref() == Some(id)).or(answer);
    }
    let parts: Vec<Part> = answer.map(|message| serde_json::from_value(message.body)).transpose()?.unwrap_or_default();
    for part in parts {
        if let Body::Text { text } = part.body {
            events.tell(Event::Run { event: TurnEvent::Text { text } });
        }
    }
    Ok(Some(Known::Over(Ended::Done(Ending::kept(id.to_string(), by.model.clone())))))
}

/// Goes on with a run that a dead process left, and follows it to its end.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResumeRun {
    /// The run.
    pub run: String,
    /// The model that answers.
    pub by: Respondent,
    /// Whether somebody follows who can be asked.
    #[serde(default)]
    pub present: bool,
}

impl Operation for ResumeRun {
    type View = Ended;
    const ROUTE: Route = Route::post(
        "runs.resume",
        "/control/v1/runs/{run}/resume",
        "Go on with a run whose process ended, and follow it.",
    )
    .following()
    .chat();

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        let (within, whose, told) = (application.clone(), by.clone(), events.clone());
        let run = RunId::parse(&self.run)?;
        let take_up = within_this(async move { self.take_up(&within, &whose, &told).await });
        let taken_up = application.holder.work.spawn(take_up);
        taken_up.await??.ended(application, by, &run, events).await
    }
}

impl ResumeRun {
    async fn take_up(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Known> {
        allowed::respondent(by, &self.by)?;
        allowed::run(application, by, &self.run).await?;
        let id = RunId::parse(&self.run)?;
        let records = application.records().await?;
        if let Some(again) = again(application, by, &id, (&self.by, self.present), events).await? {
            return Ok(again);
        }
        let left = said::left(records, &id, &self.by, self.present).await?;
        let left = left.ok_or_else(|| {
            error!(NotFound, "there is no run `{id}`\nhint: `cara sessions show` shows the runs of a session")
        })?;
        left.begin(application, by, events).await
    }
}

/// Follows a run that goes on, or ended a short while ago. Its events have numbers, from 1.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowRun {
    /// The run.
    pub run: String,
    /// Go on after this event; from the beginning when left out.
    #[serde(default)]
    pub after: u64,
}

impl Operation for FollowRun {
    type View = Ended;
    const ROUTE: Route =
        Route::get("runs.follow", "/control/v1/runs/{run}/events", "Follow a run that goes on.").following().chat();

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        allowed::run(application, by, &self.run).await?;
        let run = RunId::parse(&self.run)?;
        let active = application.active_runs.run_or_ended(&run);
        let active = active.ok_or_else(|| {
            error!(NotFound, "no run `{}` goes on\nhint: `cara status` shows those that do", self.run)
        })?;
        follow(application, by, &run, &active, events, usize::try_from(self.after).unwrap_or(usize::MAX)).await
    }
}

/// Stops a run; what the model said so far is kept and marked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRun {
    /// The run.
    pub run: String,
}

impl Operation for StopRun {
    type View = Done;
    const ROUTE: Route =
        Route::post("runs.stop", "/control/v1/runs/{run}/stop", "Stop a run; what it did so far stays.").chat();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        allowed::run(application, by, &self.run).await?;
        // One that ended meanwhile has nothing to stop.
        if let Some(active) = application.active_runs.run(&RunId::parse(&self.run)?) {
            active.cancel.cancel();
        }
        Ok(Done {})
    }
}
