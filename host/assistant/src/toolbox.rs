//! The tools that are offered, each from a signed manifest,
//! with its schema compiled.
//!
//! A model calls a tool by its own name; where several that are offered have one name, each by its full name,
//! `component__tool`. A full name means the same tool whatever else is installed.

use crate::audience::Audience;
use crate::event::Failure;
use crate::query::says;
use crate::schema::Schema;
use cara_authority::manifest::{Effect, Target, Tool};
use cara_authority::policy::{Results, result_label};
use cara_authority::{ComponentId, Grants, Label, Manifest, Origin, SessionId, ToolCall, ToolName, display_safe};
use cara_kernel::Component;
use cara_kernel::bindings::types::ToolDefinition;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest arguments, bytes (`wit/types.wit`).
const LARGEST: usize = 256 * 1024;

/// What stands for whoever signed what comes with the program: its key is another one in each build.
pub const BUILT_IN: &str = "built-in";

/// What separates component and tool in a full name. No id of a component has it.
const OF: &str = "__";

/// The name that says whose tool it is: `component__tool`. Where that has more than 64 letters, the beginnings of both and
/// a digest: `begin_0123456789abcdef__tool`, which no component's id with a tool's name can be.
///
/// # Panics
/// Never: ids and names are made of letters that a name may have.
pub fn full_name(component: &ComponentId, tool: &ToolName) -> ToolName {
    let whole = format!("{component}{OF}{tool}");
    let name = ToolName::parse(&whole).or_else(|_| {
        let digest = hex::encode(&Sha256::digest(whole)[..8]);
        let (component, tool) = (component.as_str(), tool.as_str());
        ToolName::parse(&format!(
            "{}_{digest}{OF}{}",
            &component[..component.len().min(12)],
            &tool[..tool.len().min(33)]
        ))
    });
    name.expect("at most 12, 1, 16, 2 and 33 letters of names")
}

/// The names that tools of several of these components have. Several manifests of one component count as one.
pub fn shared_names<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<ToolName> {
    let mut of: BTreeMap<&ToolName, BTreeSet<&ComponentId>> = BTreeMap::new();
    for manifest in manifests {
        for tool in manifest.tools() {
            of.entry(&tool.name).or_default().insert(manifest.id());
        }
    }
    of.into_iter().filter(|(_, of)| of.len() > 1).map(|(name, _)| name.clone()).collect()
}

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
    /// What the operator says of its component.
    pub belief: Belief,
    /// Whether what a call is told can come to a server.
    tells: bool,
    schema: Schema,
}

/// What the operator says of a component and its results: what nobody says is not believed.
#[derive(Debug, Clone, Default)]
pub struct Belief {
    /// Who signed it: the id of a key, an identity with its issuer, or [`BUILT_IN`]. No name: others can take one.
    pub signer: String,
    /// Whether the component, or who signed it, is trusted to say what its results are.
    pub component: bool,
    /// What is known of single tools.
    pub tools: BTreeMap<ToolName, Results>,
}

/// Why tools cannot be offered together.
#[derive(Debug, thiserror::Error)]
pub enum ToolboxError {
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
pub struct Toolbox {
    /// By the name that a model calls each by.
    tools: BTreeMap<ToolName, Arc<Offered>>,
    /// Names that tools of several components have.
    shared: BTreeSet<ToolName>,
}

impl Toolbox {
    /// An empty one, where these names are shared by what is installed, offered or not.
    pub fn sharing(shared: BTreeSet<ToolName>) -> Self {
        Self { tools: BTreeMap::new(), shared }
    }

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
            let reaches_out = authority.uses.contains(&Effect::ReadsUntrusted) && checked.interfaces().imports_http();
            let offered = Offered {
                schema: compile(tool)?,
                component: component.clone(),
                grants: grants.clone(),
                tool: tool.clone(),
                result: result_label(&effects, reaches_out, belief.component, belief.tools.get(&tool.name).copied()),
                effects,
                tells: authority.tells,
                belief: belief.clone(),
            };
            self.put(Arc::new(offered));
        }
        Ok(())
    }

    /// Adds all tools of another one.
    pub fn join(&mut self, other: Self) {
        other.tools.into_values().for_each(|offered| self.put(offered));
        self.shared.extend(other.shared);
    }

    /// Puts a tool in under its own name. Where another component's has that name, both get their full names, so that
    /// neither passes for the other; so does one whose own name looks like a full one.
    fn put(&mut self, offered: Arc<Offered>) {
        let own = offered.tool.name.clone();
        let clash = self.tools.iter().find(|(_, other)| other.tool.name == own).map(|(name, _)| name.clone());
        if let Some(other) = clash.as_ref().and_then(|name| self.tools.remove(name)) {
            self.shared.insert(own.clone());
            self.tools.insert(other.full_name(), other);
        }
        let name = if clash.is_some() || own.as_str().contains(OF) { offered.full_name() } else { own };
        self.tools.insert(name, offered);
    }

    /// Those of them that are permitted, each under the name that it has here.
    pub fn only(&self, is_permitted: impl Fn(&Offered) -> bool) -> Self {
        let permitted = self.all().filter(|(_, offered)| is_permitted(offered));
        let tools = permitted.map(|(name, offered)| (name.clone(), offered.clone())).collect();
        Self { tools, shared: self.shared.clone() }
    }

    /// Whether a tool's own name does not say whose it is: tools of other components have it, or it looks like a full one.
    pub fn is_shared(&self, name: &ToolName) -> bool {
        self.shared.contains(name) || name.as_str().contains(OF)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// All of them, each with the name that a model calls it by.
    pub fn all(&self) -> impl Iterator<Item = (&ToolName, &Arc<Offered>)> {
        self.tools.iter()
    }

    /// A component's tool, whatever name it is offered under.
    pub fn of(&self, component: &ComponentId, tool: &ToolName) -> Option<(&ToolName, &Arc<Offered>)> {
        self.all().find(|(_, offered)| offered.component.id() == component && offered.tool.name == *tool)
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Result<&Arc<Offered>, Misfit> {
        let found = ToolName::parse(name).ok().and_then(|name| self.tools.get(&name));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.tools.keys().map(ToolName::as_str).collect();
            let name = display_safe(name);
            Misfit::Unknown { name, known: if known.is_empty() { "none".into() } else { known.join(", ") } }
        })
    }

    /// What a model is told about them.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        let definition = |(name, offered): (&ToolName, &Arc<Offered>)| ToolDefinition {
            name: name.to_string(),
            description: offered.tool.description.clone(),
            input_schema: offered.tool.input.to_string(),
            strict: None,
        };
        self.all().map(definition).collect()
    }
}

