//! Which keys there are, by the schema, and what counts where none is set.

use super::{AgentConfig, Config, VAULT_STORE};
use crate::names::AGENT;
use crate::near_names::near_name;
use cara_authority::limits::Time;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What counts for a key that is not set, as the types say. A key that is missing here then says nothing.
fn defaults() -> BTreeMap<&'static str, Value> {
    let Config { run, approvals, policy, budget, guards, results, gateway, audit, .. } = Config::default();
    let (limits, access) = (gateway.limits, gateway.access);
    BTreeMap::from([
        ("chat.agent", AGENT.into()),
        (VAULT_STORE, "auto".into()),
        ("audit.anchor.every", time(audit.anchor.every).into()),
        ("gateway.listen", json!(gateway.listen)),
        ("gateway.tls.mode", "off".into()),
        ("gateway.tls.client-certificates", "off".into()),
        ("gateway.limits.connections", limits.connections.into()),
        ("gateway.limits.connections-per-source", limits.connections_per_source.into()),
        ("gateway.limits.requests", limits.requests.into()),
        ("gateway.mdns", "off".into()),
        ("gateway.tailscale.serve", "off".into()),
        ("run.turns", run.turns.into()),
        ("run.calls", run.calls.into()),
        ("run.wall", time(run.wall).into()),
        ("run.answer-tokens", run.answer_tokens.into()),
        ("approvals.deadline", time(approvals.deadline).into()),
        ("approvals.queued-deadline", time(approvals.queued_deadline).into()),
        ("approvals.deciders", json!(approvals.deciders)),
        ("approvals.needed", json!(approvals.needed)),
        ("policy.private-destinations", policy.private_destinations.into()),
        ("policy.rule", Value::Array(Vec::new())),
        ("budget.run.tokens", budget.run.tokens.into()),
        ("budget.role.guest.tokens", budget.role.guest.tokens.into()),
        ("guards.injection", guards.injection.into()),
        ("guards.secrets", json!(guards.secrets)),
        ("guards.personal-data", json!(guards.personal_data)),
        ("gateway.access.hosts", json!(access.hosts)),
        ("gateway.access.origins", json!(access.origins)),
        ("gateway.access.trusted-proxies", json!(access.trusted_proxies)),
        ("gateway.access.session", time(access.session).into()),
        ("gateway.access.attempts.per-source", json!(access.attempts.per_source)),
        ("gateway.access.attempts.in-all", json!(access.attempts.in_all)),
        ("gateway.access.attempts.within", time(access.attempts.within).into()),
        ("agent.*.reading", json!(AgentConfig::default().reading)),
        ("results.signers", results.signers.into()),
    ])
}

/// A length of time as it is written: in the largest unit that says it whole.
fn time(time: Time) -> String {
    let ms = time.0.as_millis();
    let unit = [(3_600_000, "h"), (60_000, "m"), (1000, "s")].into_iter().find(|(unit, _)| ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

/// The tables whose keys have the names that a component gives them.
const SETTINGS: [&str; 2] = ["component.*.settings", "channel.*.*.settings"];

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
    let setting = path.split_last().is_some_and(|(_, table)| SETTINGS.iter().any(|settings| fits(settings, table)));
    // A rule is an element of a list, which has a value as a whole.
    let rules = fits("policy.rule", path);
    setting
        || rules
        || keys()
            .iter()
            .any(|key| !SETTINGS.contains(&key.as_str()) && !key.starts_with("policy.rule.") && fits(key, path))
}

/// Whether there are keys below this path.
pub(crate) fn is_table(path: &[String]) -> bool {
    keys().iter().any(|key| {
        let names = key.split('.').count();
        let above = key.split('.').take(path.len()).collect::<Vec<_>>().join(".");
        let open = SETTINGS.contains(&key.as_str()) && names == path.len();
        (names > path.len() || open) && fits(&above, path) && !fits("policy.rule", path)
    })
}

/// What counts where a key is not set.
pub(crate) fn default(path: &[String]) -> Option<Value> {
    defaults().into_iter().find(|(key, _)| fits(key, path)).map(|(_, value)| value)
}

/// What a key takes, in words, and an example as it is typed; nothing for what has to be written into the file.
pub(crate) fn takes(path: &[String]) -> Option<(String, String)> {
    let root = schemars::schema_for!(Config).to_value();
    let mut at = &root;
    for name in path {
        let chosen = || at["patternProperties"].as_object().and_then(|all| all.values().next());
        let below = at["properties"].get(name).or_else(chosen).or_else(|| at.get("additionalProperties"))?;
        at = resolved(&root, below);
    }
    let default = default(path).filter(|value| !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty()));
    let typed = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => format!("'{value}'"),
        value => value.to_string(),
    };
    let (what, example) = described(at)?;
    Some((what, default.as_ref().map_or(example, typed)))
}

