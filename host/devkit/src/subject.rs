//! A component under test: in the real kernel, signed with a key of the
//! moment, in a world made for one call or a few.

use crate::error::DevkitError;
use crate::testnet::Testnet;
use cara_authority::manifest::{Manifest, Tool};
use cara_authority::settings::BadSetting;
use cara_authority::{
    AccountId, Action, Approved, Capability, Decision, Grants, Label, PersonId, Policy, Provenance, Refusal, Rule,
    SecretGrant, SessionId, Settings, Situation, Source, Ticket, ToolAuthority, ToolCall,
};
use cara_kernel::bindings::provider::{Request, ResponseFormat, ToolChoice};
use cara_kernel::bindings::tool::Context;
use cara_kernel::bindings::types::{Message, Part, Role};
use cara_kernel::{CallServices, Checked, Component, HostServices, Kernel, SecretSource};
use cara_sdk_sign::{SecretKey, sign};
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets};
use cara_services::ledger::Ledger;
use cara_services::vault::SecretValue;
use cara_signing::{Package, TrustStore, TrustedKey};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A component, loaded.
pub struct Subject {
    pub(crate) component: Arc<Component>,
    checked: Arc<Checked>,
}

impl Subject {
    /// Signs, checks and loads it.
    pub async fn load(kernel: &Kernel, package: &Package) -> Result<Self, DevkitError> {
        let key = SecretKey::generate()?;
        let mut trust = TrustStore::empty();
        trust.add(TrustedKey::new(key.public(), "check", vec!["*".parse()?]))?;
        let bundle = sign(package, &key);
        let verified = cara_signing::verify(package.clone(), &bundle, &trust, None)?;
        let checked = Arc::new(Checked::new(verified)?);
        let (loader, loading) = (kernel.clone(), checked.clone());
        let loaded = tokio::task::spawn_blocking(move || loader.load(loading, None)).await??;
        Ok(Self { component: Component::new(kernel, loaded), checked })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        self.checked.manifest()
    }

    /// Its settings, with these values over its defaults.
    pub fn settings(&self, values: &BTreeMap<String, Value>) -> Result<Settings, BadSetting> {
        self.checked.manifest().settings(values)
    }

    /// All it asks for under these settings.
    pub fn requested(&self, settings: &Settings) -> Vec<Capability> {
        self.checked.manifest().requested(settings)
    }

    /// What it may do when this is granted.
    pub fn grants(&self, settings: &Settings, granted: &[Capability]) -> Arc<Grants> {
        let (manifest, interfaces) = (self.checked.manifest(), self.checked.interfaces());
        Arc::new(Grants::intersect(manifest, interfaces, granted, settings.clone(), &Default::default()))
    }

    /// The model its manifest names.
    pub fn default_model(&self) -> String {
        self.checked.manifest().provider().map(|provider| provider.default_model.clone()).unwrap_or_default()
    }

    /// A call, approved as a person at a desk would.
    pub fn call(&self, tool: &Tool, arguments: &Value) -> Result<Approved<ToolCall>, DevkitError> {
        let call = ToolCall {
            component: self.checked.manifest().id().clone(),
            digest: *self.checked.package().digest().as_bytes(),
            tool: tool.name.clone(),
            arguments: cara_authority::tool_call::canonical(arguments),
            destinations: Vec::new(),
            servers: Vec::new(),
            session: SessionId::parse("s-check")?,
        };
        let authority = self.checked.authority().tool(&tool.name);
        let effects = authority.map(ToolAuthority::effects).unwrap_or_default();
        let person = PersonId::parse("local:author")?;
        let decision: Decision = Policy::default().decide(&Situation {
            call: &call,
            full_name: &call.tool,
            unclear: false,
            effects: &effects,
            agent: "main",
            channel: "console",
            person: &person,
            seen: &Label::of(Source::Owner),
            provenance: (!tool.destination.is_empty()).then_some(Provenance::Owner),
            followed: 0,
            dictated: false,
            queries: false,
        });
        let binding = call.binding();
        Ok(match decision.then() {
            Action::Allow => Approved::by_policy(call, &decision)?,
            _ => Approved::by_person(call, &decision, &Ticket { binding })?,
        })
    }
}

/// Where a call comes from, as a tool is told.
pub(crate) fn context() -> Context {
    Context { session: "s-check".into(), run: "r-check".into(), time_zone: Some("Europe/Oslo".into()), language: None }
}

/// A request for an answer to one text.
pub(crate) fn asked(model: String, text: &str) -> Request {
    Request {
        model,
        system: None,
        messages: vec![Message { role: Role::User, parts: vec![Part::Text(text.to_owned())] }],
        tools: Vec::new(),
        tool_choice: ToolChoice::None,
        parallel_tool_calls: None,
        response_format: ResponseFormat::Text,
        max_output_tokens: Some(64),
        temperature: None,
        top_p: None,
        top_k: None,
        presence_penalty: None,
        frequency_penalty: None,
        seed: None,
        stop: Vec::new(),
        effort: None,
    }
}

/// The world around a component: the gates, with nothing of this machine behind them.
pub(crate) struct Outside {
    pub(crate) services: CallServices,
    _folder: tempfile::TempDir,
}

impl Outside {
    /// One with this network, these secrets, and these answers of a person.
    pub(crate) fn new(stage: &Testnet, secrets: Secrets, host_services: HostServices) -> Result<Self, DevkitError> {
        let folder = tempfile::tempdir().map_err(DevkitError::Folder)?;
        let clock = Clock::system();
        let services = CallServices {
            egress: Egress::new(KnownSecrets::new(), stage.transport()),
            secrets: Arc::new(secrets),
            ledger: Arc::new(Ledger::lazy(folder.path().join("ledger.db"), clock, [7; 32].into())),
            clock,
            account: None,
            host_services,
        };
        Ok(Self { services, _folder: folder })
    }
}

/// The secrets of a test.
pub(crate) enum Secrets {
    /// Every secret has a value that means nothing.
    Any,
    /// These settings, and no other.
    These(BTreeMap<String, String>),
}

#[async_trait::async_trait]
impl SecretSource for Secrets {
    async fn value(&self, grant: &SecretGrant, _: Option<&AccountId>) -> Result<Arc<SecretValue>, Refusal> {
        let unavailable = |text: String| Refusal::new(Rule::Unavailable, text);
        let name = grant.name().as_str();
        let value = match self {
            Self::Any => "a value that means nothing",
            Self::These(values) => {
                values.get(name).ok_or_else(|| unavailable(format!("secret `{name}` is not set in this test")))?
            }
        };
        SecretValue::new(value.as_bytes().to_vec()).map(Arc::new).map_err(|error| unavailable(error.to_string()))
    }
}
