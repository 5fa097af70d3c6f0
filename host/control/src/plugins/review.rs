//! What a person needs to decide about a package, on one screen.

use crate::candidate::Candidate;
use crate::component_settings;
use crate::installed::Installed;
use crate::plugins::remarks::{Remark, asked_limits, limits, remarks, texts};
use cara_assistant::guards::injection::{Level, examine};
use cara_authority::ToolAuthority;
use cara_authority::authority::{About, Fact};
use cara_authority::manifest;
use cara_signing::{Bundle, TrustStore, Verified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A text for a model that is longer than this is pointed out, bytes.
const LONG: usize = 1_000;

/// Phrases that order a model about.
const ORDERS: [&str; 16] = [
    "ignore",
    "disregard",
    "you must",
    "always call",
    "always use",
    "always include",
    "call this first",
    "call it first",
    "before any other",
    "before anything else",
    "do not tell",
    "don't tell",
    "do not mention",
    "never mention",
    "without asking",
    "other tools",
];

/// A review, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Review {
    /// The component's id.
    pub id: String,
    /// The version.
    pub version: String,
    /// `provider`, `channel`, `tool`.
    pub kinds: Vec<String>,
    /// The component in a sentence.
    pub summary: String,
    /// The place that the package came from.
    pub from: String,
    /// The digest of the component's file.
    pub digest: String,
    /// The size of the file.
    pub bytes: usize,
    /// The licence its author states.
    pub license: Option<String>,
    /// Where its source is, as its author states.
    pub source: Option<String>,
    /// The signer.
    pub signer: Signer,
    /// Why binary and manifest disagree, when they do.
    pub disagreement: Option<String>,
    /// What to look at before agreeing.
    pub warnings: Vec<String>,
    /// What it can reach, spend, read, keep and use.
    pub may: Vec<AskedCapability>,
    /// The tools of the component.
    pub tools: Vec<ReviewedTool>,
    /// What a call may use up, by name.
    pub limits: BTreeMap<String, String>,
    /// What the binary imports.
    pub imports: Vec<String>,
    /// What the binary exports.
    pub exports: Vec<String>,
    /// Against what is installed, or was asked for.
    pub changes: Option<ReviewChanges>,
}

/// The signer of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Signer {
    /// The name.
    pub name: Option<String>,
    /// The key or identity.
    pub key: Option<String>,
    /// Since when they are trusted.
    pub since: Option<String>,
    /// Why it does not verify, when it does not.
    pub problem: Option<String>,
}

/// One thing that is asked for, and the author's reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedCapability {
    /// What kind of thing.
    pub about: String,
    /// The thing.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// A tool: what its calls can do, and what a model will read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewedTool {
    /// The name.
    pub name: String,
    /// What its calls can do.
    pub effects: Vec<RaisedEffect>,
    /// The arguments that say where data goes.
    pub destination: Vec<String>,
    /// Every text of it that a model reads.
    pub texts: Vec<ModelText>,
}

/// An effect, and what raised it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RaisedEffect {
    /// The effect.
    pub effect: String,
    /// The reason.
    pub why: String,
}

/// A text that a model will read, and where in the tool it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelText {
    /// Where in the tool.
    pub at: String,
    /// The text.
    pub text: String,
}

/// What another version makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReviewChanges {
    /// The version it is compared with.
    pub against: String,
    /// Whether it can do more: then it waits for a person.
    pub grows: bool,
    /// That another signed it, when another did.
    pub signer: Option<String>,
    /// The heaviest first.
    pub added: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
}

impl Review {
    /// Looks at a candidate, and compares it with what it would replace.
    pub(crate) fn of(
        candidate: &Candidate,
        trust: &TrustStore,
        installed: &Installed,
        against: Option<&Candidate>,
    ) -> Self {
        let Candidate { package, manifest, interfaces, from, .. } = candidate;
        let changes = against.map(|old| changes(old, candidate));
        Self {
            id: manifest.id().to_string(),
            version: manifest.version().to_string(),
            kinds: interfaces.kinds().iter().map(ToString::to_string).collect(),
            summary: manifest.summary().to_owned(),
            from: from.to_string(),
            digest: package.digest().to_string(),
            bytes: package.bytes().len(),
            license: manifest.license().map(str::to_owned),
            source: manifest.source().map(str::to_owned),
            signer: signer(candidate, trust),
            disagreement: interfaces.agree(manifest).err().map(|error| error.to_string()),
            warnings: warnings(candidate, installed),
            may: may(candidate),
            tools: candidate.authority.tools().iter().zip(manifest.tools()).map(ReviewedTool::of).collect(),
            limits: limits(&asked_limits(manifest, interfaces))
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            imports: interfaces.imports().map(str::to_owned).collect(),
            exports: interfaces.exports().map(str::to_owned).collect(),
            changes,
        }
    }

    /// Whether it could be installed as it is.
    pub fn holds(&self) -> bool {
        self.disagreement.is_none() && self.signer.problem.is_none()
    }
}

