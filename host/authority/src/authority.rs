//! What a component can do: one value, computed from binary and manifest.
//!
//! Effects and powers that a review prints, that make an update wait and that the policy decides by come from it. It says
//! what is possible; what of it the operator granted is for [`crate::Grants`].
//!
//! ```text
//! imports (binary) ──┐                 ┌─→ facts: compared, an update that adds one waits
//! manifest (signed) ─┴─→ Authority::of ┴─→ effects of each tool: the policy decides by them, `Grants` holds calls to them
//! ```

use crate::effect::Effect;
use crate::id::ToolName;
use crate::interfaces::Interfaces;
use crate::manifest::{DestinationArgument, Manifest, Target, Tool};
use crate::power::Power;
use crate::settings::SettingType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

crate::words! {
    /// What a power is about, in the order in which people are shown them.
    About {
        /// Hosts that the component connects to.
        Reaches = "reaches",
        /// Which secrets are put into its requests.
        Spends = "spends",
        /// Secrets that sign for the component.
        Signs = "signs",
        /// Which variables of the environment it is given.
        Reads = "reads",
        /// State that is kept between calls.
        Keeps = "keeps",
        /// Which services of the host it uses.
        Uses = "uses",
        /// Which settings direct it from the start.
        Setting = "setting",
        /// The kind of the component.
        Is = "is",
        /// What its tools do, and make a model read.
        Tool = "tool",
    }
}

/// One power that a component has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// The subject of the fact.
    pub about: About,
    /// The fact, in words.
    pub text: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.about, self.text)
    }
}

/// What is true of one version and not of the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// True of the newer one only: then it can do more, or tells a model something else.
    pub added: Vec<Fact>,
    /// True of the older one only.
    pub removed: Vec<Fact>,
}

/// What calls of one tool can do.
#[derive(Debug, Clone)]
pub struct ToolAuthority {
    /// The tool's name.
    pub name: ToolName,
    /// What the host lets its calls do: what is not among these is refused.
    pub uses: Vec<Effect>,
    /// Its effects, each with what raised it: what its calls do, and what follows from it.
    pub raised: BTreeMap<Effect, String>,
    /// Whether what a call is given can come to a server: by a request of its own, or by one of a later call of the
    /// component that finds it in the state.
    pub tells: bool,
    /// The arguments that say where data goes.
    pub destination: Vec<DestinationArgument>,
}

impl ToolAuthority {
    /// The effects of the tool.
    pub fn effects(&self) -> Vec<Effect> {
        self.raised.keys().copied().collect()
    }
}

/// Having an `Authority` tells you: everything that a component can ever do or make a model read is in it.
#[derive(Debug, Clone)]
pub struct Authority {
    tools: Vec<ToolAuthority>,
    facts: BTreeMap<Fact, String>,
}

impl Authority {
    /// Computes it.
    pub fn of(manifest: &Manifest, interfaces: &Interfaces) -> Self {
        let tools = manifest.tools().iter().map(|tool| {
            let mut raised = effects(tool, manifest, interfaces);
            let uses = raised.keys().copied().collect();
            let tells = carries(tool, manifest, interfaces, &mut raised);
            ToolAuthority { name: tool.name.clone(), uses, raised, tells, destination: tool.destination.clone() }
        });
        let tools: Vec<ToolAuthority> = tools.collect();
        let mut facts = Facts::default();
        facts.access(manifest);
        facts.tools(manifest, &tools);
        interfaces.kinds().iter().for_each(|kind| facts.add(About::Is, format!("a {kind}"), ""));
        Self { tools, facts: facts.0 }
    }

    /// What calls of each tool can do.
    pub fn tools(&self) -> &[ToolAuthority] {
        &self.tools
    }

    /// What calls of this tool can do.
    pub fn tool(&self, name: &ToolName) -> Option<&ToolAuthority> {
        self.tools.iter().find(|tool| tool.name == *name)
    }

    /// All facts, each with the reason the author gives; empty where none is asked for.
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
    effects
}

/// Whether what a call is given or reads can come to a server; adds what follows from that, which no ceiling takes away.
/// What one call keeps, a later one can send, and no tool's list says which of them use the state. So beside requests,
/// all do: what a tool reads of private things goes to the hosts of its component, and where those are a pattern, what
/// it is told goes to anybody.
fn carries(tool: &Tool, manifest: &Manifest, interfaces: &Interfaces, effects: &mut BTreeMap<Effect, String>) -> bool {
    let keeps = interfaces.imports_state();
    if !interfaces.imports_http() || !(tool.may_request() || keeps) {
        return false;
    }
    let why = if keeps && manifest.http().iter().any(|http| http.host.is_open()) {
        Some("computed, what it is told can be kept and sent to any host by a later call")
    } else if !effects.contains_key(&Effect::ReadsPrivate) {
        None
    } else if tool.may_request() {
        Some("computed, what it reads can stand in the address that it asks for")
    } else {
        Some("computed, what it reads can be kept and sent by a later call")
    };
    if let Some(why) = why {
        effects.entry(Effect::SendsOutside).or_insert(why.to_owned());
    }
    true
}

#[derive(Default)]
struct Facts(BTreeMap<Fact, String>);

impl Facts {
    fn add(&mut self, about: About, text: String, why: &str) {
        self.0.insert(Fact { about, text }, why.to_owned());
    }

    /// What it reaches, spends, reads, keeps and uses.
    fn access(&mut self, manifest: &Manifest) {
        for http in manifest.http() {
            // One by one, so that a wider list of methods or paths is seen as more.
            let anywhere = ["any path".to_owned()];
            let paths = if http.paths.is_empty() { &anywhere[..] } else { &http.paths[..] };
            for method in &http.methods {
                let counted = http.reads && method == http::Method::POST;
                let counted = if counted { ", counted as reading: its author says so" } else { "" };
                for path in paths {
                    self.add(About::Reaches, format!("{} {method} {path}{counted}", http.host), &http.why);
                }
            }
        }
        for secret in manifest.secrets() {
            for audience in &secret.audience {
                for spot in &secret.places {
                    let text = format!("secret `{}` toward {audience}, in the {spot}", secret.name);
                    self.add(About::Spends, text, &secret.label);
                }
                if let Some(key) = secret.key {
                    let text = format!("with secret `{}` for {audience}: {key}", secret.name);
                    self.add(About::Signs, text, &secret.label);
                }
            }
            for variable in &secret.env {
                let text = format!("environment variable {variable} as secret `{}`", secret.name);
                self.add(About::Reads, text, &secret.label);
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
            // What a URL is when nobody sets it says where data goes.
            let directs = setting.kind == SettingType::Url && sources.contains(&setting.key);
            if let Some(value) = setting.default.as_ref().filter(|_| directs) {
                self.add(About::Setting, format!("`{}`, {value} unless set", setting.key), &setting.label);
            }
            for variable in &setting.env {
                let text = format!("environment variable {variable} as setting `{}`, in clear", setting.key);
                self.add(About::Reads, text, &setting.label);
            }
        }
        if let Some(state) = manifest.state() {
            self.add(About::Keeps, format!("up to {} bytes between calls", state.bytes), &state.why);
        }
        for power in manifest.powers() {
            self.add(About::Uses, power.name.to_string(), &power.why);
        }
    }

    /// What its tools do, and make a model read.
    fn tools(&mut self, manifest: &Manifest, tools: &[ToolAuthority]) {
        let mut add = |text: String, why: &str| self.add(About::Tool, text, why);
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
}
