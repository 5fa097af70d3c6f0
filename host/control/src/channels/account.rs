//! An account of a channel, met with what is granted and set at each call.

use crate::accounts::Traffic;
use crate::application::Application;
use crate::component_settings::as_text;
use crate::current_components::LiveComponent;
use crate::error::{Error, ErrorKind, Result as Done, error};
use cara_assistant::language_model::Granted;
use cara_assistant::outbound::{MessageBody, Piece};
use cara_authority::{
    AccountId, ChannelGrant, ComponentId, ConversationAddress, Grants, Label, PersonAddress, Refusal, Rule, Source,
};
use cara_channels::{Account, Channel, Failure, SendError, Trouble};
use cara_kernel::bindings::channel::{self, Action, Delivery, Event, Handled, Identity, Request, Response, Started};
use cara_kernel::bindings::inbox::Inbound;
use cara_kernel::bindings::types::{self, Address, ErrorKind as Kind};
use cara_kernel::exports::Returned;
use cara_kernel::{CallServices, Component, Fault, HostServices, Inbox};
use cara_records::{DeliveryClass, NewInbound, Outbound};
use cara_services::vault::SecretId;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// One account of a channel.
#[derive(Clone)]
pub(crate) struct LiveAccount {
    application: Weak<Application>,
    id: ComponentId,
    account: AccountId,
    traffic: Arc<Traffic>,
    /// Settings in the place of those that are configured.
    set: Option<BTreeMap<String, String>>,
}

/// What a call of an account needs.
struct Call {
    component: Arc<Component>,
    grants: Arc<Grants>,
    services: CallServices,
}

/// Why a call of an account gave no answer.
struct Failed {
    kind: Kind,
    text: String,
    retry: bool,
    retry_after: Option<Duration>,
    /// Whether the host refused something on the way.
    refused: bool,
}

impl Failed {
    fn own(text: impl Into<String>) -> Self {
        Self { kind: Kind::Fault, text: text.into(), retry: true, retry_after: None, refused: false }
    }

    fn of(error: types::Error, refusals: &[Refusal]) -> Self {
        let types::Error { kind, message, retry, retry_after_ms } = error;
        // What the host refused names its cure, whatever the component made of it.
        let text = refusals.first().map_or(message, ToString::to_string);
        Self {
            kind,
            text,
            retry,
            retry_after: retry_after_ms.map(Duration::from_millis),
            refused: !refusals.is_empty(),
        }
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        let Failed { kind, text, retry_after, .. } = failed;
        Self { text, retry_after, refused: kind == Kind::Auth }
    }
}

fn answered<T>(answered: Result<Returned<Result<T, types::Error>>, Fault>) -> Result<T, Failed> {
    let Returned { answer, refusals, .. } = answered.map_err(|fault| Failed::own(fault.to_string()))?;
    answer.map_err(|error| Failed::of(error, &refusals))
}

impl LiveAccount {
    pub(crate) fn new(
        application: Weak<Application>,
        id: ComponentId,
        account: AccountId,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self { application, id, account, traffic, set: None }
    }

    /// The same with these settings, whatever is configured.
    pub(super) fn with(self, settings: BTreeMap<String, String>) -> Self {
        Self { set: Some(settings).filter(|settings| !settings.is_empty()), ..self }
    }

    fn application(&self) -> Done<Arc<Application>> {
        self.application.upgrade().ok_or_else(|| error!(Unknown, "the process ends"))
    }

    async fn call(&self) -> Result<Call, Failed> {
        self.prepared().await.map_err(|error| {
            let kind = if error.kind == ErrorKind::VaultLocked { Kind::Auth } else { Kind::Fault };
            Failed { kind, ..Failed::own(error.to_string()) }
        })
    }

    async fn prepared(&self) -> Done<Call> {
        let application = self.application()?;
        let config = application.config()?;
        let own = config.channel.get(&self.id).and_then(|accounts| accounts.get(&self.account));
        let configured = own.map(|own| own.settings.iter().map(|(key, value)| (key.clone(), as_text(value))).collect());
        let set = self.set.clone().or(configured);
        let live = application.live(&application.environment);
        self.open_vault(&application).await?;
        let component = LiveComponent { live, id: self.id.clone(), set: set.unwrap_or_default() };
        let (component, grants) =
            component.now().await.map_err(|failure| Error::new(ErrorKind::Conflict, failure.message))?;
        let account = Some(self.account.clone());
        let services = CallServices { account, host_services: HostServices::default(), ..application.services.clone() };
        Ok(Call { component, grants, services })
    }

