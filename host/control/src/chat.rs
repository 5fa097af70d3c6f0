//! What a conversation begins with: who answers, with which tools, and where
//! it goes on.

use crate::allowed::{self, hears_everything};
use crate::application::Application;
use crate::assistant_factory;
use crate::error::{Error, ErrorKind, Result, error, fail};
use crate::event::Events;
use crate::model_selection::{self, Naming};
use crate::names::AGENT;
use crate::operation::{Operation, Route};
use crate::runs::{Respondent, said};
use crate::sessions;
use crate::variables::{Brought, Variables};
use cara_assistant::part::{Body, Part};
use cara_assistant::{LanguageModel, ModelName};
use cara_authority::{ComponentId, Label, PersonId, Principal, SessionId};
use cara_records::{Records, Role, RunState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest piece of an exchange that is shown, characters.
const SNIPPET: usize = 400;

/// Chooses who answers, grants what naming them grants, and finds the conversation.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OpenChat {
    /// The model, as `provider:model` or `provider`; that of the conversation, the agent or the configuration, or what can
    /// be found, when left out.
    pub model: Option<String>,
    /// The model that answered before in the same conversation: its provider is asked whether it has the one that is named,
    /// and the settings are its own.
    pub in_place_of: Option<String>,
    /// Settings of the provider.
    pub settings: BTreeMap<String, String>,
    /// Environment variables of the caller, for this request alone; `environment.wanted` says which count.
    pub environment: Variables,
    /// The agent.
    pub agent: Option<String>,
    /// The conversation to go on with.
    pub session: Option<String>,
    /// Go on with the conversation that changed last.
    pub last: bool,
    /// Components whose tools are switched on: that grants what their manifests ask.
    pub tools: Vec<String>,
    /// Offer the model no tools.
    pub no_tools: bool,
}

/// Who answers, and where the conversation stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OpenedChat {
    /// The model, as `provider:model`.
    pub model: String,
    /// Tokens that prompt and answer have together.
    pub context_tokens: u32,
    /// The agent.
    pub agent: String,
    /// The tools that the model is offered.
    pub tools: Vec<String>,
    /// Whether tools need secrets out of the vault, and it waits for its password: `vault.unlock` takes it.
    pub vault_is_locked: bool,
    /// The conversation that goes on.
    pub session: Option<Conversation>,
}

/// A conversation that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Conversation {
    /// The session's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// What a model that is shown it has seen.
    pub label: Label,
    /// The last message of the person, cut.
    pub asked: Option<String>,
    /// The last answer, cut.
    pub answered: Option<String>,
    /// A run that was interrupted and can be resumed.
    pub interrupted: Option<String>,
}

impl OpenChat {
    /// Has another model answer in place of this one, with all else as it is.
    pub fn with_model(model: &str, by: &Respondent) -> Self {
        let Respondent { model: before, settings, environment, agent, no_tools, .. } = by.clone();
        let (model, in_place_of) = (Some(model.to_owned()), Some(before));
        Self { model, in_place_of, settings, environment, agent, no_tools, ..Self::default() }
    }

    /// Whether another provider is named than the one whose the settings are.
    fn leaves_provider(&self, named: Option<&ModelName>) -> bool {
        let before = self.in_place_of.as_deref().map(provider_of);
        matches!((before, named), (Some(before), Some(named)) if before != named.component.as_str())
    }
}

impl Operation for OpenChat {
    type View = OpenedChat;
    const ROUTE: Route =
        Route::post("chat.open", "/control/v1/chat", "Choose who answers, and find the conversation to go on with.")
            .chat();

    async fn run(self, application: &Arc<Application>, by: &Principal, events: &Events) -> Result<Self::View> {
        let config = application.config()?;
        let agent = self.agent.clone().or_else(|| config.chat.agent.clone()).unwrap_or_else(|| AGENT.to_owned());
        allowed::agent(by, &agent)?;
        let means = Naming::by(by);
        if !(means == Naming::Grants
            || self.tools.is_empty() && self.settings.is_empty() && self.environment.0.is_empty())
        {
            return Err(allowed::only_admin("tools, settings and variables of a conversation"));
        }
        let configured = config.agent.get(&agent);
        if configured.is_none() && agent != AGENT {
            let known: Vec<String> = config.agent.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let cure = match &self.agent {
                // No word of a command that is copied does anything else than it says.
                Some(named) if named.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)) => {
                    format!("; `cara config set agent.{named}.system TEXT` makes it")
                }
                Some(_) => String::new(),
                None => "; `cara config unset chat.agent` goes back to `main`".to_owned(),
            };
            fail!(NotFound, "there is no agent `{agent}`\nhint: configured are {known}{cure}");
        }
        application.in_use.say(events);
        application.check_components()?;
        let named: Option<ModelName> = self.model.as_deref().map(str::parse).transpose()?;
        let same = application.brought(&self.settings, &self.environment)?;
        let brought = match self.leaves_provider(named.as_ref()) {
            true => application.brought(&BTreeMap::new(), &self.environment)?,
            false => same.clone(),
        };
        // The vault is needed first where the key of the conversations is in it.
        let records = application.records().await?;
        if hears_everything(by) {
            application.console.show_waiting(records, events).await?;
        }
        let session = conversation(application, records, by, self.session.as_deref(), self.last).await?;
        let of_agent = configured.and_then(|agent| agent.model.clone());
        let before = match &session {
            Some(session) if named.is_none() && of_agent.is_none() => {
                used(application, records, &SessionId::parse(&session.id)?).await?
            }
            _ => None,
        };
        application.plugins.compile_all(events).await?;
        let chosen = match (named.or(of_agent), before) {
            (Some(named), _) => {
                let act = match (&self.model, &self.in_place_of) {
                    (Some(_), None) => "--model names it",
                    (Some(_), Some(_)) => "/model names it",
                    (None, _) => "the configuration names it",
                };
                match model_selection::naming(application, &named, means, &brought, act, events).await {
                    Err(error) if error.kind == ErrorKind::NotFound => {
                        return Err(meant(application, self.in_place_of.as_deref(), &named, &same)
                            .await
                            .unwrap_or(error));
                    }
                    chosen => chosen?,
                }
            }
            (None, Some(before)) => {
                model_selection::say_led(application, &*application.checked(&before.id)?, &brought, events).await?;
                before
            }
            (None, None) => model_selection::choose(application, None, means, &brought, events).await?,
        };
        if let Some(why) = &chosen.why {
            events.note(why);
        }
        let ids = self.tools.iter().map(|id| ComponentId::parse(id)).collect::<std::result::Result<Vec<_>, _>>()?;
        assistant_factory::prepare(application, &ids, means, &brought.environment, events).await?;
        let provider = model_selection::provider(application, &chosen.id, &chosen.model, &brought).await?;
        application.plugins.read_ahead(&chosen.id).await?;
        let tools = match self.no_tools {
            true => Vec::new(),
            false => assistant_factory::say_tools(application, &brought.environment, events).await?,
        };
        let vault_is_locked =
            !self.no_tools && assistant_factory::is_vault_locked(application, &brought.environment).await?;
        Ok(OpenedChat {
            model: format!("{}:{}", chosen.id, chosen.model),
            context_tokens: provider.context_tokens,
            agent,
            tools,
            vault_is_locked,
            session,
        })
    }
}

