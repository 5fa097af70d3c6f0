//! What a component can do: one value, computed from binary and manifest.
//!
//! Review, grant prompt, growth of an update, policy and `cara plugin inspect` print or decide from it and from nothing
//! else. It says what is possible; what of it the operator granted is for [`crate::Grants`].
//!
//! ```text
//! imports (binary) ──┐                 ┌─→ facts: compared, an update that adds one with power waits
//! manifest (signed) ─┴─→ Authority::of ┼─→ effects of each tool: the policy decides by them, `Grants` holds calls to them
//!                                      └─→ texts a model will read
//! ```

use crate::id::ToolName;
use crate::interfaces::Interfaces;
use crate::limits::Limits;
use crate::manifest::{DestinationArgument, Detect, Effect, Manifest, Target, Tool};
use crate::power::Power;
use crate::settings::SettingType;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How much a fact weighs, the heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// It can reach, read, spend, send or change something, or steer a model.
    Power,
    /// It can steer a choice, or use more of the machine.
    Notice,
    /// It says what the binary is made of.
    Plain,
}

/// One thing that is true of a component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// How much it weighs.
    pub weight: Weight,
    /// What it is about: `reaches`, `spends`, `signs`, `keeps`, `uses`, `is`, `tool`, `chosen`, `reads`, `setting`, `limit`,
    /// `imports`, `exports`.
    pub about: &'static str,
    /// What it says.
    pub text: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.about, self.text)
    }
}

/// What is true of one version and not of the other, the heaviest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// True of the newer one only.
    pub added: Vec<Fact>,
    /// True of the older one only.
    pub removed: Vec<Fact>,
}

impl Difference {
    /// Whether the newer one can do more, or tells a model something else.
    pub fn grows(&self) -> bool {
        self.added.iter().any(|fact| fact.weight == Weight::Power)
    }
}

/// What calls of one tool can do.
#[derive(Debug, Clone)]
pub struct ToolAuthority {
    /// Its name.
    pub name: ToolName,
    /// Its effects, each with what raised it.
    pub raised: BTreeMap<Effect, String>,
    /// The arguments that say where data goes.
    pub destination: Vec<DestinationArgument>,
    /// Every text of it that a model will read, with its place: `description`, `properties/query/description`.
    pub texts: Vec<(String, String)>,
}

impl ToolAuthority {
    /// What a model is told it does.
    pub fn description(&self) -> &str {
        self.texts.first().map_or("", |(_, text)| text)
    }

    /// Its effects.
    pub fn effects(&self) -> Vec<Effect> {
        self.raised.keys().copied().collect()
    }
}

/// Having an `Authority` tells you: everything that a component can ever do or make a model read is in it.
#[derive(Debug, Clone)]
pub struct Authority {
    tools: Vec<ToolAuthority>,
    limits: Limits,
    facts: BTreeMap<Fact, String>,
}

impl Authority {
    /// Computes it.
    pub fn of(manifest: &Manifest, interfaces: &Interfaces) -> Self {
        let tools = manifest.tools().iter().map(|tool| ToolAuthority {
            name: tool.name.clone(),
            raised: effects(tool, manifest, interfaces),
            destination: tool.destination.clone(),
            texts: texts(tool),
        });
        let tools: Vec<ToolAuthority> = tools.collect();
        let limits = Limits::default_for(interfaces.kinds()).narrowed(manifest.limits());
        let mut facts = Facts::default();
        facts.access(manifest);
        facts.tools(manifest, &tools);
        facts.nature(manifest, interfaces, &limits);
        Self { tools, limits, facts: facts.0 }
    }

    /// What calls of each tool can do.
    pub fn tools(&self) -> &[ToolAuthority] {
        &self.tools
    }

    /// What calls of this tool can do.
    pub fn tool(&self, name: &ToolName) -> Option<&ToolAuthority> {
        self.tools.iter().find(|tool| tool.name == *name)
    }