    /// Opens the vault, if a secret of this account is in it.
    pub(super) async fn open_vault(&self, application: &Application) -> Done<()> {
        for secret in application.checked(&self.id)?.manifest().secrets() {
            let id = SecretId::component(self.id.clone(), secret.name.clone()).of(Some(self.account.clone()));
            if application.vault.at_hand(&id)?.is_none() && application.vault.holds(&id)? {
                let vault = application.vault.clone();
                tokio::task::spawn_blocking(move || vault.get(&id)).await??;
            }
        }
        Ok(())
    }

    /// Shows that an answer is written; whether it makes sense to do so again.
    pub(super) async fn shows_typing(&self, me: Identity, at: &ConversationAddress) -> bool {
        let Ok(call) = self.call().await else { return false };
        let typing = Action::Typing(address(at));
        answered(call.component.act(&call.grants, &call.services, self.me(me), typing).await).is_ok()
    }

    fn me(&self, me: Identity) -> channel::Account {
        channel::Account { id: self.account.to_string(), me }
    }
}

#[async_trait::async_trait]
impl Account for LiveAccount {
    async fn start(&self) -> Result<Started, Trouble> {
        let call = self.call().await?;
        Ok(answered(call.component.start_account(&call.grants, &call.services).await)?)
    }

    async fn on_event(&self, me: Identity, event: Event) -> Result<Handled, Trouble> {
        let mut call = self.call().await?;
        // Here alone messages come in.
        let inbox = LiveInbox { application: self.application.clone(), traffic: self.traffic.clone() };
        call.services.host_services.inbox = Some(Arc::new(inbox));
        Ok(answered(call.component.on_event(&call.grants, &call.services, self.me(me), event).await)?)
    }

    async fn request(&self, request: &Request) -> Result<Response, Trouble> {
        let call = self.call().await?;
        let response = call.component.request(&call.grants, &call.services, request).await;
        let response = response.map_err(|fault| Failed::own(fault.to_string()))?;
        Ok(response.map_err(|error| Failed::of(error, &[]))?)
    }
}

/// Takes in what a channel hands in.
struct LiveInbox {
    application: Weak<Application>,
    traffic: Arc<Traffic>,
}

#[async_trait::async_trait]
impl Inbox for LiveInbox {
    async fn deliver(&self, by: ChannelGrant, account: &AccountId, messages: Vec<Inbound>) -> Result<(), Refusal> {
        let gone = || Refusal::new(Rule::Cancelled, "the process ends");
        let application = self.application.upgrade().ok_or_else(gone)?;
        for message in messages {
            let Some(message) = stamped(&by, account, message)? else { continue };
            application.deliver(message).await.map_err(|error| {
                tracing::warn!(channel = %by.component(), %error, "a message was not taken in");
                Refusal::new(Rule::Unavailable, "the message cannot be taken in now").hint("hand it in again later")
            })?;
            self.traffic.came(application.services.clock.now_ms());
        }
        Ok(())
    }
}

/// A message as the host takes it in: where it came is what the host knows, not what the component says. None that a program
/// sent: two assistants would talk to each other for ever.
fn stamped(by: &ChannelGrant, account: &AccountId, message: Inbound) -> Result<Option<NewInbound>, Refusal> {
    let Inbound { address, message_id, sender_id, sender_name, group, mentioned, automated, quoted, content, sent_ms } =
        message;
    if automated {
        return Ok(None);
    }
    let (channel, account) = (by.component().to_string(), account.to_string());
    let Address { conversation, thread, .. } = address;
    let address = ConversationAddress { channel: channel.clone(), account: account.clone(), conversation, thread };
    let sender = PersonAddress { channel, account, user: sender_id };
    let invalid =
        |what: &str| Refusal::new(Rule::Invalid, format!("{what} of a message is empty, too long or no text"));
    let address = ConversationAddress::parse(&address.to_string()).map_err(|_| invalid("the conversation"))?;
    let sender = PersonAddress::parse(&sender.to_string()).map_err(|_| invalid("the sender"))?;
    if message_id.is_empty() || message_id.len() > MOST_ID {
        return Err(invalid("the id"));
    }
    let body = MessageBody { parts: content.into_iter().map(Piece::from).collect(), reply_to: None };
    let sender_name = sender_name.map(|name| name.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect());
    let label = if quoted { Label::of(Source::OtherPerson) } else { Label::NONE };
    let body = json!(body);
    let platform_id = message_id;
    Ok(Some(NewInbound { address, sender, sender_name, platform_id, group, mentioned, body, label, sent_ms }))
}

/// The longest id of a message, bytes.
const MOST_ID: usize = 512;

