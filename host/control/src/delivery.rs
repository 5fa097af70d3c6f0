//! Messages of channels: each is taken in once, and answered in the order of
//! its conversation.
//!
//! ```text
//! deliver ─→ who is it? ─→ inbox (durable) ─→ the worker of its session, one run at a time ─→ outbox
//!               └ nobody whom we know: not taken in       └ while one goes on: waits, steers or interrupts
//! ```
//!
//! Who a sender is, and what they may, is asked anew when their message is answered: roles change while messages wait.

use crate::active_runs::Active;
use crate::answering::{self, Answered, Answers, Respondent};
use crate::application::Application;
use crate::chat_answers::{self, Said};
use crate::conversations::Worker;
use crate::deciding::{self, Asks};
use crate::error::{Error, ErrorKind, Result, error};
use crate::model_selection::Naming;
use crate::runs::said;
use crate::variables::Variables;
use cara_assistant::assistant::Steered;
use cara_assistant::conversation::{self, Groups, SessionSettings, Strangers, WhileBusy};
use cara_assistant::outbound::MessageBody;
use cara_assistant::session::title;
use cara_assistant::text::without_secrets;
use cara_assistant::{Audience, Input, Reply, SessionContext, Speaker};
use cara_authority::{ConversationAddress, Label, PersonId, PersonRole, Principal, RunId, Source};
use cara_records::{
    Inbound, InboundId, InboundState, NewConversation, NewInbound, NewOutbound, ReceiveError, Records, RunState,
};
use cara_services::ledger::LedgerError;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Words that begin a session anew.
const NEW: &str = "/new";

/// What is said where a run cannot begin.
const UNANSWERED: &str = "I could not answer: something is not set up, which the owner of this assistant can look up.";

/// What became of a message that a channel handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// It is in the inbox: the platform can be told.
    Taken(InboundId),
    /// It was in the inbox before.
    Again(InboundId),
    /// It is not for the assistant: the platform can be told.
    Ignored,
}

/// A sender, as the registry knows them now.
struct Sender {
    principal: Principal,
    speaker: Speaker,
    audience: Audience,
}

impl Sender {
    /// None for whom the settings ignore.
    async fn of(records: &Records, message: &NewInbound, settings: SessionSettings) -> Result<Option<Self>> {
        let door = format!("{}:{}", message.sender.channel, message.sender.account);
        let address = message.sender.to_string();
        let (principal, speaker) = match records.principal(&message.sender, &door).await? {
            Some(principal) => {
                // Where one person speaks alone nobody is told who it is.
                let people = if message.group { records.people().await? } else { Vec::new() };
                let person = principal.person().clone();
                let name = people.into_iter().find(|known| known.id == person).map(|known| known.name);
                (principal, Speaker { name, person: Some(person), address })
            }
            None if settings.strangers == Strangers::Guest => {
                (records.stranger(&message.sender, &door), Speaker { person: None, name: None, address })
            }
            None => return Ok(None),
        };
        let audience = if message.group { Audience::Group } else { Audience::Person(principal.person().clone()) };
        Ok(Some(Self { principal, speaker, audience }))
    }

    /// Whose the session is.
    fn owner(&self, address: &ConversationAddress) -> PersonId {
        match &self.audience {
            Audience::Person(person) => person.clone(),
            Audience::Group => conversation::group(address),
        }
    }

    /// Where words of the sender come from, to the run that answers them.
    fn source(&self) -> Source {
        if self.speaker.person.is_some() { Source::Owner } else { Source::OtherPerson }
    }

    /// As one who asks.
    fn asks(&self) -> Asks<'_> {
        let Self { principal, audience, .. } = self;
        Asks { person: principal.person(), role: principal.role(), in_group: audience.is_group() }
    }
}

