//! One power an operator can grant a component, and its text form.

use crate::id::{SecretName, VariableName};
use crate::pattern::OriginPattern;
use crate::power::Power;
use std::fmt;

/// What an operator grants; the text form is what the ledger records and `cara plugin inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// Connecting there.
    Http(OriginPattern),
    /// Speaking `http` to that one origin off this machine, beside `Http`: whoever is on the way reads and changes it.
    Plain(OriginPattern),
    /// Reaching that one origin in a private network, beside `Http`.
    Private(OriginPattern),
    /// Spending that secret, toward its audience.
    Secret(SecretName),
    /// Reading that environment variable, in clear.
    Environment(VariableName),
    /// Keeping state between calls.
    State,
    /// Using a service of the host.
    Power(Power),
}

/// A text that is no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a capability\nhint: write `http https://api.example.com`, `secret api-key`, `environment REGION`, `state` or a host service such as `memory`"
)]
pub struct BadCapability(String);

impl Capability {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, BadCapability> {
        let bad = || BadCapability(crate::display_safe(text));
        match text.split_once(' ').unwrap_or((text, "")) {
            ("http", origin) => OriginPattern::parse(origin).map(Self::Http).map_err(|_| bad()),
            ("plain", origin) => OriginPattern::parse(origin).map(Self::Plain).map_err(|_| bad()),
            ("private", origin) => OriginPattern::parse(origin).map(Self::Private).map_err(|_| bad()),
            ("secret", name) => SecretName::parse(name).map(Self::Secret).map_err(|_| bad()),
            ("environment", name) => VariableName::parse(name).map(Self::Environment).map_err(|_| bad()),
            ("state", "") => Ok(Self::State),
            (name, "") => Power::named(name).map(Self::Power).ok_or_else(bad),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Capability {
    type Error = BadCapability;
    fn try_from(text: String) -> Result<Self, BadCapability> {
        Self::parse(&text)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(origin) => write!(f, "http {origin}"),
            Self::Plain(origin) => write!(f, "plain {origin}"),
            Self::Private(origin) => write!(f, "private {origin}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::State => f.write_str("state"),
            Self::Power(power) => power.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_forms_come_back_unchanged() {
        for text in [
            "http https://api.example.com",
            "http https://*.example.com:8443",
            "http https://*",
            "http http://127.0.0.1:11434",
            "plain http://10.0.0.5:11434",
            "private https://nas.lan:8443",
            "secret api-key",
            "environment OLLAMA_HOST",
            "state",
            "memory",
            "messaging",
        ] {
            assert_eq!(Capability::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "http",
            "http api.example.com",
            "plain",
            "private 10.0.0.5",
            "secret",
            "secret A",
            "environment",
            "environment CARA_HOME",
            "environment GITHUB_TOKEN",
            "state 1",
            "root",
        ] {
            assert!(Capability::parse(bad).is_err(), "{bad}");
        }
    }
}
