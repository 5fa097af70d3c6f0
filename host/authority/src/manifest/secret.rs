//! Entries of `[[secret]]`: what a component spends and never reads.

use super::declared::{Target, variable};
use super::*;

/// Where in a request a secret may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A header's value.
    Header,
    /// The path of the URL.
    Path,
    /// The query of the URL.
    Query,
    /// The body.
    Body,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
        })
    }
}

/// An entry of `[[secret]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "SecretTable")]
pub struct Secret {
    /// Its name within the component.
    pub name: SecretName,
    /// What it is and where to get one.
    pub label: String,
    /// Environment variables that may hold it, first one set wins.
    pub env: Vec<String>,
    /// Where it may go.
    pub audience: Vec<Target>,
    /// Where in a request it may stand.
    pub places: Vec<Place>,
    /// Whether the component works without it.
    pub optional: bool,
}

/// A secret it may spend and never reads. Needed exactly when the code imports `secrets`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct SecretTable {
    /// Its name within the component: 1 to 63 of `a-z`, `0-9` and `-`, beginning with a letter.
    name: SecretName,
    /// What it is and where to get one; one line of at most 400 bytes.
    label: String,
    /// Environment variables that may hold it, the first one set wins. Each 1 to 64 of `A-Z`, `0-9` and `_`.
    #[serde(default)]
    env: Vec<String>,
    /// Where its value may go: single hosts as in `http.host`, no patterns, at least one.
    audience: Vec<String>,
    /// Where in a request it may stand, at least one place. Anywhere else it fails the request.
    #[serde(rename = "in")]
    places: Vec<Place>,
    /// Whether the component works without it.
    #[serde(default)]
    optional: bool,
}

impl TryFrom<SecretTable> for Secret {
    type Error = String;
    fn try_from(table: SecretTable) -> Result<Self, String> {
        let audience = table.audience.iter().map(|host| Target::read(host, None)).collect::<Result<_, _>>()?;
        let SecretTable { name, label, env, places, optional, .. } = table;
        Ok(Self { name, label, env, audience, places, optional })
    }
}

impl Secret {
    pub(super) fn check(&self, urls: &BTreeSet<&SettingKey>) -> Result<(), String> {
        if self.audience.is_empty() || self.places.is_empty() {
            return Err(format!("secret `{}` has no `audience` or no `in`", self.name));
        }
        let loose = |target: &&Target| matches!(target, Target::Written(pattern) if pattern.origin().is_none());
        if let Some(target) = self.audience.iter().find(loose) {
            return Err(format!("secret `{}` may not go to `{target}`: an audience is one host", self.name));
        }
        if let Some(env) = self.env.iter().find(|env| !variable(env)) {
            return Err(format!("`{env}` is not an environment variable"));
        }
        self.audience.iter().try_for_each(|target| target.check(urls))
    }
}
