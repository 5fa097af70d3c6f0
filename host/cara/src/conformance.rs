//! The conformance kit: what every component of a kind has to do, whatever
//! it is for.
//!
//! It is called in the real kernel, signed with a key of the moment, with a closed network. A component passes when no
//! call ends in a fault: it may answer with an error at any time, but it must not trap, hang or pass a limit because a
//! power was not granted, a server does not answer, or somebody calls it oddly.

use crate::candidate::Candidate;
use anyhow::{Result, anyhow};
use cara_authority::manifest::Tool;
use cara_authority::{
    Approved, Capability, Decision, Grants, Label, PersonId, Policy, Refusal, SecretGrant, SessionId, Settings,
    Situation, Source, Standing, Then, Ticket, ToolCall, ToolName,
};
use cara_kernel::bindings::provider::{EmbedRequest, Request, ToolChoice};
use cara_kernel::bindings::tool::Context;
use cara_kernel::bindings::types::{Message, Part, Role};
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_kernel::{CallServices, Checked, Component, Fault, Kernel, NoTurn, SecretSource};
use cara_services::clock::Clock;
use cara_services::egress::{Dial, Doors, Egress, KnownSecrets, Resolver, Roots, Wire};
use cara_services::ledger::Ledger;
use cara_services::vault::SecretValue;
use cara_signing::{SecretKey, TrustStore, TrustedKey, sign};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::mpsc;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Tried {
    /// What.
    pub(crate) what: String,
    /// How it ended, when that was a fault.
    pub(crate) fault: Option<String>,
    /// What it answered, in short.
    pub(crate) answered: Option<String>,
}

/// Tries everything that a component of its kinds has to stand.
pub(crate) async fn check(kernel: &Kernel, candidate: &Candidate) -> Result<Vec<Tried>> {
    let subject = Subject::new(kernel, candidate).await?;
    let mut tried = Vec::new();
    for (powers, granted) in [("nothing granted", Vec::new()), ("all granted", subject.wishes.clone())] {
        let grants = subject.grants(&granted);
        if candidate.manifest.provider().is_some() {
            subject.provider(powers, &grants, &mut tried).await;
        }
        for tool in candidate.manifest.tools() {
            subject.tool(powers, &grants, tool, &mut tried).await?;
        }
    }
    Ok(tried)
}

/// A component under test, in a world without a network.
struct Subject {
    component: Arc<Component>,
    checked: Arc<Checked>,
    settings: Settings,
    wishes: Vec<Capability>,
    services: CallServices,
    _folder: tempfile::TempDir,
}

impl Subject {
    async fn new(kernel: &Kernel, candidate: &Candidate) -> Result<Self> {
        let key = SecretKey::generate()?;
        let mut trust = TrustStore::empty();
        trust.add(TrustedKey::new(key.public(), "check", vec!["*".parse()?])?)?;
        let bundle = sign(&candidate.package, &key);
        let verified = cara_signing::verify(candidate.package.clone(), &bundle, &trust, None)?;
        let checked = Arc::new(Checked::new(verified)?);
        let (loader, loading) = (kernel.clone(), checked.clone());
        let loaded = tokio::task::spawn_blocking(move || loader.load(loading, None)).await??;
        let component = Component::new(kernel, loaded);
        let settings = checked.manifest().settings(&Default::default())?;
        let folder = tempfile::tempdir()?;
        let clock = Clock::system();
        let known = KnownSecrets::new();
        let doors = Doors { resolver: Arc::new(Closed), dial: Arc::new(Closed), roots: Roots::None };
        let services = CallServices {
            egress: Egress::new(known.clone(), doors),
            secrets: Arc::new(Dummy),
            ledger: Arc::new(Ledger::lazy(folder.path().join("ledger.db"), clock, [7; 32].into())),
            clock,
            known,
            powers: Arc::new(NoTurn),
        };
        let wishes = checked.manifest().wishes(&settings);
        Ok(Self { component, checked, settings, wishes, services, _folder: folder })
    }

    fn grants(&self, granted: &[Capability]) -> Arc<Grants> {
        let (manifest, interfaces) = (self.checked.manifest(), self.checked.interfaces());
        Arc::new(Grants::meet(manifest, interfaces, granted, self.settings.clone(), &Default::default()))
    }

