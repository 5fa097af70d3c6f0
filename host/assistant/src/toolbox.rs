//! The tools that are offered, each from a signed manifest,
//! with its schema compiled.

use crate::event::Failure;
use crate::schema::Schema;
use cara_authority::manifest::{Effect, Tool};
use cara_authority::policy::{Results, result_label};
use cara_authority::{ComponentId, Grants, Label, Origin, SessionId, ToolCall, ToolName};
use cara_kernel::Component;
use cara_kernel::bindings::types::ToolDefinition;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest arguments, bytes (`wit/types.wit`).
const LARGEST: usize = 256 * 1024;

/// A tool that can be called.
pub struct Offered {
    /// What models call it by: its own name, or `component__tool` where others offer one of that name.
    pub name: ToolName,
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
    /// Whether a call hands its arguments to a server of the operator's choice, as a search does.
    pub queries: bool,
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
        "components `{first}` and `{second}` both offer the tool `{tool}`, and no other name is left for it\nhint: leave one of them out with `cara tools disable`"
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

/// The tools of a turn, by the name that a model calls each by.
#[derive(Default)]
pub struct Toolbox {
    offered: BTreeMap<ToolName, Arc<Offered>>,
    /// Names that more than one component gave to a tool: none of them is called by it alone.
    shared: BTreeSet<ToolName>,
}

/// What separates the component from the tool in a name of both; no id of a component has it.
pub const OF: &str = "__";

/// The name of a component's tool where its own name does not say whose it is: `component__tool`. One that would be too
/// long is cut, with the beginning of the component's digest in it.
fn full_name(component: &ComponentId, digest: &[u8; 32], tool: &ToolName) -> ToolName {
    ToolName::parse(&format!("{component}{OF}{tool}")).unwrap_or_else(|_| {
        let digest: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let (component, tool) = (component.as_str(), tool.as_str());
        let cut = format!("{}-{digest}{OF}{}", &component[..component.len().min(16)], &tool[..tool.len().min(37)]);
        ToolName::parse(&cut).expect("16, 1, 8, 2 and 37 letters of names are a name")
    })
}

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
            let offered = Offered {
                name: tool.name.clone(),
                schema: compile(tool)?,
                component: component.clone(),
                grants: grants.clone(),
                tool: tool.clone(),
                result: result_label(&effects, reaches_out, belief.component, belief.tools.get(&tool.name).copied()),
                effects,
                queries: reaches_out && tool.destination.is_empty(),
            };
            self.put(offered)?;
        }
        Ok(())
    }

    /// Puts a tool in under its name; where another component's has it, both get their full names, so that neither passes
    /// for the other. A name that looks like a full one is never given alone.
    fn put(&mut self, offered: Offered) -> Result<(), ToolboxError> {
        let name = offered.name.clone();
        if let Some(first) = self.offered.remove(&name) {
            self.shared.insert(name.clone());
            self.put_full(&first)?;
        }
        if self.shared.contains(&name) || name.as_str().contains(OF) {
            return self.put_full(&offered);
        }
        self.offered.insert(name, Arc::new(offered));
        Ok(())
    }

    fn put_full(&mut self, offered: &Offered) -> Result<(), ToolboxError> {
        let name = full_name(offered.component.id(), &offered.digest(), &offered.tool.name);
        if let Some(other) = self.offered.get(&name) {
            let (first, second) = (other.component.id().to_string(), offered.component.id().to_string());
            return Err(ToolboxError::Twice { tool: name, first, second });
        }
        self.offered.insert(name.clone(), Arc::new(offered.named(name)?));
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.offered.is_empty()
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Offered>> {
        self.offered.values()
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Result<&Arc<Offered>, Misfit> {
        let found = ToolName::parse(name).ok().and_then(|name| self.offered.get(&name));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.offered.keys().map(ToolName::as_str).collect();
            let name = name.chars().take(64).flat_map(char::escape_default).collect();
            Misfit::Unknown { name, known: if known.is_empty() { "none".into() } else { known.join(", ") } }
        })
    }

    /// What a model is told about them.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        let definition = |offered: &Arc<Offered>| ToolDefinition {
            name: offered.name.to_string(),
            description: offered.tool.description.clone(),
            input_schema: offered.tool.input.to_string(),
        };
        self.offered.values().map(definition).collect()
    }
}

fn compile(tool: &Tool) -> Result<Schema, ToolboxError> {
    let refuse = |problem: String| ToolboxError::Schema { tool: tool.name.clone(), problem };
    Schema::compile(&tool.input).map_err(|error| refuse(error.to_string()))
}

impl Offered {
    /// The same under another name.
    fn named(&self, name: ToolName) -> Result<Self, ToolboxError> {
        Ok(Self {
            name,
            component: self.component.clone(),
            grants: self.grants.clone(),
            tool: self.tool.clone(),
            result: self.result,
            effects: self.effects.clone(),
            queries: self.queries,
            schema: compile(&self.tool)?,
        })
    }

    /// Checks what a model wrote and makes the call of it.
    pub fn read(&self, arguments: &str, session: &SessionId) -> Result<ToolCall, Misfit> {
        let name = &self.name;
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
            tool: self.tool.name.clone(),
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

    /// The digest of its component's file.
    pub fn digest(&self) -> [u8; 32] {
        *self.component.checked().package().digest().as_bytes()
    }

    /// Whether a call does something that must not be done twice.
    pub fn is_lasting(&self) -> bool {
        self.effects.iter().any(|effect| effect.reaches_out())
    }
}
