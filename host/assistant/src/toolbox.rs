//! The tools that are offered, each from a signed manifest,
//! with its schema compiled.

use crate::event::Failure;
use crate::schema::Schema;
use cara_authority::manifest::{Effect, Tool};
use cara_authority::policy::{Results, result_label};
use cara_authority::{Grants, Label, Origin, SessionId, ToolCall, ToolName};
use cara_kernel::Component;
use cara_kernel::bindings::types::ToolDefinition;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest arguments, bytes (`wit/types.wit`).
const LARGEST: usize = 256 * 1024;

/// A tool that can be called.
pub struct Offered {
    /// Whose it is.
    pub component: Arc<Component>,
    /// What the component may do.
    pub grants: Arc<Grants>,
    /// What the manifest says of it.
    pub tool: Tool,
    /// What calls of it can do.
    pub effects: Vec<Effect>,
    /// Where its results come from.
    pub result: Label,
    /// Whether a call can ask a server for something.
    reaches_out: bool,
    schema: Schema,
}

/// What the operator says of a component's results: what nobody says is not believed.
#[derive(Debug, Clone, Default)]
pub struct Belief {
    /// Whether the component, or who signed it, is trusted to say what its results are.
    pub component: bool,
    /// What is known of single tools.
    pub tools: BTreeMap<ToolName, Results>,
}

/// Why tools cannot be offered together.
#[derive(Debug, thiserror::Error)]
pub enum ToolboxError {
    /// Two components offer one name.
    #[error(
        "components `{first}` and `{second}` both offer the tool `{tool}`\nhint: leave one of them out with `cara tools disable`"
    )]
    Twice {
        /// The tool.
        tool: ToolName,
        /// Who offered it first.
        first: String,
        /// Who as well.
        second: String,
    },
    /// The schema in a manifest is none.
    #[error("the `input` of tool `{tool}` is no JSON Schema: {problem}")]
    Schema {
        /// The tool.
        tool: ToolName,
        /// What is wrong.
        problem: String,
    },
}

/// Why a model's call does not fit; the text is for the model, which may try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// There is no such tool.
    #[error("there is no tool `{name}`; there are: {known}")]
    Unknown {
        /// What the model wrote, escaped.
        name: String,
        /// What there is.
        known: String,
    },
    /// The arguments are no JSON object.
    #[error("the arguments of `{0}` are not a JSON object: {1}")]
    NotObject(ToolName, String),
    /// The arguments do not fit the schema.
    #[error("the arguments of `{tool}` do not fit its schema: {problems}. Correct them and call it again.")]
    Schema {
        /// The tool.
        tool: ToolName,
        /// Where and how, at most five.
        problems: String,
    },
}

/// The tools on offer now: what is installed and granted can change while a run goes on.
#[async_trait::async_trait]
pub trait Tools: Send + Sync {
    /// Those that may be called at this moment. Cheap when nothing changed.
    async fn now(&self) -> Result<Arc<Toolbox>, Failure>;
}

/// Tools that stay as they are.
pub struct Fixed(pub Arc<Toolbox>);

#[async_trait::async_trait]
impl Tools for Fixed {
    async fn now(&self) -> Result<Arc<Toolbox>, Failure> {
        Ok(self.0.clone())
    }
}

/// The tools of a turn.
#[derive(Default)]
pub struct Toolbox(BTreeMap<ToolName, Arc<Offered>>);