impl Application {
    /// Takes in a message that a channel authenticated, and has it answered. What returns is durable.
    ///
    /// # Errors
    ///
    /// The message was not taken in, and the platform must not be told that it was.
    pub async fn deliver(self: &Arc<Self>, message: NewInbound) -> Result<Delivered> {
        let (records, settings) = (self.records().await?, self.config()?.sessions);
        if let Some(greeted) = self.greeted(&message).await? {
            return Ok(greeted);
        }
        let Some(sender) = Sender::of(records, &message, settings).await? else {
            self.conversations.ignored(&message.sender.to_string());
            return Ok(Delivered::Ignored);
        };
        let is_for_us = match settings.groups {
            _ if !message.group => true,
            Groups::Off => false,
            Groups::Mentioned => message.mentioned,
            Groups::All => true,
        };
        if !is_for_us {
            return Ok(Delivered::Ignored);
        }
        let said = chat_answers::said(&message);
        // Others' messages keep nobody from answering a question.
        let received = match said {
            Some(_) if sender.principal.role() != PersonRole::Guest => records.receive_own(&message).await,
            _ => records.receive(&message).await,
        };
        let received = match received {
            // Whoever fills a conversation keeps nobody else of the account waiting.
            Err(ReceiveError::Full { of_one: true, .. }) => {
                records.enqueue(&full(&message, self.now_ms())).await?;
                return Ok(Delivered::Ignored);
            }
            received => received?,
        };
        let key = settings.scope.key(&message.address, &sender.audience);
        if let (Some(said), false) = (said, received.again) {
            // At once: the run that waits for it may be the one before it in this conversation.
            if let Err(error) = self.answered(&sender, &message, &received.id, said).await {
                tracing::warn!(%error, "an answer in a conversation was not kept, and waits");
            }
        } else if !received.again {
            self.steered_or_interrupted(&key, &sender, &message, &received.id, settings.while_busy);
        }
        // One that came before may still wait: for a password, or for what stood in its way.
        self.answer_all(key, message.address, None);
        Ok(if received.again { Delivered::Again(received.id) } else { Delivered::Taken(received.id) })
    }

    /// Answers what lay in the inbox when the process began.
    pub(crate) async fn answer_waiting(self: &Arc<Self>) -> Result<()> {
        let records = self.records().await?;
        let mut all = Vec::new();
        for run in records.unfinished_runs().await?.into_iter().filter(|run| run.process != self.holder.process) {
            let first = records.inbound_of(&run.id).await?.into_iter().next();
            all.extend(first.map(|first| (first.message, Some(run.id))));
        }
        for waiting in records.waiting_conversations().await? {
            let first = records.waiting_inbound(&waiting.address, 1).await?.pop();
            all.extend(first.map(|first| (first.message, None)));
        }
        for (message, left) in all {
            self.answer_from(message, left).await?;
        }
        Ok(())
    }

    /// Does what a message says about requests, and says what became of it.
    async fn answered(
        self: &Arc<Self>,
        sender: &Sender,
        message: &NewInbound,
        id: &InboundId,
        said: Said,
    ) -> Result<()> {
        let records = self.records().await?;
        let told = self.answered_in_chat(&sender.principal, message, said).await?;
        records.enqueue(&notice(message, id, &told)).await?;
        match records.drop_inbound(id, "an answer to a question").await {
            // The worker of the conversation was as fast, and did the same.
            Err(LedgerError::Conflict { .. }) => Ok(()),
            dropped => Ok(dropped?),
        }
    }

    /// Answers what waits in the conversation of a message. What was said at a terminal waits for whoever said it.
    pub(crate) async fn answer_from(self: &Arc<Self>, message: NewInbound, left: Option<RunId>) -> Result<()> {
        if said::is_own(&message) {
            return Ok(());
        }
        let (records, settings) = (self.records().await?, self.config()?.sessions);
        // Whom nobody knows any more is not answered either.
        let audience = match Sender::of(records, &message, settings).await? {
            Some(sender) => sender.audience,
            None => Audience::Group,
        };
        self.answer_all(settings.scope.key(&message.address, &audience), message.address, left);
        Ok(())
    }

    /// Lets a message into the run that answers its sender's last one, or ends that run for it. Until the run has taken it, it
    /// waits like any other.
    fn steered_or_interrupted(
        &self,
        key: &str,
        sender: &Sender,
        message: &NewInbound,
        id: &InboundId,
        while_busy: WhileBusy,
    ) {
        let workers = self.conversations.workers();
        let Some((person, active)) = workers.get(key).and_then(|worker| worker.runs.as_ref()) else { return };
        if person != sender.principal.person() || words(message).trim() == NEW {
            return;
        }
        match while_busy {
            WhileBusy::Wait => {}
            WhileBusy::Steer => active.steering.push(Steered {
                input: input(message, sender),
                speaker: sender.audience.is_group().then(|| sender.speaker.clone()),
                inbound: vec![id.clone()],
            }),
            WhileBusy::Interrupt => active.cancel.cancel(),
        }
    }

    /// Has a worker answer what waits in a conversation, and what will come until it is done.
    fn answer_all(self: &Arc<Self>, key: String, address: ConversationAddress, left: Option<RunId>) {
        let mut workers = self.conversations.workers();
        if let Some(worker) = workers.get_mut(&key) {
            worker.addresses.insert(address);
            worker.left.extend(left);
            worker.has_more = true;
            return;
        }
        workers.insert(
            key.clone(),
            Worker { addresses: [address].into(), left: left.into_iter().collect(), ..Worker::default() },
        );
        let (application, end) = (self.clone(), self.conversations.ends().clone());
        tokio::spawn(async move {
            let worked = tokio::select! {
                worked = application.work(&key) => worked,
                () = end.cancelled() => Ok(()),
            };
            // Who has answered all has ended as a worker already, and another may have begun.
            if let Err(error) = worked {
                // What waits is answered with the next message, or at the next start.
                tracing::error!(%error, "messages of a conversation wait");
                application.conversations.workers().remove(&key);
            }
        });
    }

