//! What one call may use up: memory, fuel, time, output and the rest.

use crate::kind::Kind;
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

/// One mebibyte.
const MIB: u64 = 1024 * 1024;

/// The limits of one call. Fuel is about one per WebAssembly instruction; times are wall-clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory: all linear memories of the component together, and what the host buffers for the call.
    pub memory: u64,
    /// Units of wasmtime fuel.
    pub fuel: u64,
    /// The whole call, time spent waiting for a person excluded.
    pub wall: Duration,
    /// The longest time without an event; what ends a provider whose upstream drips.
    pub idle: Duration,
    /// Bytes the call may emit and return.
    pub output: u64,
    /// Bytes copied between guest and host in one host call.
    pub transfer: u64,
    /// Open handles: requests, streams, pollables, keys.
    pub handles: u32,
    /// Elements in all tables of the component.
    pub table_elements: u32,
    /// Core instances, memories and tables inside the component.
    pub instances: u32,
    /// Lines it may write to the log.
    pub log_lines: u32,
    /// HTTP requests it may make.
    pub requests: u32,
    /// Bytes it may send and receive over HTTP.
    pub egress: u64,
}

impl Limits {
    /// The host's defaults for components that export these kinds.
    pub fn default_for(kinds: &[Kind]) -> Self {
        let provider = kinds.contains(&Kind::Provider);
        Self {
            memory: 64 * MIB,
            fuel: 1_000_000_000,
            wall: if provider { Duration::from_secs(600) } else { Duration::from_secs(30) },
            idle: if provider { Duration::from_secs(90) } else { Duration::from_secs(30) },
            output: MIB,
            transfer: 16 * MIB,
            handles: 1_000,
            table_elements: 20_000,
            instances: 50,
            log_lines: 1_000,
            requests: 100,
            egress: 64 * MIB,
        }
    }

    /// Applies what a manifest asks for: only downward, a larger wish changes nothing.
    #[must_use]
    pub fn narrowed(self, wish: &LimitsTable) -> Self {
        let asked = self.clone().overridden(wish);
        Self {
            memory: asked.memory.min(self.memory),
            fuel: asked.fuel.min(self.fuel),
            wall: asked.wall.min(self.wall),
            idle: asked.idle.min(self.idle),
            output: asked.output.min(self.output),
            egress: asked.egress.min(self.egress),
            requests: asked.requests.min(self.requests),
            ..self
        }
    }

    /// Applies what the operator set: up or down.
    #[must_use]
    pub fn overridden(self, table: &LimitsTable) -> Self {
        Self {
            memory: table.memory.map_or(self.memory, |bytes| bytes.0),
            fuel: table.fuel.unwrap_or(self.fuel),
            wall: table.wall.map_or(self.wall, |time| time.0),
            idle: table.idle.map_or(self.idle, |time| time.0),
            output: table.output.map_or(self.output, |bytes| bytes.0),
            egress: table.egress.map_or(self.egress, |bytes| bytes.0),
            requests: table.requests.unwrap_or(self.requests),
            ..self
        }
    }
}

/// The `[limits]` table of a manifest or of the operator's configuration. A manifest lowers only: what is above the
/// default changes nothing. Sizes are `1024`, `"512KiB"`, `"64MiB"` or `"1GiB"`, times `"500ms"`, `"30s"` or `"10m"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// Linear memory, all memories together; 64 MiB unless lower.
    pub memory: Option<Bytes>,
    /// Fuel, about one per instruction; 1 000 000 000 unless lower.
    pub fuel: Option<u64>,
    /// The whole call; `"30s"`, of a provider `"10m"`, unless lower.
    pub wall: Option<Time>,
    /// Without an event; `"30s"`, of a provider `"90s"`, unless lower.
    pub idle: Option<Time>,
    /// Emitted and returned; 1 MiB unless lower.
    pub output: Option<Bytes>,
    /// Sent and received over HTTP; 64 MiB unless lower.
    pub egress: Option<Bytes>,
    /// HTTP requests; 100 unless lower.
    pub requests: Option<u32>,
}

/// A number of bytes, written `1024`, `"512KiB"`, `"64MiB"` or `"1GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, schemars::JsonSchema)]
pub struct Bytes(#[schemars(with = "String", regex(pattern = "^[0-9]+ *([KMG]iB)?$"))] pub u64);

/// A length of time of at most a day, written `"500ms"`, `"30s"`, `"10m"` or `"24h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, schemars::JsonSchema)]
pub struct Time(#[schemars(with = "String", regex(pattern = "^[0-9]+ *(ms|s|m|min|h)$"))] pub Duration);

/// A number before its unit, in the smallest of these units.
pub fn in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, name) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (_, unit) = units.iter().find(|(unit, _)| *unit == name.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        let text = match Form::deserialize(deserializer)? {
            Form::Number(bytes) => return Ok(Self(bytes)),
            Form::Text(text) => text,
        };
        in_units(&text, &[("", 1), ("KiB", 1024), ("MiB", MIB), ("GiB", 1024 * MIB)])
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a size; write `64MiB`")))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        in_units(&text, &[("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000)])
            .filter(|ms| (1..=24 * 3_600_000).contains(ms))
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a time; write `500ms`, `30s`, `10m` or `24h`")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_manifest_lowers_and_never_raises() {
        let wish: LimitsTable = toml::from_str("memory = \"8MiB\"\nfuel = 9000000000\nwall = \"20s\"").unwrap();
        let limits = Limits::default_for(&[Kind::Tool]).narrowed(&wish);
        assert_eq!(limits.memory, 8 * MIB);
        assert_eq!(limits.fuel, 1_000_000_000);
        assert_eq!(limits.wall, Duration::from_secs(20));
    }

    #[test]
    fn an_operator_raises_too() {
        let overrides: LimitsTable = toml::from_str("memory = \"256MiB\"").unwrap();
        assert_eq!(Limits::default_for(&[Kind::Tool]).overridden(&overrides).memory, 256 * MIB);
    }

    #[test]
    fn unknown_units_and_keys_are_errors() {
        for bad in ["memory = \"64MB\"", "wall = \"1d\"", "wall = \"0s\"", "wall = 30", "speed = 1", "memory = -1"] {
            assert!(toml::from_str::<LimitsTable>(bad).is_err(), "{bad}");
        }
    }
}
