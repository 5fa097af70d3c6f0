//! What a person needs to decide about a package, on one screen.

use crate::candidate::Candidate;
use crate::choose;
use crate::layout;
use crate::plugins::Installed;
use crate::remarks::{Remark, asked_limits, limits, remarks, texts};
use crate::show;
use cara_assistant::guards::injection::{Level, examine};
use cara_assistant::text::exact;
use cara_authority::ToolAuthority;
use cara_authority::authority::{About, Fact};
use cara_authority::manifest;
use cara_signing::{Bundle, TrustStore, verify};
use serde::Serialize;
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
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Review {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) summary: String,
    pub(crate) from: String,
    pub(crate) digest: String,
    pub(crate) bytes: usize,
    pub(crate) license: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) signer: Signer,
    /// Why binary and manifest disagree, when they do.
    pub(crate) disagreement: Option<String>,
    /// What to look at before agreeing.
    pub(crate) warnings: Vec<String>,
    /// What it can reach, spend, read, keep and use.
    pub(crate) may: Vec<Asked>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) limits: BTreeMap<&'static str, String>,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// Against what is installed, or was asked for.
    pub(crate) changes: Option<Changes>,
}

/// Who signed it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Signer {
    pub(crate) name: Option<String>,
    pub(crate) key: Option<String>,
    /// Since when they are trusted.
    pub(crate) since: Option<String>,
    /// Why it does not verify, when it does not.
    pub(crate) problem: Option<String>,
}

/// One thing that is asked for, and the author's reason.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) about: &'static str,
    pub(crate) what: String,
    pub(crate) why: String,
}

/// A tool: what its calls can do, and what a model will read of it.
#[derive(Debug, Serialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) effects: Vec<RaisedEffect>,
    pub(crate) destination: Vec<String>,
    pub(crate) texts: Vec<ModelText>,
}

/// An effect, and what raised it.
#[derive(Debug, Serialize)]
pub(crate) struct RaisedEffect {
    pub(crate) effect: &'static str,
    pub(crate) why: String,
}

/// A text that a model will read, and where in the tool it stands.
#[derive(Debug, Serialize)]
pub(crate) struct ModelText {
    pub(crate) at: String,
    pub(crate) text: String,
}

/// What another version makes of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Changes {
    pub(crate) against: String,
    /// Whether it can do more: then it waits for a person.
    pub(crate) grows: bool,
    pub(crate) signer: Option<String>,
    /// The heaviest first.
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Review {
    /// Looks at a candidate, and compares it with what it would replace.
    pub(crate) fn of(
        candidate: &Candidate,
        trust: &TrustStore,
        installed: &Installed,
        against: Option<(&Candidate, &TrustStore)>,
    ) -> Self {
        let Candidate { package, manifest, interfaces, from, .. } = candidate;
        let changes = against.map(|(old, trust)| changes(old, trust, candidate));
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
            tools: candidate.authority.tools().iter().zip(manifest.tools()).map(Tool::of).collect(),
            limits: limits(&asked_limits(manifest, interfaces)).into_iter().collect(),
            imports: interfaces.imports().map(str::to_owned).collect(),
            exports: interfaces.exports().map(str::to_owned).collect(),
            changes,
        }
    }

    /// Whether it could be installed as it is.
    pub(crate) fn holds(&self) -> bool {
        self.disagreement.is_none() && self.signer.problem.is_none()
    }

    /// Prints it in 80 columns.
    pub(crate) fn print(&self) {
        show::line(&format!("{} {} ({})", self.id, self.version, self.kinds.join(", ")));
        layout::paragraph(2, &self.summary);
        let field = |name: &str, value: &str| layout::field(0, name, value);
        self.print_signer();
        field("from", &self.from);
        field("digest", &self.digest);
        let license = self.license.as_deref().unwrap_or("no licence stated");
        let source = self.source.as_deref().unwrap_or("no source stated");
        field("size", &format!("{} KB · {license} · {source}", self.bytes.div_ceil(1000)));
        match &self.disagreement {
            Some(why) => field("DISAGREES", why),
            None => field("agrees", "manifest and binary say the same"),
        }
        if let Some(changes) = &self.changes {
            changes.print();
        }
        if !self.warnings.is_empty() {
            show::line("look at this before you agree");
            self.warnings.iter().for_each(|warning| layout::hang("  ! ", warning));
        }
        show::line("what it may do, once granted");
        let mut before = "";
        for Asked { about, what, why } in &self.may {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            layout::field(2, if *about == before { "" } else { about }, &format!("{what}{why}"));
            before = about;
        }
        if self.may.is_empty() {
            layout::field(2, "nothing", "it asks for nothing: it computes, and answers");
        }
        if !self.tools.is_empty() {
            show::line("its tools, with every text of them that a model will read");
        }
        self.tools.iter().for_each(Tool::print);
        let limits: Vec<String> = self.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
        field("limits", &limits.join(", "));
        field("imports", &self.imports.join(", "));
        field("exports", &self.exports.join(", "));
    }

    fn print_signer(&self) {
        let Signer { name, key, since, problem } = &self.signer;
        let key = key.as_deref().map(|key| format!(" (key {})", &key[..key.len().min(16)])).unwrap_or_default();
        let since = since.as_deref().map(|since| format!(", trusted since {since}")).unwrap_or_default();
        match (name, problem) {
            (_, Some(problem)) if key.is_empty() => layout::field(0, "NOT SIGNED", problem),
            (_, Some(problem)) => layout::field(0, "NOT TRUSTED", problem),
            (Some(name), None) => layout::field(0, "signer", &format!("{name}{key}{since}")),
            (None, None) => layout::field(0, "signer", "nobody"),
        }
    }
}

