//! A whole assistant over a temporary ledger,
//! with every tool that comes with the program.
//!
//! ```text
//! Stage: World (ledger, home) ─ Internet (in memory) ─ Outbox ─→ Assistant
//!   Scripted: a model   Judge: who is asked   Heard: what was told
//! ```

mod internet;
mod models;
mod people;

pub use internet::{Internet, Page};
pub use models::{Reply, Scripted, shown_to_model};
pub use people::{Heard, Judge, Outbox, owner};

use crate::Testbed;
use cara_assistant::budget::{Amount, Budgets, RoleBudgets};
use cara_assistant::guards::Guards;
use cara_assistant::toolbox::{BUILT_IN, Belief, Fixed};
use cara_assistant::{
    ApprovalSettings, Approvals, Assistant, Reading, Rules, RunLimits, Session, SessionContext, Toolbox,
};
use cara_authority::limits::Time;
use cara_authority::{Grants, Manifest, PersonId, SessionId};
use cara_kernel::Component;
use cara_records::{ContentKey, Records};
use cara_services::egress::{Egress, Transport};
use cara_signing::Package;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where the search tool asks.
pub const ENGINE: &str = "engine.example";

/// The operator's instructions in every test.
pub const SYSTEM: &str = "You are an assistant. Be brief.";

/// How an assistant is set up.
pub struct Setup {
    /// The `[policy]` table.
    pub policy: String,
    /// What may be spent.
    pub budgets: Budgets,
    /// How far a run may go.
    pub limits: RunLimits,
    /// How long a request for approval stands.
    pub patience: Duration,
    /// What tools may read of the configuration.
    pub configuration: Value,
    /// What looks at text.
    pub guards: Guards,
    /// Components that are treated as strangers': their results are not believed. A guest of the tests is offered only when
    /// it is named here; its own server is `https://ID.example`.
    pub strangers: Vec<&'static str>,
    /// How the agent reads what strangers wrote.
    pub reading: Reading,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: String::new(),
            // People of a test are in no registry, and are no guests.
            budgets: Budgets {
                role: RoleBudgets { guest: Amount::default(), ..RoleBudgets::default() },
                ..Budgets::default()
            },
            limits: RunLimits::default(),
            patience: Duration::from_secs(600),
            configuration: json!({ "chat": { "model": "scripted:script" } }),
            guards: Guards::default(),
            strangers: Vec::new(),
            reading: Reading::Direct,
        }
    }
}

/// An assistant, and all there is around it.
pub struct Fixture {
    /// The host.
    pub testbed: Testbed,
    /// The assistant.
    pub assistant: Assistant,
    /// Where its connections go.
    pub internet: Internet,
    /// Where its messages go.
    pub outbox: Outbox,
    reading: Reading,
}

type Tools = Vec<(Arc<Component>, Arc<Grants>)>;

/// The tools, loaded once a process.
async fn tools() -> &'static Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    TOOLS
        .get_or_init(|| async {
            let testbed = Testbed::new().await;
            let load = |manifest: Manifest| {
                let mut wanted = testbed.first_party(manifest.id().as_str());
                if manifest.id().as_str() == "search" {
                    wanted = wanted.setting("engine", "searxng").setting("searxng-url", format!("https://{ENGINE}"));
                }
                let subject = wanted.load();
                (subject.component, subject.grants)
            };
            let manifests = cara_bundle::components().iter().map(|built_in| {
                let package = Package::read(built_in.wasm).unwrap();
                Manifest::parse(package.manifest()).unwrap()
            });
            manifests.filter(|manifest| !manifest.tools().is_empty()).map(load).collect()
        })
        .await
}

impl Fixture {
    /// Sets one up as it is by default.
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// Sets one up.
    ///
    /// # Panics
    /// When it cannot be.
    pub async fn with(setup: Setup) -> Self {
        let mut testbed = Testbed::new().await;
        let (internet, outbox) = (Internet::default(), Outbox::default());
        let (resolver, dial) = (Arc::new(internet.clone()), Arc::new(internet.clone()));
        let transport = Transport { resolver, dial, roots: Internet::roots() };
        testbed.services.egress = Egress::new(testbed.services.egress.known().clone(), transport);
        let records = Records::open(&testbed.services.ledger, ContentKey::new([9; 32].into())).await.unwrap();
        let mut toolbox = Toolbox::default();
        for (component, grants) in tools().await {
            let strangers = setup.strangers.iter().any(|id| *id == component.id().as_str());
            toolbox
                .add(component, grants, &Belief { signer: BUILT_IN.into(), component: !strangers, ..Belief::default() })
                .unwrap();
        }
        let built_in = |id: &str| cara_bundle::components().iter().any(|built_in| built_in.id == id);
        for id in setup.strangers.iter().filter(|id| !built_in(id)) {
            let guest = testbed.guest(id).setting("base-url", format!("https://{id}.example")).load();
            toolbox.add(&guest.component, &guest.grants, &Belief::default()).unwrap();
        }
        let assistant = Assistant {
            services: testbed.services.clone(),
            approvals: Approvals::new(
                records.clone(),
                testbed.services.clock,
                &ApprovalSettings { deadline: Time(setup.patience), ..ApprovalSettings::default() },
            ),
            outbound: outbox.outbound(&records),
            records,
            tools: Arc::new(Fixed(Arc::new(toolbox))),
            rules: Rules { policy: toml::from_str(&setup.policy).unwrap(), budgets: setup.budgets }.into(),
            limits: setup.limits,
            guards: setup.guards,
            classifier: None,
            configuration: Arc::new(setup.configuration),
            process: "p-one".into(),
            time_zone: Some("Europe/Oslo".into()),
        };
        Self { testbed, assistant, internet, outbox, reading: setup.reading }
    }

    /// The assistant of the next process on the same home.
    #[must_use]
    pub fn restarted(&self) -> Assistant {
        let Assistant { services, records, approvals, rules, limits, guards, .. } = &self.assistant;
        Assistant {
            services: services.clone(),
            records: records.clone(),
            approvals: approvals.clone(),
            tools: self.assistant.tools.clone(),
            rules: rules.clone(),
            limits: *limits,
            guards: guards.clone(),
            classifier: None,
            outbound: self.assistant.outbound.clone(),
            configuration: self.assistant.configuration.clone(),
            process: "p-two".into(),
            time_zone: self.assistant.time_zone.clone(),
        }
    }

    /// Begins a conversation of a person.
    ///
    /// # Panics
    /// When the ledger fails.
    pub async fn session(&self, person: &str) -> Session {
        Session::begin(&self.assistant.records, self.session_context(person), "test").await.unwrap()
    }

    /// Opens one as after a restart.
    ///
    /// # Panics
    /// When it is not this person's.
    pub async fn reopened(&self, id: &SessionId, person: &str) -> Session {
        Session::open(&self.assistant.records, id, self.session_context(person)).await.unwrap().unwrap()
    }

    fn session_context(&self, person: &str) -> SessionContext {
        SessionContext { reading: self.reading, ..session_context(person) }
    }
}

/// Who speaks with whom in the tests.
///
/// # Panics
/// When this is no person's id.
#[must_use]
pub fn session_context(person: &str) -> SessionContext {
    let direct = SessionContext::direct(PersonId::parse(person).unwrap(), "terminal", "main");
    SessionContext { system: Some(SYSTEM.into()), reading: Reading::Direct, ..direct }
}