/// The provider in a model's name.
fn provider_of(model: &str) -> &str {
    model.split_once(':').map_or(model, |(provider, _)| provider)
}

/// The error of a name that is no provider's and that of a model which the provider of before has.
async fn meant(application: &Application, before: Option<&str>, named: &ModelName, brought: &Brought) -> Option<Error> {
    let id = ComponentId::parse(provider_of(before?)).ok()?;
    let provider = model_selection::provider(application, &id, "", brought).await.ok()?;
    let said = named.to_string();
    let offered = provider.models().await.ok()?;
    offered
        .iter()
        .any(|model| model.id == said)
        .then(|| error!(NotFound, "there is no provider `{}`\nhint: did you mean `{id}:{said}`?", named.component))
}

/// The conversation that was asked for.
async fn conversation(
    application: &Application,
    records: &Records,
    by: &Principal,
    session: Option<&str>,
    last: bool,
) -> Result<Option<Conversation>> {
    let owner = PersonId::owner();
    let session = match session {
        Some(id) => {
            let found = sessions::find(records, &SessionId::parse(id)?).await?;
            if found.person != owner {
                fail!(NotFound, "there is no session `{id}`\nhint: `cara sessions list` shows them");
            }
            allowed::agent(by, &found.agent)?;
            found
        }
        None if last => {
            let recent = records.recent_sessions(Some(&owner), 1).await?;
            let none = || error!(NotFound, "there is no conversation to go on with\nhint: `cara chat` begins one");
            let found = recent.into_iter().next().ok_or_else(none)?;
            allowed::agent(by, &found.agent)?;
            found
        }
        None => return Ok(None),
    };
    let runs = records.runs(&session.id).await?;
    let interrupted = runs.iter().rfind(|run| run.state == RunState::Running);
    let interrupted = interrupted.filter(|run| application.active_runs.run(&run.id).is_none());
    let interrupted = match interrupted {
        Some(run) => Some(run.id.clone()),
        None => said::left_in(application, &session.id).await?,
    };
    let from = session.messages.saturating_sub(20).max(1);
    let messages = records.messages(&session.id, from, 32).await?;
    let said = |role: Role| {
        let of_role = messages.iter().rev().filter(|message| message.role == role);
        of_role.filter_map(|message| serde_json::from_value::<Vec<Part>>(message.body.clone()).ok()).find_map(|parts| {
            let words = parts.iter().filter_map(|part| match &part.body {
                Body::Text { text } => Some(text.as_str()),
                _ => None,
            });
            let words = words.collect::<String>();
            (!words.trim().is_empty()).then(|| cut(&words))
        })
    };
    Ok(Some(Conversation {
        asked: said(Role::User),
        answered: said(Role::Assistant),
        id: session.id.to_string(),
        title: session.title,
        label: session.label,
        interrupted: interrupted.map(|run| run.to_string()),
    }))
}

fn cut(text: &str) -> String {
    let mut cut: String = text.trim().chars().take(SNIPPET).collect();
    if cut.len() < text.trim().len() {
        cut.push('…');
    }
    cut
}

/// The model that a conversation is answered by, if it can still be called. It keeps the grants it has.
async fn used(
    application: &Application,
    records: &Records,
    session: &SessionId,
) -> Result<Option<model_selection::Chosen>> {
    let Some(model) = records.model(session).await? else { return Ok(None) };
    let Some((id, model)) = model.split_once(':') else { return Ok(None) };
    let id = ComponentId::parse(id)?;
    let usable = application.installed()?.usable.contains_key(&id);
    Ok(usable.then(|| model_selection::Chosen { id, model: model.to_owned(), why: None }))
}
