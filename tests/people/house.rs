//! A home with people, and a channel on which they talk, played in one
//! process.

use cara_assistant::outbound::MessageBody;
use cara_authority::{
    ApprovalId, ConversationAddress, Decider, Label, PersonAddress, PersonId, PersonRole, Principal, Scope, Source,
};
use cara_channels::{Channel, SendError};
use cara_control::config::SetSetting;
use cara_control::tokens::CreateToken;
use cara_control::tools::EnableTools;
use cara_control::{Application, BuiltIn, Delivered, Embedded, Events, HomeLock, Operation, Options, Role};
use cara_records::{DeliveryClass, NewInbound, Outbound, Records};
use cara_services::egress::KnownSecrets;
use cara_services::home::Home;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{OnceCell, watch};

/// The channels. On the second, people are known where a test says so.
pub(crate) const CHANNELS: [&str; 2] = ["chat", "post"];

/// How long an answer may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A home in which everything was compiled: each other one gets a copy of the cache and of the key it is authenticated with.
static COMPILED: OnceCell<TempDir> = OnceCell::const_new();

async fn compiled() -> TempDir {
    let house = House::bare("order = \"any\"\n[[turn]]\nstep = [{ text = \"Hello.\" }]\n", "", None).await;
    house.knows("anna", PersonRole::Member, "anna").await;
    house.asks(Said::alone("anna", "hello")).await;
    house.application.close().await;
    house.folder
}

fn copy(from: &Path, to: &Path) {
    for name in ["cache", "keys"] {
        let (from, to) = (from.join("home").join(name), to.join(name));
        fs::create_dir_all(&to).unwrap();
        fs::set_permissions(&to, Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let is_key = !name.to_string_lossy().contains("compiled") && to.ends_with("keys");
            if !is_key && entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(name)).unwrap();
            }
        }
    }
}

/// What was sent: where to, and what.
type Sent = Arc<watch::Sender<Vec<(String, String)>>>;

/// A channel: it remembers what was sent, each key once.
pub(crate) struct Chat {
    name: &'static str,
    /// What was sent on all channels.
    sent: Sent,
    /// The questions to those who decide, apart.
    asked: Sent,
    keys: Mutex<BTreeSet<String>>,
}

impl Chat {
    fn on(name: &'static str, sent: &Sent, asked: &Sent) -> Arc<Self> {
        Arc::new(Self { name, sent: sent.clone(), asked: asked.clone(), keys: Mutex::default() })
    }
}

#[async_trait::async_trait]
impl Channel for Chat {
    fn name(&self) -> &str {
        self.name
    }

    fn class(&self, _: &str) -> Option<DeliveryClass> {
        Some(DeliveryClass::Keyed { window_ms: 3_600_000 })
    }

    async fn send(&self, message: &Outbound) -> Result<String, SendError> {
        if self.keys.lock().unwrap().insert(message.id.to_string()) {
            let body: MessageBody = serde_json::from_value(message.message.body.clone()).unwrap();
            let said = (message.message.address.to_string(), body.shown().join("\n"));
            let to = if message.message.by == "approvals" { &self.asked } else { &self.sent };
            to.send_modify(|all| all.push(said));
        }
        Ok(message.id.to_string())
    }

    async fn confirm(&self, _: &ConversationAddress, _: &str) -> Result<Option<String>, SendError> {
        Ok(None)
    }
}

/// The home.
pub(crate) struct House {
    pub(crate) application: Arc<Application>,
    chats: [Arc<Chat>; 2],
    sent: Sent,
    asked: Sent,
    folder: TempDir,
    number: AtomicU64,
}

/// A message of somebody: who, in which conversation of which channel, what.
#[derive(Clone)]
pub(crate) struct Said<'a> {
    pub(crate) channel: &'a str,
    pub(crate) user: &'a str,
    pub(crate) room: &'a str,
    pub(crate) group: bool,
    pub(crate) text: &'a str,
    /// What the channel says of it.
    pub(crate) label: Label,
}

impl<'a> Said<'a> {
    /// In a conversation with the assistant alone.
    pub(crate) fn alone(user: &'a str, text: &'a str) -> Self {
        Self { channel: "chat", user, room: user, group: false, text, label: Label::NONE }
    }

