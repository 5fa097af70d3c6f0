//! All that answers in a run, put together; and the run itself, in a task of
//! its own.

use crate::active_runs::{Active, Ended, Running};
use crate::application::Application;
use crate::assistant_factory;
use crate::change::Topic;
use crate::configuration::{Config, Rights};
use crate::deciding::{self, Asking, Asks};
use crate::error::{Result, error, fail};
use crate::event::{Event, Events, Scope};
use crate::model_selection::{self, Chosen, Naming};
use crate::names::{AGENT, CONSOLE};
use crate::roles::Permitted;
use crate::telemetry::run::Runner;
use crate::variables::{Brought, Variables};
use cara_assistant::{
    Assistant, DEADLINE, Failure, Input, LanguageModel, Reply, RunContext, Session, SessionContext, TurnEvent,
};
use cara_authority::{Deciders, PersonId, PersonRole, Principal, RunId, SessionId};
use cara_kernel::Checked;
use cara_records::{Charged, InboundId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// The model that answers, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Respondent {
    /// The model, as `provider:model`. Its provider was granted what it asks before, as by `chat.open`.
    pub model: String,
    /// Settings of the provider for this run.
    pub settings: BTreeMap<String, String>,
    /// Environment variables of the caller, for this run alone; `environment.wanted` says which count.
    pub environment: Variables,
    /// The agent; `main` when left out.
    pub agent: Option<String>,
    /// The operator's instructions, in place of those of the agent.
    pub system: Option<String>,
    /// Offer the model no tools.
    pub no_tools: bool,
    /// Nobody waits for the run: a call that needs an answer is denied at once, and its question stays. A yes to it counts when
    /// a later run of the session tries the same, once.
    pub unattended: bool,
}

/// Whom a run answers that nobody at a terminal began.
pub(crate) struct Answered {
    pub(crate) context: SessionContext,
    pub(crate) deciders: Deciders,
    pub(crate) person: PersonId,
    /// The messages of a channel that it answers; none where whoever asked follows the run.
    pub(crate) reply: Option<Reply>,
}

/// The model that answers somebody with these rights as this agent, which the configuration names or which can be found.
pub(crate) async fn chosen(
    application: &Application,
    config: &Config,
    rights: &Rights,
    agent: &str,
    means: Naming,
    brought: &Brought,
) -> Result<Chosen> {
    let of_agent = config.agent.get(agent).and_then(|agent| agent.model.as_ref());
    let events = Events::nobody();
    match rights.model(of_agent.or(config.chat.model.as_ref()))? {
        Some(named) => {
            model_selection::naming(application, &named, means, brought, "the configuration names it", &events).await
        }
        None => model_selection::choose(application, None, means, brought, &events).await,
    }
}

/// All that answers in a run.
pub(crate) struct Answers {
    assistant: Assistant,
    language_model: Arc<dyn LanguageModel>,
    pub(crate) context: SessionContext,
    events: Events,
    /// Who is asked.
    asked: Asking,
    deciders: Deciders,
    /// The person whom the run is for, where that is not the one of the session.
    person: Option<PersonId>,
    reply: Option<Reply>,
    /// The message of the inbox that it takes, where whoever said it follows the answer.
    taken: Vec<InboundId>,
    /// The credential whose allowance the run uses.
    charged: Option<Charged>,
    /// Stops the run, as does whoever takes that credential back.
    cancel: CancellationToken,
}

impl Answers {
    /// Who answers the owner at a terminal.
    pub(crate) async fn of(application: &Application, id: &RunId, by: &Respondent, present: bool) -> Result<Self> {
        let config = application.config()?;
        let agent = by.agent.clone().unwrap_or_else(|| AGENT.to_owned());
        let configured = config.agent.get(&agent);
        let (component, model) = by.model.split_once(':').unwrap_or((&by.model, ""));
        let brought = application.brought(&by.settings, &by.environment)?;
        let component = component.parse()?;
        let provider = model_selection::provider(application, &component, model, &brought).await?;
        let called = |checked: &Checked| {
            *checked.manifest().id() == component || (!by.no_tools && !checked.manifest().tools().is_empty())
        };
        model_selection::record_led(application, id, called, &brought).await?;
        let system = by.system.clone().or_else(|| configured.and_then(|agent| agent.system.clone()));
        let system = system.or_else(|| config.chat.system.clone());
        let reading = configured.map(|agent| agent.reading).unwrap_or_default();
        let direct = SessionContext::direct(PersonId::owner(), CONSOLE, &agent);
        let context = SessionContext { system, reading, ..direct };
        let events = Events::new(Scope::Run);
        let assistant = assistant_factory::assistant(application, !by.no_tools, &brought.environment, &events).await?;
        let owner = PersonId::owner();
        let asks = Asks { person: &owner, role: PersonRole::Owner, in_group: false };
        let deciders = deciding::deciders(&config.approvals, &asks);
        // Whoever sits there and may not decide is not asked.
        let present = present && deciders.persons.contains(&owner);
        let asked = Asking {
            records: assistant.records.clone(),
            live: application.live(&application.environment),
            alone: Some(owner.clone()),
            group: None,
            present: present.then(|| events.clone()),
            waits: !by.unattended,
            changes: application.changes.clone(),
        };
        let language_model: Arc<dyn LanguageModel> = Arc::new(provider);
        let (person, reply, taken, charged, cancel) = Default::default();
        Ok(Self { assistant, language_model, context, events, asked, deciders, person, reply, taken, charged, cancel })
    }

