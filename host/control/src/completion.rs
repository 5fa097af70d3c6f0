//! Answers to programs: a model as it is, an agent with all that it has, or
//! vectors.
//!
//! It must not know a wire format: what OpenAI, Anthropic and Ollama call things is a door's. A program that names a model
//! talks to that alone: its own tools go to the model and come back as calls, nothing is kept of what is said, and what is
//! used is metered by person and credential. One that names an agent begins a run, in a conversation of its own.
//!
//! ```text
//! Completion ─→ naming: who may name what ─┬─ model ─→ secrets, guards, budget ─→ provider ─→ Answer ─→ door
//!                     (prepared once)      └─ agent ─→ session, run ───────────────────────→ Answer ─→ door
//!                                              usage and audit: journal ─→ ledger, in groups ←─ its end
//! ```

mod account;
mod agent;
mod answer;
mod finish;
mod naming;
mod prepared;
mod unanswered;
mod words;

pub use answer::Answer;
pub use finish::Finish;
pub use naming::{OfferedModel, is_agent};
pub use unanswered::{Unanswered, Why};

use crate::allowed;
use crate::application::Application;
use crate::call_journal::Journal;
use crate::configuration::Config;
use crate::error::{Result, fail};
use crate::telemetry::model_call::Operation;
use account::Account;
use answer::Raw;
use cara_assistant::program::{Program, ProgramMeter, instruct};
use cara_assistant::{Guards, LanguageModel, Provider};
use cara_authority::{PersonRole, Principal, Scope};
use naming::Named;
use std::sync::Arc;

/// What requests and answers are made of, as the contract has it.
pub mod parts {
    pub use cara_kernel::bindings::provider::{
        Effort, EmbedRequest, Embeddings, JsonSchema, Request, ResponseFormat, StopReason, ToolChoice,
    };
    pub use cara_kernel::bindings::turn::{Event, ToolFragment, ToolStart};
    pub use cara_kernel::bindings::types::{
        Blob, CachePoint, Content, Detail, Image, Message, Part, Role, Thought, ToolCall, ToolDefinition, ToolResult,
    };
}

/// The most texts that are turned into vectors at once.
pub const MOST_TEXTS: usize = 256;

/// What a program asks.
pub struct Completion {
    /// Who answers: `provider:model`, a model that one provider alone offers, or `agent:NAME`.
    pub model: String,
    /// What the program wants of the model, beside the conversation. It is the operator's instruction only where the
    /// credential may say so.
    pub instructions: String,
    /// The conversation and how it is to be answered; `model` and `system` are this module's to fill in.
    pub request: parts::Request,
}

/// What is to be turned into vectors.
pub struct Embedding {
    /// Which model does it, as for [`Completion`].
    pub model: String,
    /// The texts.
    pub inputs: Vec<String>,
    /// Numbers in each vector; the model's own count where nothing is said.
    pub dimensions: Option<u32>,
}

/// Vectors of texts.
pub struct Embedded {
    /// The model, as `provider:model`.
    pub model: String,
    /// One for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of the texts.
    pub tokens: u64,
}

/// Whether what a program wants beside the conversation, such as its instructions and its trace, is the operator's word.
pub fn speaks_for_operator(by: &Principal) -> bool {
    by.role() == PersonRole::Owner && by.has(Scope::Operate)
}

/// What names the program's credential.
fn credential(by: &Principal) -> String {
    by.credential().map_or_else(|| by.door().to_owned(), ToString::to_string)
}

/// Refuses a program whose credential is for other things.
fn let_in(by: &Principal, named: &Named) -> Result<()> {
    match named {
        Named::Agent(agent) => allowed::agent(by, agent),
        Named::Model(..) if by.allowance().agents.is_some() => {
            fail!(
                Refused,
                "this credential is for agents alone\nhint: name one, as `agent:main`; `cara token list` shows for which it is"
            )
        }
        Named::Model(..) => Ok(()),
    }
}

impl Application {
    /// Begins an answer to a program.
    ///
    /// # Errors
    ///
    /// What was named is not there or not for this person, a secret stands in what was said, or a budget has no room.
    pub async fn complete(self: &Arc<Self>, by: &Principal, completion: Completion) -> Result<Answer, Unanswered> {
        allowed::require(by, Scope::Chat, "a model")?;
        words::check(&completion.request)?;
        let prepared = self.prepared().await?;
        let named = prepared.named(self, by, &completion.model).await?;
        let_in(by, &named)?;
        match named {
            Named::Agent(agent) => Ok(agent::begin(self, by, &agent, completion).await?.into()),
            Named::Model(component, model) => {
                let provider = prepared.provider(self, &component, &model).await?;
                Ok(self.ask(by, &prepared.config, &provider, completion).await?.into())
            }
        }
    }