    /// Answers messages until none waits.
    async fn work(self: &Arc<Self>, key: &str) -> Result<()> {
        loop {
            let (addresses, left) = match self.conversations.workers().get_mut(key) {
                Some(worker) => {
                    worker.has_more = false;
                    (worker.addresses.clone(), std::mem::take(&mut worker.left))
                }
                None => return Ok(()),
            };
            for run in left {
                self.resume(key, run).await?;
            }
            if let Some(next) = first_of(self.records().await?, &addresses).await? {
                self.answer(key, next).await?;
                continue;
            }
            let mut workers = self.conversations.workers();
            if workers.get(key).is_none_or(|worker| !worker.has_more) {
                workers.remove(key);
                return Ok(());
            }
        }
    }

    /// Goes on with a run that a process which died left, for its sender as they are now.
    async fn resume(self: &Arc<Self>, key: &str, run: RunId) -> Result<()> {
        let (records, settings) = (self.records().await?, self.config()?.sessions);
        let taken = records.inbound_of(&run).await?;
        let Some(last) = taken.last() else { return Ok(()) };
        let ids: Vec<InboundId> = taken.iter().map(|inbound| inbound.id.clone()).collect();
        let Some(sender) = Sender::of(records, &last.message, settings).await? else {
            let why = "nobody knows the sender any more";
            records.end_run(&run, &[], RunState::Interrupted, Some(why), &[]).await?;
            return Ok(());
        };
        match self.run_for(key, &sender, &last.message, ids, Some(run.clone())).await {
            Ok(begun) => self.follow(key, &sender, begun, &last.message.address).await,
            Err(error) if can_wait(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a run could not be taken up");
                let (why, told) = (error.to_string(), notice(&last.message, &last.id, UNANSWERED));
                records.end_run_with(&run, &[], RunState::Failed, Some(&why), &[], &[told]).await?;
            }
        }
        Ok(())
    }

    /// Waits for the end of a run, in which more of its sender's words may be taken; meanwhile the conversation is shown that
    /// an answer is written.
    async fn follow(&self, key: &str, sender: &Sender, active: Arc<Active>, at: &ConversationAddress) {
        if let Some(worker) = self.conversations.workers().get_mut(key) {
            worker.runs = Some((sender.principal.person().clone(), active.clone()));
        }
        tokio::select! {
            () = active.ended() => {}
            () = self.typing(at) => {}
        }
        if let Some(worker) = self.conversations.workers().get_mut(key) {
            worker.runs = None;
        }
    }