impl Toolbox {
    /// Adds all tools of a component.
    pub fn add(
        &mut self,
        component: &Arc<Component>,
        grants: &Arc<Grants>,
        belief: &Belief,
    ) -> Result<(), ToolboxError> {
        let checked = component.checked();
        for (tool, authority) in checked.manifest().tools().iter().zip(checked.authority().tools()) {
            let effects = authority.effects();
            let asks = effects.iter().any(|effect| matches!(effect, Effect::ReadsUntrusted | Effect::SendsOutside));
            let reaches_out = asks && checked.interfaces().imports_http();
            if let Some(other) = self.0.get(&tool.name) {
                let (first, second) = (other.component.id().to_string(), component.id().to_string());
                return Err(ToolboxError::Twice { tool: tool.name.clone(), first, second });
            }
            let offered = Offered {
                schema: compile(tool)?,
                component: component.clone(),
                grants: grants.clone(),
                tool: tool.clone(),
                result: result_label(&effects, reaches_out, belief.component, belief.tools.get(&tool.name).copied()),
                effects,
                reaches_out,
            };
            self.0.insert(tool.name.clone(), Arc::new(offered));
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Offered>> {
        self.0.values()
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Result<&Arc<Offered>, Misfit> {
        let found = ToolName::parse(name).ok().and_then(|name| self.0.get(&name));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(ToolName::as_str).collect();
            let name = name.chars().take(64).flat_map(char::escape_default).collect();
            Misfit::Unknown { name, known: if known.is_empty() { "none".into() } else { known.join(", ") } }
        })
    }

    /// What a model is told about them.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        let definition = |offered: &Arc<Offered>| ToolDefinition {
            name: offered.tool.name.to_string(),
            description: offered.tool.description.clone(),
            input_schema: offered.tool.input.to_string(),
        };
        self.0.values().map(definition).collect()
    }
}

fn compile(tool: &Tool) -> Result<Schema, ToolboxError> {
    let refuse = |problem: String| ToolboxError::Schema { tool: tool.name.clone(), problem };
    Schema::compile(&tool.input).map_err(|error| refuse(error.to_string()))
}

/// Whether a text stands in the value that is none of these.
fn has_words(value: &Value, but: &[String]) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && !but.contains(text),
        Value::Array(items) => items.iter().any(|item| has_words(item, but)),
        Value::Object(fields) => fields.values().any(|field| has_words(field, but)),
        _ => false,
    }
}

impl Offered {
    /// Checks what a model wrote and makes the call of it.
    pub fn read(&self, arguments: &str, session: &SessionId) -> Result<ToolCall, Misfit> {
        let name = &self.tool.name;
        let not_object = |problem: String| Misfit::NotObject(name.clone(), problem);
        if arguments.len() > LARGEST {
            return Err(not_object(format!("they are over {LARGEST} bytes")));
        }
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let value: Value = serde_json::from_str(text).map_err(|error| not_object(error.to_string()))?;
        if !value.is_object() {
            return Err(not_object("they are something else".into()));
        }
        let problems = self.schema.problems(&value);
        if !problems.is_empty() {
            return Err(Misfit::Schema { tool: name.clone(), problems: problems.join("; ") });
        }
        Ok(ToolCall {
            component: self.component.id().clone(),
            digest: self.digest(),
            tool: name.clone(),
            destinations: self.tool.destination.iter().flat_map(|to| to.read(&value)).map(str::to_owned).collect(),
            arguments: cara_authority::approval::canonical(&value),
            session: session.clone(),
        })
    }

    /// Who signed its component, as the operator calls them.
    pub fn signer(&self) -> &str {
        self.component.checked().package().signer_name()
    }

    /// What a call may do that has seen this and goes there: after private content, no redirect leads anywhere else.
    pub fn grants_after(&self, seen: Label, destinations: &[String]) -> Arc<Grants> {
        if !seen.join(self.result).is_private() {
            return self.grants.clone();
        }
        let origins = destinations.iter().filter_map(|to| Origin::parse(to).ok()).collect();
        Arc::new(self.grants.only(origins))
    }

    /// Whether a call hands words of its own to a server: a search does, and so does whatever else reaches out with a text
    /// that is no destination.
    pub fn queries(&self, call: &ToolCall) -> bool {
        let words = || {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            has_words(&arguments, &call.destinations)
        };
        self.reaches_out && words()
    }

    /// The digest of its component's file.
    pub fn digest(&self) -> [u8; 32] {
        *self.component.checked().package().digest().as_bytes()
    }

    /// Whether a call does something that must not be done twice.
    pub fn is_lasting(&self) -> bool {
        self.effects.iter().any(|effect| effect.reaches_out())
    }
}
