//! `[gateway.access]`: for whom the gateway is there under which names, and
//! how often somebody may be wrong.

use cara_authority::display_safe;
use cara_authority::limits::Time;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Who may come in, and by which name they ask for the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AccessSettings {
    /// Names and addresses under which the gateway is asked for, beside `localhost`, `127.0.0.1` and `::1`: without port, such
    /// as `cara.example.net`. What is asked for under another name is refused, so that no name of somebody else leads here.
    pub hosts: BTreeSet<HostName>,
    /// Pages that may ask, beside those that the gateway itself serves: `https://cara.example.net`.
    pub origins: BTreeSet<PageOrigin>,
    /// Addresses or networks of proxies whose word for who asks counts (`X-Forwarded-For`, `X-Forwarded-Proto`): `10.0.0.7`,
    /// `10.0.0.0/24`. From anybody else those headers say nothing.
    pub trusted_proxies: Vec<Network>,
    /// The socket of Tailscale's daemon, such as `/var/run/tailscale/tailscaled.sock`: it is asked who is at the other end of a
    /// connection of the tailnet. Unless set, nobody is let in by that.
    pub tailscale: Option<PathBuf>,
    /// How long a browser stays let in; `"12h"` unless set.
    pub session: Time,
    /// How often somebody may show what is wrong.
    pub attempts: AttemptSettings,
}

impl Default for AccessSettings {
    fn default() -> Self {
        let (hosts, origins, trusted_proxies, tailscale, attempts) = Default::default();
        Self { hosts, origins, trusted_proxies, tailscale, session: Time(Duration::from_secs(12 * 3_600)), attempts }
    }
}

/// How often somebody may show what is wrong, this machine too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AttemptSettings {
    /// Wrong passwords, codes and credentials from one address (with IPv6, one network of 64 bits); 10 unless set.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_source: Count,
    /// The same from everywhere together; 100 unless set. Whoever has a credential still comes in.
    #[schemars(range(min = 1, max = 100_000))]
    pub in_all: Count,
    /// In what time; `"10m"` unless set.
    pub within: Time,
}

impl Default for AttemptSettings {
    fn default() -> Self {
        Self { per_source: Count(10), in_all: Count(100), within: Time(Duration::from_secs(600)) }
    }
}

/// A number of attempts, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Count(pub u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            number @ 1..=100_000 => Ok(Self(number)),
            number => Err(de::Error::custom(format!("{number} is no number of attempts; write 1 to 100000"))),
        }
    }
}

/// Reads a text that is one of something.
macro_rules! read_as_text {
    ($($type:ident: $what:literal, $read:expr;)*) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: fn(&str) -> Option<Self> = $read;
                read(&text).ok_or_else(|| de::Error::custom(format!("`{}` is {}", display_safe(&text), $what)))
            }
        }
    )* };
}

read_as_text! {
    HostName: "no name of a host; write it without port, such as `cara.example.net`", |text| Self::read(text);
    PageOrigin: "no origin of a page; write `https://cara.example.net`", |text| Self::read(text);
    Network: "no address and no network; write `10.0.0.7` or `10.0.0.0/24`", |text| Self::read(text);
}

/// The name of a host, or an address, in the one way that it is written: lower case, no port, no dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    fn read(text: &str) -> Option<Self> {
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Some(Self(address.to_string()));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // What ends in a number is an address in some form or other, and a browser may think so too.
        let last = text.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        let named = text.len() <= 253 && text.split('.').all(label) && !number;
        named.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a page comes from: scheme, host, and port where it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PageOrigin(String);

impl PageOrigin {
    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let (name, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((name, port)) => (name, port.parse::<u16>().map(|_| ()).is_ok()),
            None => (rest, true),
        };
        (port && HostName::read(name).is_some()).then(|| Self(text.to_owned()))
    }

    /// As a browser sends it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Network(#[schemars(with = "String")] IpNet);

impl Network {
    fn read(text: &str) -> Option<Self> {
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map(Self)
    }

    /// Whether an address is in it.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_are_read_strictly() {
        let settings: AccessSettings = toml::from_str(
            "hosts = ['cara.example.net', '192.168.1.5', '::1']\norigins = ['https://cara.example.net', 'http://[::1]:5173']\n\
             trusted-proxies = ['10.0.0.0/24', '::1']\nsession = '1h'\n[attempts]\nper-source = 3\nwithin = '1m'",
        )
        .unwrap();
        assert!(settings.trusted_proxies[0].has("10.0.0.9".parse().unwrap()));
        assert!(settings.trusted_proxies[0].has("::ffff:10.0.0.9".parse().unwrap()));
        assert!(!settings.trusted_proxies[0].has("10.0.1.9".parse().unwrap()));
        assert_eq!((settings.attempts.per_source, settings.attempts.in_all), (Count(3), Count(100)));
        for bad in [
            "hosts = ['Cara.example.net']",
            "hosts = ['cara.example.net.']",
            "hosts = ['cara.example.net:443']",
            "hosts = ['*.example.net']",
            "hosts = ['2130706433']",
            "hosts = ['0x7f.1']",
            "hosts = ['0x7f000001']",
            "hosts = ['']",
            "origins = ['null']",
            "origins = ['*']",
            "origins = ['https://cara.example.net/']",
            "origins = ['ftp://cara.example.net']",
            "trusted-proxies = ['10.0.0.0/33']",
            "trusted-proxies = ['proxy.example.net']",
            "session = '25h'",
            "attempts.per-source = 0",
            "attempts.off = true",
        ] {
            assert!(toml::from_str::<AccessSettings>(bad).is_err(), "{bad}");
        }
    }
}