impl Changes {
    fn print(&self) {
        show::line(&format!("what changes against {}", self.against));
        if let Some(signer) = &self.signer {
            layout::hang("  ! ", signer);
        }
        for (sign, facts) in [("  + ", &self.added), ("  - ", &self.removed)] {
            for fact in facts {
                layout::hang(sign, fact);
            }
        }
        if self.added.is_empty() && self.removed.is_empty() && self.signer.is_none() {
            layout::paragraph(2, "nothing but its code");
        }
    }
}

fn signer(candidate: &Candidate, trust: &TrustStore) -> Signer {
    let read = Bundle::from_json(&candidate.bundle);
    let key = read.as_ref().ok().map(|bundle| bundle.claimed_signer());
    let bundle = match read {
        Ok(bundle) => bundle,
        Err(error) => return Signer { name: None, key, since: None, problem: Some(error.to_string()) },
    };
    match verify(candidate.package.clone(), &bundle, trust, None) {
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

/// What a component can reach, spend, read, keep and use: each of its facts with power, but those of its tools.
fn may(candidate: &Candidate) -> Vec<Asked> {
    // What it is stands above, and what its tools do below. Whatever else there will be is told.
    let elsewhere = |fact: &Fact| matches!(fact.about, About::Is | About::Tool);
    let facts = candidate.authority.facts().filter(|(fact, _)| !elsewhere(fact));
    facts.map(|(fact, why)| Asked { about: fact.about.name(), what: fact.text.clone(), why: why.into() }).collect()
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
        for (variable, owner) in secret.env.iter().filter_map(|name| Some((name, choose::secret_of(installed, name)?)))
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

impl Tool {
    fn of((tool, declared): (&ToolAuthority, &manifest::Tool)) -> Self {
        let effect = |(effect, why): (&cara_authority::manifest::Effect, &String)| RaisedEffect {
            effect: effect.name(),
            why: why.clone(),
        };
        Self {
            name: tool.name.to_string(),
            effects: tool.raised.iter().map(effect).collect(),
            destination: tool.destination.iter().map(|to| to.argument().to_owned()).collect(),
            texts: texts(declared).into_iter().map(|(at, text)| ModelText { at, text }).collect(),
        }
    }

    fn print(&self) {
        let field = |name: &str, value: &str| layout::field(2, name, value);
        let to: String = self.destination.iter().map(|to| format!(", toward its `{to}`")).collect();
        let only = if self.effects.is_empty() { ": only answers" } else { "" };
        field("tool", &format!("{}{to}{only}", self.name));
        for RaisedEffect { effect, why } in &self.effects {
            field("", &format!("{effect}: {why}"));
        }
        for ModelText { at, text } in &self.texts {
            let at = at.replace("properties/", "");
            field("", &exact(&format!("{at}: \u{201c}{text}\u{201d}")));
        }
    }
}

/// What makes `new` another than `old`.
pub(crate) fn changes(old: &Candidate, trust: &TrustStore, new: &Candidate) -> Changes {
    let difference = old.authority.difference(&new.authority);
    let (before, after) = (signer(old, trust), signer(new, trust));
    let who = |signer: &Signer| signer.name.clone().unwrap_or_else(|| "nobody who is trusted".into());
    let other = before.key != after.key;
    let signer = other.then(|| format!("signed by {}, before by {}", who(&after), who(&before)));
    let (told, tells) = (remarks(&old.manifest, &old.interfaces), remarks(&new.manifest, &new.interfaces));
    let texts = |facts: &[Fact], these: &BTreeSet<Remark>, those: &BTreeSet<Remark>| {
        let remarks = these.difference(those).map(|(_, about, text)| format!("{about} {text}"));
        facts.iter().map(Fact::to_string).chain(remarks).collect()
    };
    Changes {
        against: format!("{} ({})", old.manifest.version(), old.from),
        grows: !difference.added.is_empty() || other,
        signer,
        added: texts(&difference.added, &tells, &told),
        removed: texts(&difference.removed, &told, &tells),
    }
}