fn signer(candidate: &Candidate, trust: &TrustStore) -> Signer {
    let key = claimed(candidate);
    match &candidate.verified {
        Ok(verified) => {
            let since = match verified.signer() {
                cara_signing::Signer::Key { id, .. } => trust.key(id).and_then(|key| key.since),
                _ => trust
                    .identities()
                    .iter()
                    .find(|known| known.name == verified.signer_name())
                    .and_then(|known| known.since),
            };
            let since = since.map(|since| since.strftime("%Y-%m-%d").to_string());
            Signer { name: Some(verified.signer_name().to_owned()), key, since, problem: None }
        }
        Err(error) => Signer { name: None, key, since: None, problem: Some(error.to_string()) },
    }
}

/// The signer by what the signature file claims.
fn claimed(candidate: &Candidate) -> Option<String> {
    Some(Bundle::from_json(&candidate.bundle).ok()?.claimed_signer())
}

/// What a component can reach, spend, read, keep and use: each of its facts with power, but those of its tools.
fn may(candidate: &Candidate) -> Vec<AskedCapability> {
    // What it is stands above, and what its tools do below. Whatever else there will be is told.
    let elsewhere = |fact: &Fact| matches!(fact.about, About::Is | About::Tool);
    let facts = candidate.authority.facts().filter(|(fact, _)| !elsewhere(fact));
    facts
        .map(|(fact, why)| AskedCapability {
            about: fact.about.name().to_owned(),
            what: fact.text.clone(),
            why: why.into(),
        })
        .collect()
}

/// What a person should not overlook.
fn warnings(candidate: &Candidate, installed: &Installed) -> Vec<String> {
    let mut warnings = Vec::new();
    for http in candidate.manifest.http().iter().filter(|http| http.host.is_open()) {
        warnings.push(format!("it reaches hosts that nobody named: `{}`", http.host));
    }
    for variable in candidate.manifest.setting_keys().iter().flat_map(|setting| &setting.env) {
        warnings.push(format!("it is given the environment variable {variable} in clear"));
    }
    for secret in candidate.manifest.secrets() {
        for (variable, owner) in
            secret.env.iter().filter_map(|name| Some((name, component_settings::secret_of(installed, name)?)))
        {
            if owner != candidate.id() {
                let to: Vec<String> = secret.audience.iter().map(|to| format!("`{to}`")).collect();
                warnings.push(format!("it takes {variable}, a secret of `{owner}`, and sends it to {}", to.join(", ")));
            }
        }
    }
    for tool in candidate.manifest.tools() {
        for (at, text) in &texts(tool) {
            let orders = orders(text);
            if !orders.is_empty() {
                warnings.push(format!("`{}` gives the model orders ({orders}) in its {at}", tool.name));
            }
            if text.len() > LONG {
                warnings.push(format!("`{}` has {} bytes for the model to read in its {at}", tool.name, text.len()));
            }
        }
    }
    warnings
}

/// What in a text reads as an order to the model or as an attack; empty when nothing does. It only points: whoever wants
/// to mislead finds other words.
fn orders(text: &str) -> String {
    let lower = text.to_lowercase();
    let said =
        ORDERS.iter().filter(|phrase| lower.contains(**phrase)).map(|phrase| format!("\u{201c}{phrase}\u{201d}"));
    let verdict = examine(text);
    let attacks =
        verdict.findings.iter().filter(|_| verdict.level > Level::Clean).map(|finding| finding.what.to_owned());
    said.chain(attacks).collect::<Vec<_>>().join(", ")
}

impl ReviewedTool {
    fn of((tool, declared): (&ToolAuthority, &manifest::Tool)) -> Self {
        let effect = |(effect, why): (&cara_authority::manifest::Effect, &String)| RaisedEffect {
            effect: effect.name().to_owned(),
            why: why.clone(),
        };
        Self {
            name: tool.name.to_string(),
            effects: tool.raised.iter().map(effect).collect(),
            destination: tool.destination.iter().map(|to| to.argument().to_owned()).collect(),
            texts: texts(declared).into_iter().map(|(at, text)| ModelText { at, text }).collect(),
        }
    }
}

/// What makes `new` another than `old`.
pub(crate) fn changes(old: &Candidate, new: &Candidate) -> ReviewChanges {
    let difference = old.authority.difference(&new.authority);
    let who = |of: &Candidate| of.verified.as_ref().map_or("nobody who is trusted", Verified::signer_name).to_owned();
    let other = claimed(old) != claimed(new);
    let signer = other.then(|| format!("signed by {}, before by {}", who(new), who(old)));
    let (told, tells) = (remarks(&old.manifest, &old.interfaces), remarks(&new.manifest, &new.interfaces));
    let texts = |facts: &[Fact], these: &BTreeSet<Remark>, those: &BTreeSet<Remark>| {
        let remarks = these.difference(those).map(|(_, about, text)| format!("{about} {text}"));
        facts.iter().map(Fact::to_string).chain(remarks).collect()
    };
    ReviewChanges {
        against: format!("{} ({})", old.manifest.version(), old.from),
        grows: !difference.added.is_empty() || other,
        signer,
        added: texts(&difference.added, &tells, &told),
        removed: texts(&difference.removed, &told, &tells),
    }
}
