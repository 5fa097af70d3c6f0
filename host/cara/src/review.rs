//! What a person needs to decide about a package, on one screen.

use crate::candidate::Candidate;
use crate::layout;
use crate::show;
use cara_authority::asks::{Difference, Fact, Weight};
use cara_authority::manifest::Effect;
use cara_signing::{Bundle, TrustStore, TrustedIdentity, TrustedKey, verify};
use serde::Serialize;
use std::collections::BTreeMap;

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
    pub(crate) reaches: Vec<Asked>,
    pub(crate) spends: Vec<Asked>,
    pub(crate) keeps: Option<Asked>,
    pub(crate) uses: Vec<Asked>,
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
    pub(crate) what: String,
    pub(crate) why: String,
}

/// A tool, as a model will see it.
#[derive(Debug, Serialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) effects: Vec<&'static str>,
    pub(crate) destination: Vec<String>,
    pub(crate) description: String,
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
    pub(crate) fn of(candidate: &Candidate, trust: &TrustStore, against: Option<(&Candidate, &TrustStore)>) -> Self {
        let Candidate { package, manifest, interfaces, from, .. } = candidate;
        let facts = candidate.facts();
        let limits = cara_authority::Limits::default_for(interfaces.kinds()).narrowed(manifest.limits());
        let changes = against.map(|(old, trust)| changes(old, trust, candidate));
        let tools = manifest.tools().iter().map(|tool| Tool {
            name: tool.name.to_string(),
            effects: tool.effects.iter().map(|effect| Effect::name(*effect)).collect(),
            destination: tool.destination.iter().map(|to| to.argument().to_owned()).collect(),
            description: tool.description.clone(),
        });
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
            reaches: reaches(candidate),
            spends: spends(candidate, &facts),
            keeps: manifest
                .state()
                .map(|state| Asked { what: format!("{} bytes", state.bytes), why: state.why.clone() }),
            uses: manifest
                .powers()
                .iter()
                .map(|power| Asked { what: power.name.to_string(), why: power.why.clone() })
                .collect(),
            tools: tools.collect(),
            limits: limits.shown().into_iter().collect(),
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
        show::line("what it may do, once granted");
        let mut nothing = true;
        let mut asked = |name: &str, all: &[Asked]| {
            for (at, Asked { what, why }) in all.iter().enumerate() {
                nothing = false;
                layout::field(2, if at == 0 { name } else { "" }, &format!("{what}: {why}"));
            }
        };
        asked("reaches", &self.reaches);
        asked("spends", &self.spends);
        asked("keeps", self.keeps.as_slice());
        asked("uses", &self.uses);
        if nothing {
            layout::field(2, "nothing", "it asks for nothing: it computes, and answers");
        }
        for tool in &self.tools {
            let effects = if tool.effects.is_empty() { "only answers".to_owned() } else { tool.effects.join(", ") };
            let to = tool.destination.iter().map(|to| format!(", toward its `{to}`")).collect::<String>();
            layout::field(2, "tool", &format!("{} [{effects}{to}]", tool.name));
            layout::field(2, "", &tool.description);
        }
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
                cara_signing::Signer::Key { id, .. } => trust.key(id).and_then(TrustedKey::since),
                _ => trust
                    .identities()
                    .iter()
                    .find(|known| known.name() == verified.signer_name())
                    .and_then(TrustedIdentity::since),
            };
            let since = since.map(|since| since.strftime("%Y-%m-%d").to_string());
            Signer { name: Some(verified.signer_name().to_owned()), key, since, problem: None }
        }
        Err(error) => Signer { name: None, key, since: None, problem: Some(error.to_string()) },
    }
}

fn reaches(candidate: &Candidate) -> Vec<Asked> {
    let asked = candidate.manifest.http().iter().map(|http| {
        let methods: Vec<&str> = http.methods.iter().map(|method| method.as_str()).collect();
        let paths = if http.paths.is_empty() { "any path".to_owned() } else { http.paths.join(", ") };
        Asked { what: format!("{} {} {paths}", http.host, methods.join("|")), why: http.why.clone() }
    });
    asked.collect()
}

fn spends(candidate: &Candidate, facts: &std::collections::BTreeSet<Fact>) -> Vec<Asked> {
    let why = |name: &str| {
        let secret = candidate.manifest.secrets().iter().find(|secret| secret.name.as_str() == name);
        secret.map(|secret| secret.label.clone()).unwrap_or_default()
    };
    let about = facts.iter().filter(|fact| fact.weight == Weight::Power && matches!(fact.about, "spends" | "reads"));
    let asked = about.map(|fact| {
        let name = fact.text.split('`').nth(1).unwrap_or_default();
        Asked { what: fact.text.clone(), why: why(name) }
    });
    asked.collect()
}

/// What makes `new` another than `old`.
pub(crate) fn changes(old: &Candidate, trust: &TrustStore, new: &Candidate) -> Changes {
    let difference = Difference::of(&old.facts(), &new.facts());
    let (before, after) = (signer(old, trust), signer(new, trust));
    let who = |signer: &Signer| signer.name.clone().unwrap_or_else(|| "nobody who is trusted".into());
    let other = before.key != after.key;
    let signer = other.then(|| format!("signed by {}, before by {}", who(&after), who(&before)));
    let texts = |facts: &[Fact]| facts.iter().map(Fact::to_string).collect();
    Changes {
        against: format!("{} ({})", old.manifest.version(), old.from),
        grows: difference.grows() || other,
        signer,
        added: texts(&difference.added),
        removed: texts(&difference.removed),
    }
}
