//! The conformance kit: what every component of a kind has to do, whatever
//! it is for.
//!
//! It is called in the real kernel, signed with a key of the moment, with a closed network. A component passes when no
//! call ends in a fault: it may answer with an error at any time, but it must not trap, hang, pass a limit or fail by a
//! mistake of its own (the kind `fault`, which SDKs report an unexpected exception as) because a power was not granted, a
//! server does not answer, or somebody calls it oddly. Only an argument that its schema requires may be relied on. And no
//! provider leaves out what a request asks for (`options`).

use crate::error::DevkitError;
use crate::subject::{Outside, Secrets, Subject, asked, context};
use crate::testnet::Testnet;
use cara_authority::manifest::Tool;
use cara_authority::{Capability, Grants, ToolName};
use cara_kernel::bindings::provider::EmbedRequest;
use cara_kernel::bindings::types::ErrorKind;
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_kernel::{Fault, HostServices, Kernel};
use cara_signing::Package;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;

mod options;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// What.
    pub what: String,
    /// How it ended, when that was a fault.
    pub fault: Option<String>,
    /// The component's answer, in short.
    pub answered: Option<String>,
}

/// Tries everything that a component of its kinds has to stand.
pub async fn check(kernel: &Kernel, package: &Package) -> Result<Vec<Tried>, DevkitError> {
    let subject = Subject::load(kernel, package).await?;
    let outside = Outside::new(&Testnet::new(Vec::new())?, Secrets::Any, HostServices::default())?;
    let settings = subject.settings(&Default::default())?;
    let kit = Kit { subject, outside };
    let mut tried = Vec::new();
    for (powers, granted) in [("nothing granted", Vec::new()), ("all granted", kit.subject.requested(&settings))] {
        let grants = kit.subject.grants(&settings, &granted);
        if kit.subject.manifest().provider().is_some() {
            kit.provider(powers, &grants, &mut tried).await;
        }
        for tool in kit.subject.manifest().tools().to_vec() {
            kit.tool(powers, &grants, &tool, &mut tried).await?;
        }
    }
    if kit.subject.manifest().provider().is_some() {
        let granted = kit.subject.requested(&settings);
        let net = Testnet::listening(granted.iter().filter_map(host))?;
        let outside = Outside::new(&net, Secrets::Any, HostServices::default())?;
        kit.options(&outside, &net, &kit.subject.grants(&settings, &granted), &mut tried).await;
    }
    Ok(tried)
}

/// The one host that a capability is about.
fn host(capability: &Capability) -> Option<String> {
    match capability {
        Capability::Http(pattern) => pattern.origin().map(|origin| origin.host().to_string()),
        _ => None,
    }
}

/// A component in a world without a network.
struct Kit {
    subject: Subject,
    outside: Outside,
}

impl Kit {
    async fn provider(&self, powers: &str, grants: &Arc<Grants>, tried: &mut Vec<Tried>) {
        let models = self.subject.component.models(grants, &self.outside.services).await;
        tried.push(told(
            format!("models, {powers}"),
            models.map(|called| called.answer.map(|m| format!("{} models", m.len()))),
        ));
        for (what, text) in
            [("a question", "hello"), ("an empty message", ""), ("odd characters", "\u{0}\u{202e}🦀\u{fffd}")]
        {
            let request = asked(self.subject.default_model(), text);
            let (sender, mut events) = mpsc::channel(EVENTS_AHEAD);
            let listening = tokio::spawn(async move { while events.recv().await.is_some() {} });
            let called = self.subject.component.complete(grants, &self.outside.services, request, sender).await;
            let _ = listening.await;
            let called = called.map(|called| called.answer.map(|outcome| format!("an answer of `{}`", outcome.model)));
            tried.push(told(format!("complete with {what}, {powers}"), called));
        }
        let request = EmbedRequest { model: String::new(), inputs: vec!["hello".into()], dimensions: None };
        let embedded = self.subject.component.embed(grants, &self.outside.services, request).await;
        let embedded =
            embedded.map(|called| called.answer.map(|embedded| format!("{} vectors", embedded.vectors.len())));
        tried.push(told(format!("embed, {powers}"), embedded));
    }

    async fn tool(
        &self,
        powers: &str,
        grants: &Arc<Grants>,
        tool: &Tool,
        tried: &mut Vec<Tried>,
    ) -> Result<(), DevkitError> {
        let mut unknown = tool.clone();
        unknown.name = ToolName::parse("no_such_tool")?;
        for (what, tool, arguments) in [
            ("as its schema wants it", tool, sample(&tool.input)),
            ("without arguments", tool, json!({})),
            ("under a name it does not have", &unknown, json!({})),
        ] {
            let call = self.subject.call(tool, &arguments)?;
            let called = self.subject.component.call_tool(grants, &self.outside.services, &call, context()).await;
            let parts = |count| if count == 1 { "1 part".to_owned() } else { format!("{count} parts") };
            let mut called = called.map(|called| called.answer.map(|content| parts(content.len())));
            // The host checks arguments before it calls: code may rely on those that are required, but must not trap.
            if let (false, Ok(Err(error))) = (has_required(&arguments, &tool.input), &mut called)
                && error.kind == ErrorKind::Fault
            {
                error.kind = ErrorKind::BadRequest;
            }
            tried.push(told(format!("`{}` {what}, {powers}", tool.name), called));
        }
        Ok(())
    }
}

/// Whether the arguments have all that the schema requires.
fn has_required(arguments: &Value, schema: &Value) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().filter_map(Value::as_str).all(|name| arguments.get(name).is_some())
}

fn told(what: String, called: Result<Result<String, cara_kernel::bindings::types::Error>, Fault>) -> Tried {
    match called {
        Ok(Ok(answer)) => Tried { what, fault: None, answered: Some(answer) },
        // A mistake that its SDK caught is one all the same.
        Ok(Err(error)) if error.kind == ErrorKind::Fault => Tried { what, fault: Some(error.message), answered: None },
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

#[cfg(test)]
mod tests {
    use super::*;
    use cara_kernel::bindings::types::Error;

    #[test]
    fn an_error_of_the_components_own_making_is_a_finding_and_any_other_an_answer() {
        let error = |kind| {
            let error = Error { kind, message: "AttributeError".into(), retry: false, retry_after_ms: None };
            told("a call".into(), Ok(Err(error)))
        };
        assert_eq!(error(ErrorKind::Fault).fault.as_deref(), Some("AttributeError"));
        let schema = json!({ "required": ["name"] });
        assert!(has_required(&json!({ "name": 1 }), &schema) && has_required(&json!({}), &json!({})));
        assert!(!has_required(&json!({}), &schema));
        assert_eq!(error(ErrorKind::Network).answered.as_deref(), Some("the error: AttributeError"));
    }
}
