//! Environment variables: those of the home, and those that a request brings
//! along for the components whose manifests name them.
//!
//! ```text
//! a terminal's variables ─→ chat.open, runs.begin ─→ Environment of that request and its run, and of no other
//! variables of `cara start` ─→ Environment of the home, below those of a request
//! ```
//!
//! A key that is stored or the home's own is never given to an address that a request's variable names.

use cara_authority::manifest::{Secret, Target};
use cara_authority::{Capability, Manifest, VariableName};
use cara_services::egress::KnownSecrets;
use cara_services::vault::SecretValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Values of environment variables by name, as a client has them. They count for the request that they come with, and for
/// the run that it begins; they are stored nowhere.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<String, String>);

/// Values can be keys.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Variables as components may be given them in one request.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    brought: Arc<BTreeMap<String, String>>,
    /// The secrets that are taken out of the request's texts; none where it brought nothing, so that the home's count.
    pub(crate) known: Option<KnownSecrets>,
    /// Whether the variables of this process are those of the home.
    of_home: bool,
}

impl Environment {
    /// That of the home: the variables of this process where it was started to hold the home, and none else. Those of a
    /// command that happens to hold it are brought along by its own requests.
    pub(crate) fn of_home(of_home: bool) -> Self {
        Self { brought: Arc::default(), known: None, of_home }
    }

    /// This one with what a request brings over it.
    pub(crate) fn with(&self, Variables(brought): Variables) -> Self {
        Self { brought: Arc::new(brought), known: None, of_home: self.of_home }
    }

    /// Takes the secrets that the request brings out of its own texts: they say nothing of anybody else's.
    pub(crate) fn hide<'a>(&mut self, home: &KnownSecrets, secrets: impl Iterator<Item = &'a Secret>) {
        let known = home.wider();
        let values: Vec<_> = secrets.filter_map(|secret| self.brought_secret(secret)).map(Arc::new).collect();
        known.register_all(&values);
        self.known = Some(known);
    }

    /// Whether the request brought any variable.
    pub(crate) fn brings(&self) -> bool {
        !self.brought.is_empty()
    }

    /// This one without what the request brought.
    pub(crate) fn of_home_alone(&self) -> Self {
        Self { brought: Arc::default(), ..self.clone() }
    }

    /// The value of a variable, if it is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let own = || if self.of_home { std::env::var(name).ok() } else { None };
        self.brought(name).or_else(|| own().and_then(|value| value_of(&value)))
    }

    /// The value that the request brought.
    pub(crate) fn brought(&self, name: &str) -> Option<String> {
        self.brought.get(name).and_then(|value| value_of(value))
    }

    /// What the request brought that says where this secret would go; none where the request sets the address itself, or
    /// where the component may not read that variable.
    pub(crate) fn leads(
        &self,
        manifest: &Manifest,
        secret: &Secret,
        settings: &BTreeMap<String, String>,
        granted: &[Capability],
    ) -> Option<Led> {
        let may_read = |name: &&VariableName| granted.contains(&Capability::Environment((*name).clone()));
        let addresses = secret.audience.iter().filter_map(|target| match target {
            Target::Setting(key) if !settings.contains_key(key.as_str()) => Some(key),
            _ => None,
        });
        let declared = addresses.filter_map(|key| manifest.setting_keys().iter().find(|setting| setting.key == *key));
        let mut variables = declared
            .flat_map(|setting| setting.env.iter().filter(may_read).map(move |name| (name, &setting.key)))
            .filter(|(name, _)| self.brought(name.as_str()).is_some());
        let (variable, key) = variables.next()?;
        let setting = format!("component.{}.settings.{key}", manifest.id());
        Some(Led { variable: variable.to_string(), setting, own: secret.env.first().cloned() })
    }

    /// The secret's value, from the first of its variables that is set.
    pub(crate) fn secret(&self, secret: &Secret) -> Option<SecretValue> {
        value(secret, |name| self.get(name))
    }

    /// The secret's value, from the first of its variables that the request brought.
    pub(crate) fn brought_secret(&self, secret: &Secret) -> Option<SecretValue> {
        value(secret, |name| self.brought(name))
    }
}

fn value(secret: &Secret, get: impl Fn(&str) -> Option<String>) -> Option<SecretValue> {
    let value = secret.env.iter().find_map(|name| get(name))?;
    SecretValue::new(value.into_bytes()).ok()
}

fn value_of(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A variable of a request that names the address a secret would go to: a key that is stored, or the home's, does not.
pub(crate) struct Led {
    pub(crate) variable: String,
    /// The key of the configuration that names the address for everybody.
    setting: String,
    /// The variable with a key of the request's own.
    own: Option<String>,
}

impl Led {
    /// What would have a key sent.
    pub(crate) fn cure(&self) -> String {
        let Self { variable, setting, own } = self;
        let own = own.as_ref().map(|own| format!("set {own} to a key for that address; or ")).unwrap_or_default();
        format!("{own}unset {variable} and name the address with `cara config set {setting} URL`")
    }
}

/// What a request brings along for the components that it calls.
#[derive(Clone, Default)]
pub(crate) struct Brought {
    /// Settings of the provider, by key: they come before all others.
    pub(crate) settings: BTreeMap<String, String>,
    /// Variables of the client.
    pub(crate) environment: Environment,
}

impl Brought {
    /// An environment alone.
    pub(crate) fn of(environment: &Environment) -> Self {
        Self { settings: BTreeMap::new(), environment: environment.clone() }
    }
}

/// The variables that a manifest names.
pub(crate) fn named(manifest: &Manifest) -> Vec<String> {
    let settings = manifest.setting_keys().iter().flat_map(|setting| &setting.env).map(ToString::to_string);
    let secrets = manifest.secrets().iter().flat_map(|secret| secret.env.iter().cloned());
    settings.chain(secrets).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variables_of_a_process_count_where_it_was_started_to_hold_the_home_and_those_of_a_request_stand_over_them() {
        let (of_person, of_home) = (Environment::of_home(false), Environment::of_home(true));
        assert!(of_person.get("CARGO_MANIFEST_DIR").is_none() && of_home.get("CARGO_MANIFEST_DIR").is_some());
        let brought = Variables([("CARGO_MANIFEST_DIR".into(), " here\n".into())].into());
        let with = of_home.with(brought.clone());
        assert_eq!(with.get("CARGO_MANIFEST_DIR").as_deref(), Some("here"));
        assert_ne!(of_home.get("CARGO_MANIFEST_DIR").as_deref(), Some("here"));
        assert!(with.brought("PATH").is_none() && with.get("PATH").is_some());
        assert_eq!(format!("{brought:?}"), r#"{"CARGO_MANIFEST_DIR"}"#);
    }
}