    /// The same answers to somebody else, with what they may use.
    pub(crate) fn to(self, application: &Application, answered: Answered) -> Self {
        let Answered { context, deciders, person, reply } = answered;
        let SessionContext { system, reading, agent, .. } = self.context;
        let context = SessionContext { system, reading, agent, ..context };
        let Assistant { tools, records, .. } = &self.assistant;
        let model = (self.language_model.component().clone(), self.language_model.model().to_owned());
        let live = application.live(&application.environment);
        let tools = Permitted::new(tools.clone(), live, records.clone(), person.clone(), context.agent.clone(), model);
        let assistant = Assistant { tools: Arc::new(tools), ..self.assistant };
        let in_group = context.audience.is_group();
        let group = reply.as_ref().filter(|_| in_group).map(|reply| reply.address.clone());
        let alone = (!in_group).then(|| person.clone());
        let asked = Asking { alone, group, ..self.asked };
        Self { assistant, context, asked, deciders, person: Some(person), reply, ..self }
    }

    /// The same answers to a message that waits in the inbox, whose sender follows the run.
    pub(crate) fn taking(self, message: InboundId) -> Self {
        Self { taken: vec![message], ..self }
    }

    /// The same answers, which use what the credential of whoever asks may, and end when it is taken back.
    pub(crate) async fn charging(self, application: &Application, by: &Principal) -> Result<Self> {
        Ok(Self { charged: Charged::of(by), cancel: application.work_of(by).await?, ..self })
    }

    /// The conversation, for this run alone; an error where another run has it.
    pub(crate) async fn open(&self, application: &Application, id: &SessionId) -> Result<OwnedMutexGuard<Session>> {
        let busy =
            || error!(Conflict, "session `{id}` is in use: a run goes on in it\nhint: wait, or stop that run first");
        let session = self.kept(application, id).await?.try_lock_owned().map_err(|_| busy())?;
        self.take(id, session)
    }

    /// The same, once no other run has it.
    pub(crate) async fn wait(&self, application: &Application, id: &SessionId) -> Result<OwnedMutexGuard<Session>> {
        let session = self.kept(application, id).await?.lock_owned().await;
        self.take(id, session)
    }

    async fn kept(&self, application: &Application, id: &SessionId) -> Result<Arc<tokio::sync::Mutex<Session>>> {
        Ok(match application.active_runs.session(id) {
            Some(kept) => kept,
            None => {
                let session = Session::open(&self.assistant.records, id, self.context.clone()).await?;
                let none = || error!(NotFound, "there is no session `{id}`\nhint: `cara sessions list` shows them");
                application.active_runs.keep(session.ok_or_else(none)?)
            }
        })
    }

    fn take(&self, id: &SessionId, mut session: OwnedMutexGuard<Session>) -> Result<OwnedMutexGuard<Session>> {
        if *session.person() != self.context.person {
            // Somebody else's is as if it did not exist, also where it is open.
            fail!(NotFound, "there is no session `{id}`\nhint: `cara sessions list` shows them");
        }
        session.answered_by(self.context.clone());
        Ok(session)
    }

    /// Begins to run in a task of its own.
    pub(crate) fn start(
        self,
        application: &Arc<Application>,
        id: RunId,
        mut session: OwnedMutexGuard<Session>,
        input: Option<Input>,
    ) -> Arc<Active> {
        let Self {
            assistant,
            language_model,
            context,
            events,
            asked,
            deciders,
            person,
            reply,
            taken,
            charged,
            cancel,
            ..
        } = self;
        let active = Arc::new(Active::new(session.id().clone(), cancel, events.clone()));
        events.tell(Event::Began { run: id.to_string(), session: session.id().to_string() });
        let watched = application.telemetry.run(&Runner {
            agent: &context.agent,
            component: language_model.component(),
            model: language_model.model(),
            session: session.id().to_string(),
        });
        let (told, heard, changes) = (events, watched.clone(), application.changes.clone());
        let run_context = RunContext {
            person,
            reply,
            taken: taken.clone(),
            charged,
            cancel: active.cancel.clone(),
            gate: active.gate.clone(),
            steering: active.steering.clone(),
            observer: Some(Arc::new(watched.calls())),
            ..RunContext::new(
                Arc::new(move |event| {
                    heard.happened(&event);
                    // Nobody answered, so no use case tells it.
                    if let TurnEvent::ApprovalDecided { id, by, .. } = &event
                        && by == DEADLINE
                    {
                        changes.changed(Topic::Approvals, "approvals.expired", Some(id));
                    }
                    told.tell(Event::Run { event });
                }),
                deciders,
                Arc::new(asked),
            )
        };
        let (within, ending) = (watched.clone(), watched);
        let running = Running::begin(&application.active_runs, id.clone(), &active);
        let task = tokio::spawn(within.during(async move {
            let ended = match input {
                Some(input) => assistant.run_as(id, &mut session, &language_model, input, run_context).await,
                None => match assistant.resume(&mut session, &language_model, run_context).await {
                    Some(ended) => ended,
                    None => Err(Failure::own("ended", "the run ended meanwhile")),
                },
            };
            drop(session);
            ending.ended(ended.as_ref().err());
            if ended.is_err() {
                for message in taken {
                    // Whoever follows is told why; nobody takes it up. One that the run took is settled with it.
                    let _ = assistant.records.drop_inbound(&message, "its run did not begin").await;
                }
            }
            running.end(ended.map_or_else(Ended::Error, Ended::Done));
        }));
        *active.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        active
    }
}