/// The longest name of a sender, characters.
const MOST_NAME: usize = 100;

/// All accounts of a channel, as the outbox sends to them.
pub(crate) struct LiveChannel {
    pub(crate) application: Weak<Application>,
    pub(crate) id: ComponentId,
    name: String,
}

impl LiveChannel {
    pub(crate) fn new(application: Weak<Application>, id: ComponentId) -> Self {
        Self { application, name: id.to_string(), id }
    }

    /// The account of an address, if it was connected, and who it is there.
    fn connected(&self, account: &str) -> Result<(LiveAccount, Identity), SendError> {
        let absent = |text: String| SendError::new(Failure::Absent, text);
        let not_connected = || absent(format!("account `{account}` is not connected"));
        let application = self.application.upgrade().ok_or_else(|| absent("the process ends".to_owned()))?;
        let account = AccountId::parse(account).map_err(|_| not_connected())?;
        let (traffic, state) = application.accounts.find(&self.id, &account).ok_or_else(not_connected)?;
        let me = state.me.ok_or_else(not_connected)?;
        Ok((LiveAccount::new(self.application.clone(), self.id.clone(), account, traffic), me))
    }
}

fn address(to: &ConversationAddress) -> Address {
    let ConversationAddress { channel, account, conversation, thread } = to.clone();
    Address { channel, account, conversation, thread }
}

/// What is known of a message after an error: of what may have left for the platform nobody knows whether it got there.
fn judged(failed: Failed, sent: bool) -> SendError {
    let failure = match failed.kind {
        // What the host refused came before or after; what the platform refused it did not take.
        Kind::Auth | Kind::RateLimit | Kind::Overloaded if !(sent && failed.refused) => Failure::NotSent,
        Kind::Refused | Kind::BadRequest | Kind::Unsupported | Kind::ContextTooLong if !failed.retry => {
            Failure::Refused
        }
        _ if sent => Failure::Unsure,
        _ => Failure::NotSent,
    };
    SendError { failure, retry_after: failed.retry_after, text: failed.text }
}

#[async_trait::async_trait]
impl Channel for LiveChannel {
    fn name(&self) -> &str {
        &self.name
    }

    /// What an account said last; before it ever was connected nothing is sent to it.
    fn class(&self, account: &str) -> Option<DeliveryClass> {
        let application = self.application.upgrade()?;
        let (_, state) = application.accounts.find(&self.id, &AccountId::parse(account).ok()?)?;
        Some(match state.delivery {
            Some(Delivery::Keyed(window_ms)) => DeliveryClass::Keyed { window_ms },
            Some(Delivery::Checkable) => DeliveryClass::Checkable,
            Some(Delivery::Blind) | None => DeliveryClass::Blind,
        })
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        let to = &message.message.address;
        let (account, me) = self.connected(&to.account)?;
        let body: MessageBody = serde_json::from_value(message.message.body.clone())
            .map_err(|error| SendError::new(Failure::Refused, format!("the message has another form: {error}")))?;
        let content = body.parts.into_iter().map(Piece::into_content).collect::<Option<Vec<_>>>();
        let content = content.ok_or_else(|| SendError::new(Failure::Refused, "a file of the message is damaged"))?;
        let wanted = types::Outbound { content, reply_to: body.reply_to, idempotency_key: message.id.to_string() };
        let sent = Arc::new(AtomicU32::new(0));
        let done = async {
            let mut call = account.call().await?;
            call.services.host_services.sent = Some(sent.clone());
            answered(
                call.component.send_message(&call.grants, &call.services, account.me(me), address(to), wanted).await,
            )
        };
        match done.await {
            Ok(receipt) => {
                account.traffic.went(message.queued_ms.max(account.now_ms()));
                Ok(receipt.message_id)
            }
            Err(failed) => {
                account.traffic.failed(&failed.text);
                Err(judged(failed, sent.load(Ordering::Relaxed) > 0))
            }
        }
    }

    async fn confirm(&self, to: &ConversationAddress, key: &str) -> Result<Option<String>, SendError> {
        let (account, me) = self.connected(&to.account)?;
        let done = async {
            let call = account.call().await?;
            let asked = call.component.confirm_message(
                &call.grants,
                &call.services,
                account.me(me),
                address(to),
                key.to_owned(),
            );
            answered(asked.await)
        };
        let found = done.await.map_err(|failed| judged(failed, false))?;
        Ok(found.map(|receipt| receipt.message_id))
    }
}

impl LiveAccount {
    fn now_ms(&self) -> u64 {
        self.application.upgrade().map_or(0, |application| application.services.clock.now_ms())
    }
}