    /// In the group, to the assistant.
    pub(crate) fn in_group(user: &'a str, text: &'a str) -> Self {
        Self { channel: "chat", user, room: "group", group: true, text, label: Label::NONE }
    }

    /// In a conversation with the assistant alone, with words that the channel says others wrote.
    pub(crate) fn quoted(user: &'a str, text: &'a str) -> Self {
        Self { label: Label::of(Source::OtherPerson), ..Self::alone(user, text) }
    }

    /// The conversation.
    pub(crate) fn conversation(&self) -> String {
        format!("{}:main:{}", self.channel, self.room)
    }

    /// As a channel hands it in.
    pub(crate) fn message(&self, platform_id: &str, sent_ms: u64) -> NewInbound {
        NewInbound {
            address: ConversationAddress::parse(&self.conversation()).unwrap(),
            sender: address_on(self.channel, self.user),
            sender_name: Some("The Owner".into()),
            platform_id: platform_id.into(),
            group: self.group,
            mentioned: true,
            body: json!(MessageBody::text(self.text)),
            label: self.label.clone(),
            sent_ms,
        }
    }
}

impl House {
    /// A home whose model plays a script, with more configuration.
    pub(crate) async fn new(script: &str, config: &str) -> Self {
        let compiled = COMPILED.get_or_init(compiled).await;
        Self::bare(script, config, Some(compiled.path())).await
    }

    async fn bare(script: &str, config: &str, compiled: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home");
        let home = Home::at(&path).unwrap();
        compiled.iter().for_each(|compiled| copy(compiled, &path));
        let mut settings = toml::Table::new();
        settings.insert("script".into(), script.into());
        let settings = toml::to_string(&settings).unwrap();
        let text = format!(
            "[chat]\nmodel = \"rehearsal:script\"\n[vault]\nstore = \"file\"\n{config}\n[component.rehearsal.settings]\n{settings}"
        );
        fs::write(path.join("config.toml"), text).unwrap();
        let (sent, asked) = (Arc::new(watch::Sender::new(Vec::new())), Arc::new(watch::Sender::new(Vec::new())));
        let chats = CHANNELS.map(|name| Chat::on(name, &sent, &asked));
        let application = open(&home, &chats).await;
        Self { application, chats, sent, asked, folder, number: AtomicU64::new(0) }
    }

    /// The same home in another process, after this one left what it was doing.
    pub(crate) async fn reopened(self) -> Self {
        let Self { application, chats, sent, asked, folder, number } = self;
        application.close().await;
        drop(application);
        let application = open(&Home::at(folder.path().join("home")).unwrap(), &chats).await;
        Self { application, chats, sent, asked, folder, number }
    }

    /// A family: the owner and two members, a guest, and a stranger whom nobody named.
    pub(crate) async fn family(script: &str, config: &str) -> Self {
        let house = Self::new(script, config).await;
        for (id, role) in [("anna", PersonRole::Member), ("ben", PersonRole::Member), ("gus", PersonRole::Guest)] {
            house.knows(id, role, id).await;
        }
        let records = house.records().await;
        records.link_address(&PersonId::owner(), &address("olga"), "a test").await.unwrap();
        house
    }

    /// Somebody is known by an address.
    pub(crate) async fn knows(&self, id: &str, role: PersonRole, user: &str) {
        let (person, records) = (PersonId::parse(id).unwrap(), self.records().await);
        records.name_person(&person, id, role, "a test").await.unwrap();
        records.link_address(&person, &address(user), "a test").await.unwrap();
    }

    /// What is kept.
    pub(crate) async fn records(&self) -> Records {
        self.application.records().await.unwrap().clone()
    }

    /// Does a use case for the owner.
    pub(crate) async fn does<O: Operation>(&self, operation: O) -> cara_control::Result<O::View> {
        operation.run(&self.application, &Principal::of_account("a test"), &Events::nobody()).await
    }

    /// Switches tools on.
    pub(crate) async fn enables(&self, component: &str) {
        let enable = EnableTools { components: vec![component.into()], environment: Default::default() };
        self.does(enable).await.unwrap();
    }

    /// Hands in a message; each has an id of its own.
    pub(crate) async fn says(&self, said: Said<'_>) -> Delivered {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.repeats(said, &number.to_string()).await
    }

