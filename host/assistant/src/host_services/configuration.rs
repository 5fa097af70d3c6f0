//! `configuration` for a tool: the part that it may read.

use super::{TurnServices, fits};
use cara_authority::{Label, Refusal, Rule, ServiceGrant, Source};
use cara_kernel::Labels;
use serde_json::Value;

/// Words in a key that keep its value from tools. Secrets are not in the configuration; this is for those who put one
/// there all the same.
const SECRETIVE: [&str; 7] = ["key", "secret", "token", "password", "passwd", "credential", "auth"];

#[async_trait::async_trait]
impl cara_kernel::Configuration for TurnServices {
    async fn read(&self, by: ServiceGrant, path: String, room: u64) -> Result<Option<String>, Refusal> {
        if !self.is_for_owner() {
            let text = "the settings are the owner's, and are told to nobody else";
            return Err(Refusal::new(Rule::Denied, text).hint("ask the owner of this assistant"));
        }
        let found = part(&self.configuration, &path).map(|value| value.to_string());
        fits(&by, found.as_ref().map_or(0, |text| text.len() as u64), room)?;
        self.saw(&Label::of(Source::Operator).private());
        Ok(found)
    }
}

/// The part at a dotted path, with values of secretive keys left out.
fn part(configuration: &Value, path: &str) -> Option<Value> {
    let mut found = configuration;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        if is_secretive(name) {
            return Some(left_out());
        }
        found = found.get(name)?;
    }
    Some(redacted(found))
}

fn is_secretive(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRETIVE.iter().any(|word| name.contains(word))
}

fn left_out() -> Value {
    Value::from("(left out)")
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), if is_secretive(name) { left_out() } else { redacted(value) }));
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::String(text) => Value::String(without_userinfo(text)),
        plain => plain.clone(),
    }
}

/// A URL without the name and password in it.
fn without_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((userinfo, _)) => format!("{scheme}://{}", &rest[userinfo.len() + 1..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_secretive_keys_are_left_out_at_any_depth() {
        let all = json!({ "chat": { "model": "a:b" }, "component": { "x": { "settings": { "api-key": "canary", "list": [{ "Token": "canary" }], "base-url": "https://me:canary@host/x" } } } });
        let shown = part(&all, "").unwrap().to_string();
        assert!(!shown.contains("canary") && shown.contains("a:b") && shown.contains("https://host/x"), "{shown}");
        assert_eq!(part(&all, "chat.model").unwrap(), json!("a:b"));
        assert_eq!(part(&all, "component.x.settings.api-key").unwrap(), left_out());
        assert_eq!(part(&all, "chat.nothing"), None);
    }
}