/// A schema behind its references, and without the case that nothing is said.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return &root["$defs"][name];
    }
    let some = schema["anyOf"].as_array().and_then(|any| any.iter().find(|one| one["type"] != "null"));
    some.map_or(schema, |some| resolved(root, some))
}

/// What a schema takes, and an example.
fn described(schema: &Value) -> Option<(String, String)> {
    let consts = schema["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    let words: Vec<&str> =
        schema["enum"].as_array().into_iter().flatten().chain(consts).filter_map(Value::as_str).collect();
    if let Some(first) = words.first() {
        let all: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return Some((format!("one of {}", all.join(", ")), (*first).to_owned()));
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].as_array()?.first()?.as_str())?;
    let least = schema["minimum"].as_u64().unwrap_or_default();
    Some(match kind {
        "integer" => match schema["maximum"].as_u64() {
            Some(most) => (format!("a whole number from {least} to {most}"), 100.clamp(least, most).to_string()),
            None if schema["format"] == "uint32" => {
                (format!("a whole number from {least} to {}", u32::MAX), "1000".into())
            }
            None => (format!("a whole number from {least}"), "1000000".into()),
        },
        "number" => ("a number".into(), "2.5".into()),
        "boolean" => ("`true` or `false`".into(), "false".into()),
        "array" if schema["items"]["type"] == "string" => ("a list".into(), "'[\"https://wiki.example.org\"]'".into()),
        // With a form of its own, which its description tells.
        "string" if schema["pattern"].is_string() => {
            let told = schema["description"].as_str().unwrap_or_default().trim_end_matches('.');
            let example = match told {
                told if told.contains("length of time") => "10m",
                told if told.contains("number of bytes") => "64MiB",
                told if told.contains("number of days") => "90d",
                told if told.contains("time of day") => "04:00",
                _ => "provider:model",
            };
            (told.replacen("A ", "a ", 1), example.to_owned())
        }
        "string" => ("a text".into(), schema["examples"][0].as_str().unwrap_or("'…'").into()),
        _ => return None,
    })
}

/// Keys whose names nobody chooses.
pub(crate) fn fixed() -> impl Iterator<Item = Vec<String>> {
    let keys = keys().iter().filter(|key| !key.contains('*') && !key.starts_with("policy.rule."));
    let rules = std::iter::once("policy.rule");
    keys.map(String::as_str).chain(rules).map(|key| key.split('.').map(str::to_owned).collect())
}

/// The key that a mistyped one may mean.
pub(crate) fn near(path: &[String]) -> Option<&'static str> {
    near_name(&path.join("."), keys().iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path(key: &str) -> Vec<String> {
        key.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn every_default_of_the_schema_is_told_and_as_the_types_read_it() {
        let told = defaults();
        assert!(told.keys().all(|key| is_key(&path(key))));
        let schema = schemars::schema_for!(Config).to_value();
        for (key, value) in &told {
            let mut at = &schema;
            for name in key.split('.').map(|name| if name == "*" { "additionalProperties" } else { name }) {
                let below = if name == "additionalProperties" { &at[name] } else { &at["properties"][name] };
                let declared = &below["default"];
                let open = declared.is_null() || declared.is_object() || *key == "chat.agent" || *key == VAULT_STORE;
                assert!(open || declared == value, "{key}: {declared} is not {value}");
                at = resolved(&schema, below);
            }
        }
        let text: String = told
            .iter()
            .filter(|(key, _)| !key.contains('*') && **key != "chat.agent")
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(format!("{config:#?}"), format!("{:#?}", Config::default()));
        assert_eq!(
            ["90s", "2m", "1500ms"],
            [90_000, 120_000, 1500].map(|ms| time(Time(std::time::Duration::from_millis(ms))))
        );
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