    /// Asks a model, and nothing else.
    async fn ask(
        &self,
        by: &Principal,
        config: &Config,
        provider: &Provider,
        completion: Completion,
    ) -> Result<Raw, Unanswered> {
        let Completion { instructions, mut request, .. } = completion;
        let journal = self.journal().await?;
        journal.check()?;
        let operator = speaks_for_operator(by);
        words::refuse_secrets(self, &instructions, &request)?;
        let guards = Guards::from(&config.guards);
        let seen = words::examined(&guards, by, operator, &instructions, &request);
        request.model.clone_from(&provider.model);
        instruct(&mut request, instructions, operator)?;
        let wanted = config.run.answer_tokens.min(provider.context_tokens / 4).max(64);
        let meter = self.program_meter().await?;
        let program = self.program(by);
        let metered = meter.begin(program.clone(), provider, &mut request, wanted).await?;
        let call = self.telemetry.calls().begin(Operation::Chat, &provider.id, &provider.model);
        let account = Account::open(journal, program, provider, metered, seen, call)?;
        Ok(Raw::new(provider, request, guards.output, account))
    }

    /// Turns texts into vectors.
    ///
    /// # Errors
    ///
    /// As for [`Application::complete`]; and the provider has none.
    pub async fn embed(self: &Arc<Self>, by: &Principal, embedding: Embedding) -> Result<Embedded, Unanswered> {
        allowed::require(by, Scope::Chat, "a model")?;
        let Embedding { model, inputs, dimensions } = embedding;
        if inputs.is_empty() || inputs.len() > MOST_TEXTS {
            let text = format!("{} texts are asked for\nhint: send 1 to {MOST_TEXTS} at once", inputs.len());
            return Err(Unanswered::new(Why::Invalid, text));
        }
        let journal = self.journal().await?;
        journal.check()?;
        let prepared = self.prepared().await?;
        let named = prepared.named(self, by, &model).await?;
        let_in(by, &named)?;
        let Named::Model(component, model) = named else {
            let text = "an agent makes no vectors\nhint: name a model that does";
            return Err(Unanswered::new(Why::Invalid, text));
        };
        let provider = prepared.provider(self, &component, &model).await?;
        for text in &inputs {
            words::refuse_secret(self, text)?;
        }
        let request = parts::EmbedRequest { model: model.clone(), inputs, dimensions };
        let meter = self.program_meter().await?;
        let program = self.program(by);
        let metered = meter.begin_embedding(program.clone(), &*provider, &request).await?;
        let seen = words::Seen::of_texts(by);
        let call = self.telemetry.calls().begin(Operation::Embeddings, &provider.id, &provider.model);
        let mut account = Account::open(journal, program, &provider, metered, seen, call)?;
        match provider.embed(request).await {
            Ok(parts::Embeddings { vectors, input_tokens, model: answered, .. }) => {
                account.counted(input_tokens);
                account.answered(&answered, None);
                let tokens = account.spent().input;
                account.settle("embedded", &[])?;
                Ok(Embedded { model: format!("{component}:{model}"), vectors, tokens })
            }
            Err(failure) => {
                account.settle(&failure.kind, &[])?;
                Err(failure.into())
            }
        }
    }

    /// What a program may name, by name.
    ///
    /// # Errors
    ///
    /// The configuration or the ledger cannot be read. A provider that does not answer is left out.
    pub async fn offered_models(self: &Arc<Self>, by: &Principal) -> Result<Vec<OfferedModel>, Unanswered> {
        allowed::require(by, Scope::Chat, "the models")?;
        let mut offered = self.prepared().await?.offered(self, by).await?;
        offered.retain(|model| match model.id.strip_prefix("agent:") {
            Some(agent) => by.may_talk_to(agent),
            None => by.allowance().agents.is_none(),
        });
        Ok(offered)
    }

    /// The time as RFC 3339 has it.
    pub fn now_text(&self) -> String {
        let at = i64::try_from(self.now_ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.unwrap_or_default().to_string()
    }

    fn program(&self, by: &Principal) -> Program {
        let (process, person) = (self.holder.process.clone(), by.person().clone());
        Program { process, person, credential: credential(by), tokens_per_day: by.allowance().tokens_per_day }
    }

    async fn program_meter(&self) -> Result<ProgramMeter> {
        let records = self.records().await?.clone();
        Ok(ProgramMeter { records, rules: self.settings.rules().into(), clock: self.services.clock })
    }

    async fn journal(&self) -> Result<Arc<Journal>> {
        let open = async { Journal::open(self.home(), self.records().await?, self.services.clock) };
        Ok(self.journal.get_or_try_init(|| open).await?.clone())
    }
}