    /// What one call may use up, unless the operator says otherwise.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// All facts, the heaviest first, each with the reason the author gives; empty where none is asked for.
    pub fn facts(&self) -> impl Iterator<Item = (&Fact, &str)> {
        self.facts.iter().map(|(fact, why)| (fact, why.as_str()))
    }

    /// What makes a newer version another component than this one. Reasons in the author's words do not count.
    pub fn difference(&self, newer: &Self) -> Difference {
        let only = |these: &Self, those: &Self| {
            let facts = these.facts.keys().filter(|fact| !those.facts.contains_key(fact));
            facts.cloned().collect()
        };
        Difference { added: only(newer, self), removed: only(self, newer) }
    }
}

/// What calls of a tool can do, and what says so. Where the manifest lists effects, `Grants` refuses a call whatever
/// would have another: the list is a ceiling. Without one, a tool has every effect that its component can have, since a
/// binary does not tell which of its tools uses what.
fn effects(tool: &Tool, manifest: &Manifest, interfaces: &Interfaces) -> BTreeMap<Effect, String> {
    let mut effects = BTreeMap::new();
    let mut raise = |effect: Effect, why: String| {
        if tool.may(effect) {
            effects.entry(effect).or_insert(why);
        }
    };
    if interfaces.imports_http() && tool.may_request() {
        for http in manifest.http() {
            if let Some(method) = http.methods.iter().find(|method| http.sends(method)) {
                raise(Effect::SendsOutside, format!("computed, it may {method} to `{}`", http.host));
            }
        }
    }
    for power in Power::ALL.iter().copied().filter(|power| interfaces.imports_power(*power)) {
        for effect in power.effects() {
            raise(*effect, format!("computed, it may use `{power}`"));
        }
    }
    if interfaces.imports_http() && tool.may_request() {
        effects.entry(Effect::ReadsUntrusted).or_insert("computed, it reads what servers answer".to_owned());
    }
    for effect in tool.effects.iter().flatten() {
        effects.entry(*effect).or_insert("its author says so".to_owned());
    }
    // One call that reads what is private and asks a server can put the one into the other's address, so no ceiling
    // takes this away.
    if interfaces.imports_http() && tool.may_request() && effects.contains_key(&Effect::ReadsPrivate) {
        let why = "computed, what it reads can stand in the address that it asks for".to_owned();
        effects.entry(Effect::SendsOutside).or_insert(why);
    }
    effects
}

/// Every text of a tool that a model will read: the description and all that its schema says in words.
fn texts(tool: &Tool) -> Vec<(String, String)> {
    let mut texts = vec![("description".to_owned(), tool.description.clone())];
    words("", &tool.input, &mut texts);
    texts
}

