//! The value of a setting, made of what the operator wrote.

use cara_authority::manifest::Setting;
use cara_authority::settings::{BadSetting, SettingType};
use cara_authority::{Manifest, Origin, origin::Scheme};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a value from an environment variable or the command line.
pub(super) fn read(setting: &Setting, text: &str) -> Result<Value, BadSetting> {
    let value = match setting.kind {
        SettingType::String | SettingType::Url => Value::String(text.to_owned()),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    setting.kind.check(&setting.key, &completed(setting, value))
}

/// A value as the command line takes it.
pub(crate) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Values of the configuration, with what URLs leave out.
pub(crate) fn of_configuration(manifest: &Manifest, configured: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let declared = |key: &str| manifest.setting_keys().iter().find(|setting| setting.key.as_str() == key);
    let value =
        |key: &str, value: &Value| declared(key).map_or_else(|| value.clone(), |it| completed(it, value.clone()));
    configured.iter().map(|(key, given)| (key.clone(), value(key, given))).collect()
}

/// The value with what a URL leaves out. A value of another type is passed on.
fn completed(setting: &Setting, value: Value) -> Value {
    match (setting.kind, value) {
        (SettingType::Url, Value::String(text)) => {
            Value::String(complete(&text, setting.default.as_ref().and_then(Value::as_str)))
        }
        (_, other) => other,
    }
}

/// Completes a URL. Where the default is a server on this machine, scheme, host and port that are left out are those of the
/// default, as such servers' own variables mean it (`OLLAMA_HOST=10.0.0.5`). Elsewhere a bare host is asked over `https`.
/// Whoever tells a server to listen on every address asks it on this machine.
fn complete(text: &str, default: Option<&str>) -> String {
    let text = text.trim().trim_end_matches('/');
    let own = default.and_then(|url| Origin::parse(url).ok()).filter(Origin::is_loopback);
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // An IPv6 address has colons of its own, within its brackets.
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => authority.split_at(colon),
        _ => (authority, ""),
    };
    let host = match (host, &own) {
        ("0.0.0.0", _) => "127.0.0.1".to_owned(),
        ("[::]", _) => "[::1]".to_owned(),
        ("", Some(own)) => own.host().to_string(),
        _ => host.to_owned(),
    };
    match (scheme, own) {
        (Some(scheme), _) => format!("{scheme}://{host}{port}{path}"),
        (None, Some(own)) => {
            let scheme = if own.scheme() == Scheme::Http { "http" } else { "https" };
            let port = if port.is_empty() { format!(":{}", own.port()) } else { port.to_owned() };
            format!("{scheme}://{host}{port}{path}")
        }
        (None, None) if !authority.contains(['.', ':']) && authority != "localhost" => text.to_owned(),
        (None, None) => {
            let here = Origin::parse(&format!("http://{host}{port}")).is_ok_and(|origin| origin.is_loopback());
            format!("{}://{host}{port}{path}", if here { "http" } else { "https" })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(default: &str) -> Setting {
        toml::from_str(&format!("key = \"base-url\"\nlabel = \"Where\"\ntype = \"url\"\ndefault = \"{default}\""))
            .unwrap()
    }

    #[test]
    fn a_server_of_ones_own_is_named_as_its_own_variable_names_it() {
        for (given, made) in [
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
            ("[::]", "http://[::1]:11434"),
            ("", "http://127.0.0.1:11434"),
            (":8080", "http://127.0.0.1:8080"),
            ("10.0.0.5", "http://10.0.0.5:11434"),
            ("10.0.0.5:80", "http://10.0.0.5:80"),
            ("[fd00::1]", "http://[fd00::1]:11434"),
            ("box", "http://box:11434"),
            ("box/ollama/", "http://box:11434/ollama"),
            ("http://box.example", "http://box.example"),
            ("https://box.example/ollama/", "https://box.example/ollama"),
        ] {
            assert_eq!(read(&url("http://127.0.0.1:11434"), given).unwrap(), Value::String(made.into()), "{given}");
        }
    }

    #[test]
    fn a_bare_host_elsewhere_is_asked_over_https() {
        let setting = url("https://api.example.com/v1");
        for (given, made) in [
            ("127.0.0.1:11434", "http://127.0.0.1:11434"),
            ("localhost:1", "http://localhost:1"),
            ("llm.example.com", "https://llm.example.com"),
            ("https://llm.example.com/v1/", "https://llm.example.com/v1"),
        ] {
            assert_eq!(read(&setting, given).unwrap(), Value::String(made.into()), "{given}");
        }
        for bad in ["", "http//x", "ftp://a", "https://u:p@a", "u:p@a.example", "a b"] {
            assert!(read(&setting, bad).is_err(), "{bad}");
        }
    }
}