    /// Hands in a message of this id.
    pub(crate) async fn repeats(&self, said: Said<'_>, platform_id: &str) -> Delivered {
        self.application.deliver(said.message(platform_id, u64::MAX)).await.unwrap()
    }

    /// What was sent so far, and what will be.
    pub(crate) fn sent(&self) -> watch::Receiver<Vec<(String, String)>> {
        self.sent.subscribe()
    }

    /// All that was sent by when so many messages were.
    pub(crate) async fn hears(&self, messages: usize) -> Vec<(String, String)> {
        let mut sent = self.sent.subscribe();
        let all = sent.wait_for(|sent| sent.len() >= messages);
        let all = tokio::time::timeout(PATIENCE, all).await;
        all.map_or_else(|_| panic!("{:?}", self.sent.borrow()), |all| all.unwrap().clone())
    }

    /// All questions that were sent by when so many were: to which conversation, and the text.
    pub(crate) async fn is_asked(&self, questions: usize) -> Vec<(String, String)> {
        let mut asked = self.asked.subscribe();
        let all = asked.wait_for(|asked| asked.len() >= questions);
        let all = tokio::time::timeout(PATIENCE, all).await;
        all.map_or_else(|_| panic!("{:?}", self.asked.borrow()), |all| all.unwrap().clone())
    }

    /// Says something, and waits for the one answer.
    pub(crate) async fn asks(&self, said: Said<'_>) -> String {
        let before = self.sent.borrow().len();
        let room = said.conversation();
        self.says(said).await;
        let (to, text) = self.hears(before + 1).await.pop().unwrap();
        assert_eq!(to, room);
        text
    }

    /// Plays another script from now on.
    pub(crate) async fn plays(&self, script: &str) {
        let set = SetSetting { key: "component.rehearsal.settings.script".into(), value: script.into() };
        self.does(set).await.unwrap();
    }

    /// Somebody on the channel, as one who decides.
    pub(crate) async fn decider(&self, user: &str) -> Decider {
        let principal = self.records().await.principal(&address(user), "chat:main").await.unwrap();
        principal.unwrap().deciding("chat:main")
    }

    /// Waits until somebody is asked.
    pub(crate) async fn waits_for_approval(&self) -> ApprovalId {
        let records = self.records().await;
        let asked = async {
            loop {
                if let Some(asked) = records.waiting_approvals().await.unwrap().pop() {
                    return asked.id;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap()
    }

    /// Ends it.
    pub(crate) async fn close(self) {
        self.application.close().await;
    }
}

/// The application of a home, with its channels.
async fn open(home: &Home, chats: &[Arc<Chat>]) -> Arc<Application> {
    let embedded = |built_in: &cara_bundle::Embedded| Embedded {
        id: built_in.id,
        wasm: built_in.wasm,
        manifest: built_in.manifest,
        digest: built_in.digest,
        bundle: built_in.bundle_json,
    };
    let components = cara_bundle::components().iter().map(embedded).collect();
    let began = std::time::Instant::now();
    // Tasks of the application before let go of the home when they end.
    let lock = loop {
        match HomeLock::take(home).unwrap() {
            Some(lock) => break lock,
            None if began.elapsed() > PATIENCE => panic!("the home is held"),
            None => std::thread::yield_now(),
        }
    };
    let application = Application::open(Options {
        lock,
        built_in: BuiltIn::new(components, cara_bundle::public_key()).unwrap(),
        store: None,
        known: KnownSecrets::new(),
        command: "a test".into(),
        role: Role::Command,
    });
    let application = application.unwrap();
    for chat in chats {
        application.attach_channel(chat.clone()).await.unwrap();
    }
    application
}

/// Somebody on the first channel.
pub(crate) fn address(user: &str) -> PersonAddress {
    address_on(CHANNELS[0], user)
}

/// Somebody on a channel.
pub(crate) fn address_on(channel: &str, user: &str) -> PersonAddress {
    PersonAddress::parse(&format!("{channel}:main:{user}")).unwrap()
}

/// A token for these uses, to be made.
pub(crate) fn token(scopes: &[Scope]) -> CreateToken {
    let (agents, tokens_per_day, expires_in_ms, person, certificate, tailnet) = Default::default();
    let (name, scopes) = ("program".to_owned(), scopes.iter().copied().collect());
    CreateToken { name, scopes, agents, tokens_per_day, expires_in_ms, person, certificate, tailnet }
}