    async fn provider(&self, powers: &str, grants: &Arc<Grants>, tried: &mut Vec<Tried>) {
        let models = self.component.models(grants, &self.services).await;
        tried.push(told(
            format!("models, {powers}"),
            models.map(|called| called.answer.map(|m| format!("{} models", m.len()))),
        ));
        for (what, text) in
            [("a question", "hello"), ("an empty message", ""), ("odd characters", "\u{0}\u{202e}🦀\u{fffd}")]
        {
            let request = Request {
                model: self.checked.manifest().provider().map(|p| p.default_model.clone()).unwrap_or_default(),
                system: None,
                messages: vec![Message { role: Role::User, parts: vec![Part::Text(text.to_owned())] }],
                tools: Vec::new(),
                tool_choice: ToolChoice::None,
                max_output_tokens: Some(64),
                temperature: None,
                stop: Vec::new(),
                effort: None,
            };
            let (sender, mut events) = mpsc::channel(EVENTS_AHEAD);
            let listening = tokio::spawn(async move { while events.recv().await.is_some() {} });
            let called = self.component.complete(grants, &self.services, request, sender).await;
            let _ = listening.await;
            let called = called.map(|called| called.answer.map(|outcome| format!("an answer of `{}`", outcome.model)));
            tried.push(told(format!("complete with {what}, {powers}"), called));
        }
        let request = EmbedRequest { model: String::new(), inputs: vec!["hello".into()] };
        let embedded = self.component.embed(grants, &self.services, request).await;
        let embedded = embedded.map(|called| called.answer.map(|vectors| format!("{} vectors", vectors.len())));
        tried.push(told(format!("embed, {powers}"), embedded));
    }

    async fn tool(&self, powers: &str, grants: &Arc<Grants>, tool: &Tool, tried: &mut Vec<Tried>) -> Result<()> {
        let unknown = Tool { name: ToolName::parse("no_such_tool")?, ..tool.clone() };
        for (what, tool, arguments) in [
            ("as its schema wants it", tool, sample(&tool.input)),
            ("without arguments", tool, json!({})),
            ("under a name it does not have", &unknown, json!({})),
        ] {
            let call = self.call(tool, &arguments)?;
            let context = Context {
                session: "s-check".into(),
                run: "r-check".into(),
                time_zone: Some("Europe/Oslo".into()),
                language: None,
            };
            let called = self.component.call_tool(grants, &self.services, &call, context).await;
            let called = called.map(|called| called.answer.map(|content| format!("{} parts", content.len())));
            tried.push(told(format!("`{}` {what}, {powers}", tool.name), called));
        }
        Ok(())
    }

    /// The call, approved as a person at a desk would.
    fn call(&self, tool: &Tool, arguments: &Value) -> Result<Approved<ToolCall>> {
        let call = ToolCall {
            component: self.checked.manifest().id().clone(),
            digest: *self.checked.package().digest().as_bytes(),
            tool: tool.name.clone(),
            arguments: cara_authority::approval::canonical(arguments),
            destination: None,
            session: SessionId::parse("s-check")?,
        };
        let person = PersonId::parse("local:author")?;
        let decision: Decision = Policy::default().decide(&Situation {
            call: &call,
            tool,
            agent: "main",
            channel: "console",
            person: &person,
            seen: Label::of(Source::Owner),
            standing: tool.destination.as_ref().map(|_| Standing::Written),
            followed: 0,
        });
        let binding = call.binding();
        let approved = match decision.then() {
            Then::Run => Approved::by_policy(call, &decision),
            _ => Approved::by_person(call, &decision, &Ticket { binding }),
        };
        approved.map_err(|refused| anyhow!("{refused}"))
    }
}

fn told(what: String, called: Result<Result<String, cara_kernel::bindings::types::Error>, Fault>) -> Tried {
    match called {
        Ok(Ok(answer)) => Tried { what, fault: None, answered: Some(answer) },
        Ok(Err(error)) => Tried { what, fault: None, answered: Some(format!("the error: {}", error.message)) },
        Err(fault) => Tried { what, fault: Some(fault.cause().to_string()), answered: None },
    }
}

/// Arguments that a schema could want: the least that has every required property.
fn sample(schema: &Value) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema.get("default")) {
        return value.clone();
    }
    if let Some(first) = ["enum", "examples"].iter().find_map(|key| schema.get(key)?.as_array()?.first()) {
        return first.clone();
    }
    if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()?.first()) {
        return sample(first);
    }
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let property =
                |name: &str| sample(schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null));
            required.filter_map(Value::as_str).map(|name| (name.to_owned(), property(name))).collect()
        }
        Some("array") => {
            let item = schema.get("items").map(sample).unwrap_or_default();
            Value::Array(vec![item; number("minItems").unwrap_or(1).min(16) as usize])
        }
        Some("integer" | "number") => json!(number("minimum").unwrap_or(1)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => Value::String("x".repeat(number("minLength").unwrap_or(1).clamp(1, 256) as usize)),
    }
}

/// A network that leads nowhere.
struct Closed;

fn closed<T>() -> io::Result<T> {
    Err(io::Error::other("there is no network while a component is checked"))
}

impl Resolver for Closed {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { closed() })
    }
}

impl Dial for Closed {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async { closed() })
    }
}

/// Secrets that mean nothing.
struct Dummy;

#[async_trait::async_trait]
impl SecretSource for Dummy {
    async fn value(&self, _: &SecretGrant) -> Result<Arc<SecretValue>, Refusal> {
        let value = SecretValue::new(b"a value that means nothing".to_vec());
        value.map(Arc::new).map_err(|error| Refusal::new(cara_authority::Rule::Unavailable, error.to_string()))
    }
}
