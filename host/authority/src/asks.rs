//! What a component asks for, as single facts that can be compared.
//!
//! A review shows them, and the difference of two versions says whether the newer one wants more. A text in a manifest
//! (`why`, a label) is no fact about power; which text a model is told is one, since it can steer it.

use crate::interfaces::Interfaces;
use crate::limits::Limits;
use crate::manifest::{Detect, Effect, Manifest};
use std::collections::BTreeSet;
use std::fmt;

/// How much a fact weighs, the heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// It can reach, spend, send or change something.
    Power,
    /// It can steer a model or a choice, or use more of the machine.
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
    /// What makes `new` another component than `old`.
    pub fn of(old: &BTreeSet<Fact>, new: &BTreeSet<Fact>) -> Self {
        let only = |these: &BTreeSet<Fact>, those: &BTreeSet<Fact>| these.difference(those).cloned().collect();
        Self { added: only(new, old), removed: only(old, new) }
    }

    /// Whether the newer one can do more. A tool of other effects or destination does, too: its fact changed.
    pub fn grows(&self) -> bool {
        self.added.iter().any(|fact| fact.weight == Weight::Power)
    }
}

/// All facts of a component, the heaviest first.
pub fn facts(manifest: &Manifest, interfaces: &Interfaces) -> BTreeSet<Fact> {
    let mut facts = BTreeSet::new();
    let mut add = |weight, about, text: String| {
        facts.insert(Fact { weight, about, text });
    };
    for http in manifest.http() {
        // One by one, so that a wider list of methods or paths is seen as more.
        let anywhere = ["any path".to_owned()];
        let paths = if http.paths.is_empty() { &anywhere[..] } else { &http.paths[..] };
        for method in &http.methods {
            for path in paths {
                add(Weight::Power, "reaches", format!("{} {method} {path}", http.host));
            }
        }
    }
    for secret in manifest.secrets() {
        for audience in &secret.audience {
            for spot in &secret.places {
                add(Weight::Power, "spends", format!("secret `{}` toward {audience}, in the {spot}", secret.name));
            }
            if let Some(key) = secret.key {
                add(Weight::Power, "signs", format!("with secret `{}` for {audience}: {key}", secret.name));
            }
        }
        for variable in &secret.env {
            add(Weight::Power, "reads", format!("environment variable {variable} as secret `{}`", secret.name));
        }
    }
    for setting in manifest.setting_keys() {
        add(Weight::Plain, "setting", format!("`{}`", setting.key));
        for variable in &setting.env {
            add(Weight::Notice, "reads", format!("environment variable {variable} as setting `{}`", setting.key));
        }
    }
    if let Some(state) = manifest.state() {
        add(Weight::Power, "keeps", format!("up to {} bytes between calls", state.bytes));
    }
    for power in manifest.powers() {
        add(Weight::Power, "uses", power.name.to_string());
    }
    for tool in manifest.tools() {
        let lasting = tool.effects.iter().any(|effect| effect.reaches_out());
        let effects: Vec<&str> = tool.effects.iter().map(|effect| Effect::name(*effect)).collect();
        let effects = if effects.is_empty() { "only answers".to_owned() } else { effects.join(", ") };
        let to: String = tool.destination.iter().map(|to| format!(", toward its `{}`", to.argument())).collect();
        let weight = if lasting || !to.is_empty() { Weight::Power } else { Weight::Notice };
        add(weight, "tool", format!("`{}`: {effects}{to}", tool.name));
        // What it says steers the model in every conversation, so a new text is looked at like a new power.
        add(Weight::Power, "tool", format!("`{}` tells the model: {}", tool.name, tool.description));
        add(Weight::Plain, "tool", format!("`{}` takes {}", tool.name, tool.input));
    }
    if let Some(provider) = manifest.provider() {
        let when = match provider.detect {
            Detect::Secret => "when its key is at hand",
            Detect::Port => "when its server answers",
            Detect::Always => "always",
        };
        add(Weight::Notice, "chosen", format!("as provider {when}, at rank {}", provider.rank));
        add(Weight::Plain, "chosen", format!("with model `{}`", provider.default_model));
    }
    let limits = Limits::default_for(interfaces.kinds()).narrowed(manifest.limits());
    for (name, value) in limits.shown() {
        add(Weight::Notice, "limit", format!("{name} {value}"));
    }
    for kind in interfaces.kinds() {
        add(Weight::Power, "is", format!("a {kind}"));
    }
    for import in interfaces.imports() {
        add(Weight::Plain, "imports", import.to_owned());
    }
    for export in interfaces.exports() {
        add(Weight::Plain, "exports", export.to_owned());
    }
    facts
}
