//! One component with its grants, and calls of its exports.

use cara_authority::tool_call::canonical;
use cara_authority::{Approved, Grants, Label, PersonId, Policy, SessionId, Situation, ToolCall, ToolName};
use cara_kernel::bindings::provider::{Outcome, Request, ResponseFormat, ToolChoice};
use cara_kernel::bindings::tool::Context;
use cara_kernel::bindings::turn::Event;
use cara_kernel::bindings::types::{Content, Error, Message, Part, Role};
use cara_kernel::exports::Returned;
use cara_kernel::exports::provider::EVENTS_AHEAD;
use cara_kernel::{CallServices, Component, Fault};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A component under test.
pub struct Subject {
    /// The component itself.
    pub component: Arc<Component>,
    /// The grants of the component.
    pub grants: Arc<Grants>,
    /// Through which gates.
    pub services: CallServices,
}

/// What a tool's call came to.
#[derive(Debug)]
pub struct Told {
    /// The answer's text, or the component's own error.
    pub answer: Result<String, Error>,
    /// What it was refused on the way, with the cures.
    pub refusals: Vec<String>,
    /// The fuel it burnt.
    pub fuel: u64,
}

impl Told {
    /// The text it answered with.
    ///
    /// # Panics
    /// When it answered with an error.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        self.answer.as_ref().unwrap_or_else(|error| panic!("the tool failed: {error:?}; refused: {:?}", self.refusals))
    }

    /// The one refusal on the way.
    ///
    /// # Panics
    /// When there was none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn refusal(&self) -> &str {
        assert_eq!(self.refusals.len(), 1, "one refusal in {self:?}");
        &self.refusals[0]
    }
}

/// What a provider's call came to.
#[derive(Debug)]
pub struct Completed {
    /// How it ended.
    pub ended: Result<Result<Outcome, Error>, Fault>,
    /// What it was refused on the way, with the cures.
    pub refusals: Vec<String>,
    /// The events that the component emitted.
    pub events: Vec<Event>,
}

impl Completed {
    /// The answer's text.
    #[must_use]
    pub fn text(&self) -> String {
        let text = |event: &Event| if let Event::Text(text) = event { Some(text.clone()) } else { None };
        self.events.iter().filter_map(text).collect()
    }

    /// The text of the fault it ended in.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn fault(&self) -> String {
        self.ended.as_ref().expect_err("a fault").to_string()
    }
}

fn split<T>(returned: Returned<T>) -> (T, Vec<String>, u64) {
    let refusals = returned.refusals.iter().map(ToString::to_string).collect();
    (returned.answer, refusals, returned.fuel)
}

impl Subject {
    /// Calls a tool.
    pub async fn tool(&self, name: &str, arguments: Value) -> Result<Told, Fault> {
        let context = Context { session: "test".into(), run: "run".into(), time_zone: None, language: None };
        let approved = self.approved(name, &arguments);
        let returned = self.component.call_tool(&self.grants, &self.services, &approved, context).await?;
        let (answer, refusals, fuel) = split(returned);
        let text = |content: Vec<Content>| {
            let texts =
                content.into_iter().map(|content| if let Content::Text(text) = content { text } else { String::new() });
            texts.collect::<Vec<_>>().concat()
        };
        Ok(Told { answer: answer.map(text), refusals, fuel })
    }

    /// The call under a policy that lets everything run.
    fn approved(&self, name: &str, arguments: &Value) -> Approved<ToolCall> {
        let checked = self.component.checked();
        let call = ToolCall {
            component: self.component.id().clone(),
            digest: *checked.package().digest().as_bytes(),
            tool: ToolName::parse(name).unwrap(),
            arguments: canonical(arguments),
            destinations: Vec::new(),
            servers: Vec::new(),
            session: SessionId::parse("test").unwrap(),
        };
        let tool = checked.authority().tool(&call.tool).unwrap_or_else(|| panic!("`{name}` is in the manifest"));
        let policy: Policy = toml::from_str("[[rule]]\nthen = \"allow\"").unwrap();
        let person = PersonId::parse("test").unwrap();
        let decision = policy.decide(&Situation {
            call: &call,
            full_name: &call.tool,
            unclear: false,
            effects: &tool.effects(),
            agent: "test",
            channel: "test",
            person: &person,
            seen: &Label::NONE,
            provenance: None,
            followed: 0,
            dictated: false,
            queries: false,
        });
        Approved::by_policy(call, &decision).unwrap()
    }

    /// Calls a tool that has to end in a fault, and gives the fault's text. Then shows that the next call works.
    ///
    /// # Panics
    /// When it does not, or the next call does not.
    pub async fn fault(&self, name: &str, arguments: Value) -> String {
        let fault = self.tool(name, arguments).await.expect_err("a fault").to_string();
        self.lives().await;
        fault
    }

    /// Shows that the component and the host still work.
    ///
    /// # Panics
    /// When they do not.
    pub async fn lives(&self) {
        let told = self.tool("answer", Value::Object(Default::default())).await.expect("the next call works");
        assert_eq!(told.text(), "alive");
    }

    /// Asks a provider's model, and listens to the end.
    pub async fn complete(&self, model: &str) -> Completed {
        self.complete_listening(model, usize::MAX).await
    }

    /// Asks a provider's model, and stops listening after so many events.
    pub async fn complete_listening(&self, model: &str, listen: usize) -> Completed {
        self.ask(request(model, "hello"), listen).await
    }

    /// Sends a request to a provider.
    pub async fn ask(&self, request: Request, listen: usize) -> Completed {
        let (sender, mut receiver) = mpsc::channel(EVENTS_AHEAD);
        let call = self.component.complete(&self.grants, &self.services, request, sender);
        let listener = async {
            let mut events = Vec::new();
            while events.len() < listen
                && let Some(event) = receiver.recv().await
            {
                events.push(event);
            }
            drop(receiver);
            events
        };
        let (ended, events) = tokio::join!(call, listener);
        match ended {
            Ok(returned) => {
                let (answer, refusals, _) = split(returned);
                Completed { ended: Ok(answer), refusals, events }
            }
            Err(fault) => Completed { ended: Err(fault), refusals: Vec::new(), events },
        }
    }
}

/// A request with one message of a person.
fn request(model: &str, text: &str) -> Request {
    Request {
        model: model.into(),
        system: None,
        messages: vec![Message { role: Role::User, parts: vec![Part::Text(text.into())] }],
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        parallel_tool_calls: None,
        response_format: ResponseFormat::Text,
        max_output_tokens: None,
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