fn compile(tool: &Tool) -> Result<Schema, ToolboxError> {
    let refuse = |problem: String| ToolboxError::Schema { tool: tool.name.clone(), problem };
    Schema::compile(&tool.input).map_err(|error| refuse(error.to_string()))
}

impl Offered {
    /// Whether the operator says that only a person's own things are in its results.
    pub(crate) fn is_private(&self) -> bool {
        self.belief.tools.get(&self.tool.name) == Some(&Results::Private)
    }

    /// What results are labelled with in a conversation: what is read without a server is of those whom the conversation belongs
    /// to. What of somebody else's was read through the host joins it.
    pub(crate) fn result_in(&self, audience: &Audience) -> Label {
        if !self.result.is_private() || self.tells || self.is_private() {
            return self.result.clone();
        }
        audience.own(&self.result.public())
    }

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
            servers: self.servers(),
            arguments: cara_authority::tool_call::canonical(&value),
            session: session.clone(),
        })
    }

    /// The servers that settings of its component name, as they are set now.
    pub fn servers(&self) -> Vec<String> {
        let named = self.component.checked().manifest().http().iter().map(|http| &http.host);
        let named = named.filter(|host| matches!(host, Target::Setting(_)));
        named.filter_map(|host| host.resolve(self.grants.settings())).map(|server| server.to_string()).collect()
    }

    /// The name that says whose tool it is.
    pub fn full_name(&self) -> ToolName {
        full_name(self.component.id(), &self.tool.name)
    }

    /// What a call may do that has seen this and goes there: after private content, no redirect leads anywhere else.
    pub fn grants_after(&self, seen: &Label, destinations: &[String]) -> Arc<Grants> {
        if !seen.join(&self.result).is_private() {
            return self.grants.clone();
        }
        let origins = destinations.iter().filter_map(|to| Origin::parse(to).ok()).collect();
        Arc::new(self.grants.only(origins))
    }

    /// Whether a call says anything to a server beside where it goes: a search does, and so does whatever else reaches out
    /// with an argument that is no destination, or may keep it for a call that does.
    pub fn queries(&self, call: &ToolCall) -> bool {
        self.tells && says(call, &self.tool, self.belief.component)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_name_is_one_that_providers_take_and_no_other_tool_has() {
        let name = |component: &str, tool: &str| {
            full_name(&ComponentId::parse(component).unwrap(), &ToolName::parse(tool).unwrap()).to_string()
        };
        assert_eq!(name("memory", "memory_write"), "memory__memory_write");
        let (component, tool) = (format!("a{}", "b".repeat(62)), "c".repeat(64));
        let long = name(&component, &tool);
        assert!(long.len() == 64 && long.starts_with("abbbbbbbbbbb_") && long.contains("__ccc"), "{long}");
        // Whoever takes its beginnings and the digest for their own names is called something else.
        let (begin, end) = long.split_once(OF).unwrap();
        assert!(ComponentId::parse(begin).is_err());
        for (component, tool) in [(&component[..62], &tool[..]), (&component[..], &tool[..63]), ("abbbbbbbbbbb", end)] {
            assert_ne!(name(component, tool), long);
        }
    }
}
