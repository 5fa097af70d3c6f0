//! Which keys there are, by the schema, and what counts where none is set.

use super::Config;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What counts for a key that is not set, as TOML. A key that is missing here then says nothing.
pub(crate) const DEFAULTS: [(&str, &str); 15] = [
    ("chat.agent", "\"main\""),
    ("vault.store", "\"auto\""),
    ("run.turns", "30"),
    ("run.calls", "32"),
    ("run.wall", "\"15m\""),
    ("run.answer-tokens", "8192"),
    ("approvals.deadline", "\"10m\""),
    ("policy.private-destinations", "[]"),
    ("policy.rule", "[]"),
    ("budget.run.tokens", "1000000"),
    ("guards.injection", "true"),
    ("guards.secrets", "\"note\""),
    ("guards.personal-data", "\"note\""),
    ("agent.*.reading", "\"direct\""),
    ("results.signers", "[\"built-in\"]"),
];

/// The table whose keys have the names that a component gives them.
const SETTINGS: &str = "component.*.settings";

/// All keys, with `*` for a name that the operator chooses.
pub(crate) fn keys() -> &'static BTreeSet<String> {
    static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let schema = schemars::schema_for!(Config).to_value();
        let mut keys = BTreeSet::new();
        below(&schema, &schema, "", &mut keys);
        keys
    });
    &KEYS
}

/// The keys under a schema; what stands in a list is named as if it stood alone.
fn below(root: &Value, schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    let named = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    let schema = named.map_or(schema, |name| &root["$defs"][name]);
    if let Some(items) = schema.get("items") {
        return below(root, items, path, into);
    }
    let own = schema["properties"].as_object().into_iter().flatten();
    let chosen = schema["patternProperties"].as_object().into_iter().flatten().map(|(_, schema)| schema);
    let chosen = chosen.chain(schema.get("additionalProperties").filter(|schema| schema.is_object()));
    let all: Vec<(String, &Value)> =
        own.map(|(key, schema)| (key.clone(), schema)).chain(chosen.map(|schema| ("*".into(), schema))).collect();
    if all.is_empty() {
        into.insert(path.to_owned());
    }
    for (key, schema) in all {
        below(root, schema, &if path.is_empty() { key } else { format!("{path}.{key}") }, into);
    }
}

/// Whether a path is one of these names, where `*` is any name.
fn fits(pattern: &str, path: &[String]) -> bool {
    let mut pattern = pattern.split('.');
    path.iter().all(|name| pattern.next().is_some_and(|known| known == "*" || known == name))
        && pattern.next().is_none()
}

/// Whether there is a key of this path that has a value of its own.
pub(crate) fn is_key(path: &[String]) -> bool {
    let setting = path.split_last().is_some_and(|(_, table)| fits(SETTINGS, table));
    // A rule is an element of a list, which has a value as a whole.
    let rules = fits("policy.rule", path);
    setting || rules || keys().iter().any(|key| key != SETTINGS && !key.starts_with("policy.rule.") && fits(key, path))
}

/// Whether there are keys below this path.
pub(crate) fn is_table(path: &[String]) -> bool {
    keys().iter().any(|key| {
        let names = key.split('.').count();
        let above = key.split('.').take(path.len()).collect::<Vec<_>>().join(".");
        let open = key == SETTINGS && names == path.len();
        (names > path.len() || open) && fits(&above, path) && !fits("policy.rule", path)
    })
}

/// What counts where a key is not set.
pub(crate) fn default(path: &[String]) -> Option<Value> {
    let (_, text) = DEFAULTS.iter().find(|(key, _)| fits(key, path))?;
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    table.get("value").and_then(|value| serde_json::to_value(value).ok())
}

/// Keys whose names nobody chooses.
pub(crate) fn fixed() -> impl Iterator<Item = Vec<String>> {
    let keys = keys().iter().filter(|key| !key.contains('*') && !key.starts_with("policy.rule."));
    let rules = std::iter::once("policy.rule");
    keys.map(String::as_str).chain(rules).map(|key| key.split('.').map(str::to_owned).collect())
}

/// The key that a mistyped one may mean.
pub(crate) fn near(path: &[String]) -> Option<&'static str> {
    let typed = path.join(".");
    let near = |key: &&String| strsim::damerau_levenshtein(key, &typed);
    keys().iter().min_by_key(near).filter(|key| near(key) <= 3).map(String::as_str)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path(key: &str) -> Vec<String> {
        key.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn the_defaults_are_those_of_the_types() {
        let counts = DEFAULTS.iter().filter(|(key, _)| !key.contains('*') && *key != "chat.agent");
        let text: String = counts.map(|(key, value)| format!("{key} = {value}\n")).collect();
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(format!("{config:#?}"), format!("{:#?}", Config::default()));
        assert!(DEFAULTS.iter().all(|(key, _)| is_key(&path(key))));
        assert_eq!(format!("{:?}", cara_assistant::Reading::default()).to_lowercase(), "direct");
    }

    #[test]
    fn keys_and_tables_are_told_apart() {
        for key in ["run.turns", "budget.component.openai.tokens", "component.openai.settings.base-url", "policy.rule"]
        {
            assert!(is_key(&path(key)) && !is_table(&path(key)), "{key}");
        }
        for table in ["run", "budget", "budget.component", "budget.component.openai", "component.openai.settings"] {
            assert!(is_table(&path(table)) && !is_key(&path(table)), "{table}");
        }
        for none in ["run.turn", "policy.rule.then", "runs", "component.openai.settings.a.b"] {
            assert!(!is_key(&path(none)) && !is_table(&path(none)), "{none}");
        }
        assert_eq!(near(&path("run.turn")), Some("run.turns"));
        assert_eq!(default(&path("agent.clerk.reading")), Some("direct".into()));
    }
}