fn words(at: &str, value: &Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let at = if at.is_empty() { key.clone() } else { format!("{at}/{key}") };
                if !is_word(key) {
                    texts.push((at.clone(), key.clone()));
                }
                words(&at, inner, texts);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words(at, item, texts)),
        Value::String(text) => {
            let structure =
                ["type", "format", "required", "$ref", "$schema"].contains(&at.rsplit('/').next().unwrap_or(at));
            if !(structure && is_word(text)) {
                texts.push((at.to_owned(), text.clone()));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether it is a name and no sentence.
fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-$#/:.".contains(&b))
}

#[derive(Default)]
struct Facts(BTreeMap<Fact, String>);

impl Facts {
    fn add(&mut self, weight: Weight, about: &'static str, text: String, why: &str) {
        self.0.insert(Fact { weight, about, text }, why.to_owned());
    }

    /// What it reaches, spends, reads, keeps and uses.
    fn access(&mut self, manifest: &Manifest) {
        use Weight::Power;
        for http in manifest.http() {
            // One by one, so that a wider list of methods or paths is seen as more.
            let anywhere = ["any path".to_owned()];
            let paths = if http.paths.is_empty() { &anywhere[..] } else { &http.paths[..] };
            for method in &http.methods {
                let counted = http.reads && method == http::Method::POST;
                let counted = if counted { ", counted as reading: its author says so" } else { "" };
                for path in paths {
                    self.add(Power, "reaches", format!("{} {method} {path}{counted}", http.host), &http.why);
                }
            }
        }
        for secret in manifest.secrets() {
            for audience in &secret.audience {
                for spot in &secret.places {
                    let text = format!("secret `{}` toward {audience}, in the {spot}", secret.name);
                    self.add(Power, "spends", text, &secret.label);
                }
                if let Some(key) = secret.key {
                    let text = format!("with secret `{}` for {audience}: {key}", secret.name);
                    self.add(Power, "signs", text, &secret.label);
                }
            }
            for variable in &secret.env {
                let text = format!("environment variable {variable} as secret `{}`", secret.name);
                self.add(Power, "reads", text, &secret.label);
            }
        }
        let sources: BTreeSet<_> = manifest
            .http()
            .iter()
            .filter_map(|http| match &http.host {
                Target::Setting(key) => Some(key),
                Target::Written(_) => None,
            })
            .collect();
        for setting in manifest.setting_keys() {
            let default = setting.default.as_ref().map(|value| format!(", {value} unless set")).unwrap_or_default();
            // What a URL is when nobody sets it says where data goes.
            let directs = setting.kind == SettingType::Url && sources.contains(&setting.key);
            let weight = if directs && setting.default.is_some() { Power } else { Weight::Plain };
            self.add(weight, "setting", format!("`{}`{default}", setting.key), &setting.label);
            for variable in &setting.env {
                let text = format!("environment variable {variable} as setting `{}`, in clear", setting.key);
                self.add(Power, "reads", text, &setting.label);
            }
        }
        if let Some(state) = manifest.state() {
            self.add(Power, "keeps", format!("up to {} bytes between calls", state.bytes), &state.why);
        }
        for power in manifest.powers() {
            self.add(Power, "uses", power.name.to_string(), &power.why);
        }
    }

    /// What its tools do, and make a model read.
    fn tools(&mut self, manifest: &Manifest, tools: &[ToolAuthority]) {
        let mut add = |text: String, why: &str| self.add(Weight::Power, "tool", text, why);
        for (tool, declared) in tools.iter().zip(manifest.tools()) {
            let name = &tool.name;
            for (effect, why) in &tool.raised {
                add(format!("`{name}` {}", effect.name()), why);
            }
            if tool.destination.is_empty() {
                add(format!("`{name}` has no argument that says where data goes"), "");
            }
            for to in &tool.destination {
                add(format!("`{name}` goes where its `{}` says", to.argument()), "");
            }
            // What a model is told steers it in every conversation, so a new text is looked at like a new power.
            add(format!("`{name}` tells the model: {}", declared.description), "");
            add(format!("`{name}` takes {}", declared.input), "");
        }
    }

    /// What it is and is made of.
    fn nature(&mut self, manifest: &Manifest, interfaces: &Interfaces, limits: &Limits) {
        if let Some(provider) = manifest.provider() {
            let when = match provider.detect {
                Detect::Secret => "when its key is at hand",
                Detect::Port => "when its server answers",
                Detect::Always => "always",
            };
            self.add(Weight::Notice, "chosen", format!("as provider {when}, at rank {}", provider.rank), "");
            self.add(Weight::Plain, "chosen", format!("with model `{}`", provider.default_model), "");
        }
        for (name, value) in limits.shown() {
            self.add(Weight::Notice, "limit", format!("{name} {value}"), "");
        }
        for kind in interfaces.kinds() {
            self.add(Weight::Power, "is", format!("a {kind}"), "");
        }
        for import in interfaces.imports() {
            self.add(Weight::Plain, "imports", import.to_owned(), "");
        }
        for export in interfaces.exports() {
            self.add(Weight::Plain, "exports", export.to_owned(), "");
        }
    }
}