    /// Answers one message.
    async fn answer(self: &Arc<Self>, key: &str, inbound: Inbound) -> Result<()> {
        let (records, config) = (self.records().await?, self.config()?);
        let Inbound { id, message, received_ms, .. } = inbound;
        let Some(sender) = Sender::of(records, &message, config.sessions).await? else {
            return Ok(records.drop_inbound(&id, "nobody knows the sender any more").await?);
        };
        if let Some(said) = chat_answers::said(&message) {
            return self.answered(&sender, &message, &id, said).await;
        }
        // A guest ends nobody else's conversation.
        let may_leave = !message.group || sender.principal.role() != PersonRole::Guest;
        if may_leave && words(&message).trim() == NEW {
            records.leave_conversation(key).await?;
            let text = "This is a new conversation; the one before is kept.";
            records.enqueue(&notice(&message, &id, text)).await?;
            return Ok(records.drop_inbound(&id, NEW).await?);
        }
        self.leave_if_over(key, config.sessions, received_ms).await?;
        match self.run_for(key, &sender, &message, vec![id.clone()], None).await {
            Ok(active) => {
                self.follow(key, &sender, active, &message.address).await;
                // A run that did not begin took nothing: to try at once again would be to try for ever.
                match records.inbound(&id).await? {
                    Some(inbound) if inbound.state == InboundState::Waiting => Err(error!(
                        Conflict,
                        "the run for a message did not begin\nhint: `cara status` shows what goes on"
                    )),
                    _ => Ok(()),
                }
            }
            Err(error) if can_wait(&error) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "a message could not be answered");
                records.enqueue(&notice(&message, &id, UNANSWERED)).await?;
                Ok(records.drop_inbound(&id, "it could not be answered").await?)
            }
        }
    }

    /// Begins the run that answers messages, or goes on with the one that was left.
    async fn run_for(
        self: &Arc<Self>,
        key: &str,
        sender: &Sender,
        message: &NewInbound,
        inbound: Vec<InboundId>,
        left: Option<RunId>,
    ) -> Result<Arc<Active>> {
        let (records, config) = (self.records().await?, self.config()?);
        let brought = self.brought(&BTreeMap::new(), &Variables::default())?;
        let rights = config.role.of(Some(sender.principal.role()));
        let agent = rights.agent(config.chat.agent.as_deref()).to_owned();
        let chosen = answering::chosen(self, &config, &rights, &agent, Naming::Grants, &brought).await?;
        let respondent = Respondent {
            model: format!("{}:{}", chosen.id, chosen.model),
            agent: Some(agent.clone()),
            no_tools: rights.have_no_tools(),
            ..Respondent::default()
        };
        let person = sender.owner(&message.address);
        let channel = &*message.address.channel;
        let context = SessionContext {
            audience: sender.audience.clone(),
            speaker: sender.audience.is_group().then(|| sender.speaker.clone()),
            remembers: !sender.audience.is_group() || config.sessions.group_memory,
            ..SessionContext::direct(person.clone(), channel, &agent)
        };
        let text_units = self.channel_facts(&message.address.channel).map(|channel| channel.text_units);
        let reply =
            Reply { address: message.address.clone(), inbound, to: Some(message.platform_id.clone()), text_units };
        let before = match &left {
            Some(run) => records.run(run).await?.map(|run| run.session),
            None => records.conversation(key).await?,
        };
        let begins = left.is_none();
        let run = left.map_or_else(Records::fresh_run, Ok)?;
        let answered = Answered {
            context,
            deciders: deciding::deciders(&config.approvals, &sender.asks()),
            person: sender.principal.person().clone(),
            reply: Some(reply),
        };
        let answers = Answers::of(self, &run, &respondent, false).await?.to(self, answered);
        let session = match before {
            Some(session) => session,
            None => {
                let known = self.services.egress.known();
                let title = title(&without_secrets(known, &words(message)));
                let new = NewConversation { key, person: &person, channel, agent: &agent, title: &title };
                records.begin_conversation(&new).await?
            }
        };
        let session = answers.wait(self, &session).await?;
        let beginning = self.active_runs.begin().await;
        let _beginning = beginning.ok_or_else(|| error!(Unknown, "the process that holds the home is ending"))?;
        Ok(answers.start(self, run, session, begins.then(|| input(message, sender))))
    }
}

/// Whether a message is answered once somebody gives the password, or by the next process.
fn can_wait(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::VaultLocked | ErrorKind::Unknown)
}

/// The message of these conversations that waits longest.
async fn first_of(records: &Records, addresses: &BTreeSet<ConversationAddress>) -> Result<Option<Inbound>> {
    let mut next: Option<Inbound> = None;
    for address in addresses {
        let first = records.waiting_inbound(address, 1).await?.pop();
        let earlier = |first: &Inbound| next.as_ref().is_none_or(|next| first.received_ms < next.received_ms);
        next = first.filter(earlier).or(next);
    }
    Ok(next)
}

/// What a conversation is told, once in a while, in which too many messages wait.
fn full(message: &NewInbound, now_ms: u64) -> NewOutbound {
    let text = "Too many messages wait here already, so I do not take in more. Send again later what still matters.";
    NewOutbound {
        address: message.address.clone(),
        by: "host".to_owned(),
        key: format!("full {} {}", message.address, now_ms / (10 * 60 * 1_000)),
        answers: None,
        run: None,
        body: json!(MessageBody::text(text)),
        label: Label::of(Source::Operator),
    }
}

/// A message of the host's own in a conversation.
pub(crate) fn notice(message: &NewInbound, id: &InboundId, text: &str) -> NewOutbound {
    let body = MessageBody { reply_to: Some(message.platform_id.clone()), ..MessageBody::text(text) };
    NewOutbound {
        address: message.address.clone(),
        by: "host".to_owned(),
        key: id.to_string(),
        answers: Some(id.clone()),
        run: None,
        body: json!(body),
        label: Label::of(Source::Operator),
    }
}

/// The words of a message.
pub(crate) fn words(message: &NewInbound) -> String {
    let body = serde_json::from_value::<MessageBody>(message.body.clone());
    body.map(|body| body.shown().join("\n")).unwrap_or_default()
}

/// A message as a run is told of it. What the channel says of it counts too, such as that others wrote what is quoted.
fn input(message: &NewInbound, sender: &Sender) -> Input {
    let label = match sender.source() {
        own @ Source::Owner if message.label == Label::NONE => Label::of(own),
        source => Label::of(source).of_another().join(&message.label),
    };
    Input::default().and_said(label, words(message))
}
