//! `[gateway]`: where the daemon listens, with which certificates, and how
//! much it takes on.
//!
//! It must not know how anything is opened; `cara-gateway` reads it.

use crate::access_settings::AccessSettings;
use crate::error::{Result, fail};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Where `cara start` listens unless the configuration says otherwise.
pub const LISTEN: &str = "127.0.0.1:18789";

/// How the daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GatewaySettings {
    /// Addresses with ports at which `cara start` listens, beside the socket; `["127.0.0.1:18789"]` unless set, `[]` for none.
    #[serde(deserialize_with = "addresses")]
    #[schemars(with = "Vec<String>", extend("examples" = ["127.0.0.1:18789"]))]
    pub listen: Vec<SocketAddr>,
    /// How connections are encrypted.
    pub tls: TlsSettings,
    /// How much is taken on.
    pub limits: GatewayLimits,
    /// Whether the daemon is announced in the local network (mDNS), and with how much; `off` unless set.
    pub mdns: Mdns,
    /// Whether Tailscale leads to the daemon.
    pub tailscale: TailscaleSettings,
    /// Who may come in, and by which name they ask for the gateway.
    pub access: AccessSettings,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        let listen = vec![LISTEN.parse().expect("an address")];
        let (tls, limits, mdns, tailscale, access) = Default::default();
        Self { listen, tls, limits, mdns, tailscale, access }
    }
}

/// How connections are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// Where the certificate comes from; `off` unless set.
    pub mode: TlsMode,
    /// With `files`: the certificate and those that lead to its authority, in PEM.
    pub certificate: Option<PathBuf>,
    /// With `files`: its key, in PEM, which nobody else may read (0600).
    pub key: Option<PathBuf>,
    /// Names and addresses of this machine that a certificate made here is for, beside `localhost` and the addresses listened to.
    pub names: Vec<String>,
    /// Whether clients show a certificate; `off` unless set.
    pub client_certificates: ClientCertificates,
    /// The authorities that sign certificates of clients, in PEM; with `ca`, the one of this home unless set.
    pub client_ca: Option<PathBuf>,
    /// Their revoked certificates, in PEM; with `ca`, those of `cara tls revoke` unless set.
    pub crl: Option<PathBuf>,
}

/// Where the certificate of the daemon comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Nothing is encrypted.
    #[default]
    Off,
    /// Made at first use; a client knows it by its fingerprint.
    SelfSigned,
    /// Signed by the authority that `cara tls init-ca` made.
    Ca,
    /// The operator's own.
    Files,
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Off,
    /// Who shows one is known by it; one that is not good ends the connection.
    Optional,
    /// Who shows none is not let in.
    Required,
}

/// How much is taken on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GatewayLimits {
    /// Connections at once, fewer where the system allows fewer open files; `4096` unless set. One that does nothing gives way.
    #[schemars(range(min = 16, max = 65536))]
    pub connections: u32,
    /// Connections at once of one address; `2048` unless set.
    #[schemars(range(min = 16, max = 65536))]
    pub connections_per_source: u32,
    /// Requests at once; `2048` unless set. One more is answered 503.
    #[schemars(range(min = 16, max = 65536))]
    pub requests: u32,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self { connections: 4096, connections_per_source: 2048, requests: 2048 }
    }
}

/// With how much the daemon is announced in the local network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mdns {
    /// It is not.
    #[default]
    Off,
    /// That there is one, and where.
    Minimal,
    /// With the name of this machine, the version, and the fingerprint of the certificate.
    Full,
}

/// Whether Tailscale leads to the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TailscaleSettings {
    /// Who is led here; `off` unless set.
    pub serve: TailscaleServe,
    /// The program `tailscale`, as an absolute path; the one on `PATH` unless set. No credential sets it.
    pub program: Option<PathBuf>,
}

/// Whom Tailscale leads to the daemon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailscaleServe {
    /// Nobody.
    #[default]
    Off,
    /// The machines of the tailnet.
    Serve,
    /// Everybody on the internet.
    Funnel,
}

fn addresses<'de, D: Deserializer<'de>>(listed: D) -> std::result::Result<Vec<SocketAddr>, D::Error> {
    Vec::<String>::deserialize(listed)?.iter().map(|text| address(text).map_err(serde::de::Error::custom)).collect()
}

/// An address to listen at, in the words of an error otherwise.
pub fn address(text: &str) -> Result<SocketAddr> {
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => fail!(
            Invalid,
            "`{}` is no address with a port\nhint: write it like `{LISTEN}` or `[::1]:18789`; names are not looked up",
            text.escape_debug()
        ),
    }
}

/// The addresses of a command line, where `none` is none at all; nothing where none was named.
///
/// # Errors
///
/// A text is no address.
pub fn asked(named: &[String]) -> Result<Option<Vec<SocketAddr>>> {
    match named {
        [] => Ok(None),
        [none] if none == "none" => Ok(Some(Vec::new())),
        named => named.iter().map(|text| address(text)).collect::<Result<_>>().map(Some),
    }
}

/// Whether only this machine reaches an address.
pub fn is_local(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback(),
    }
}

impl GatewaySettings {
    /// Whether the parts fit each other, whatever is on this machine.
    ///
    /// # Errors
    ///
    /// Others could listen in, or a part that is needed is not named.
    pub fn check(&self) -> Result<()> {
        let (tls, limits) = (&self.tls, self.limits);
        let numbers = [
            ("connections", limits.connections),
            ("connections-per-source", limits.connections_per_source),
            ("requests", limits.requests),
        ];
        if let Some((name, number)) = numbers.into_iter().find(|(_, number)| !(16..=65536).contains(number)) {
            fail!(Invalid, "`gateway.limits.{name}` is {number}\nhint: it takes a whole number from 16 to 65536");
        }
        if let Some(open) = self.listen.iter().find(|address| !is_local(address)).filter(|_| tls.mode == TlsMode::Off) {
            fail!(
                Refused,
                "`{open}` can be reached from other machines, and nothing is encrypted\n\
                 hint: `cara config set gateway.tls.mode self-signed`, or listen at `{LISTEN}`"
            );
        }
        let named = [("certificate", tls.certificate.is_some()), ("key", tls.key.is_some())];
        for (name, is_named) in named {
            match (tls.mode == TlsMode::Files, is_named) {
                (true, false) => fail!(
                    Invalid,
                    "`gateway.tls.mode` is `files`, and `gateway.tls.{name}` is not set\n\
                     hint: `cara config set gateway.tls.{name} PATH`"
                ),
                (false, true) => fail!(
                    Invalid,
                    "`gateway.tls.{name}` counts only with `gateway.tls.mode = \"files\"`\n\
                     hint: `cara config unset gateway.tls.{name}`, or set the mode"
                ),
                _ => {}
            }
        }
        let for_clients = [("client-ca", tls.client_ca.is_some()), ("crl", tls.crl.is_some())];
        let asks_none = tls.client_certificates == ClientCertificates::Off;
        if let Some((name, _)) = for_clients.into_iter().find(|(_, is_named)| asks_none && *is_named) {
            fail!(
                Invalid,
                "`gateway.tls.{name}` counts only where certificates of clients are asked for\n\
                 hint: `cara config unset gateway.tls.{name}`, or set `gateway.tls.client-certificates`"
            );
        }
        if !tls.names.is_empty() && ![TlsMode::SelfSigned, TlsMode::Ca].contains(&tls.mode) {
            fail!(
                Invalid,
                "`gateway.tls.names` counts only for a certificate that is made here\n\
                 hint: `cara config unset gateway.tls.names`, or set `gateway.tls.mode` to `self-signed` or `ca`"
            );
        }
        if tls.client_certificates != ClientCertificates::Off {
            if tls.mode == TlsMode::Off {
                fail!(
                    Invalid,
                    "certificates of clients need TLS\nhint: `cara config set gateway.tls.mode self-signed`"
                );
            }
            if tls.mode != TlsMode::Ca && tls.client_ca.is_none() {
                fail!(
                    Invalid,
                    "nobody signs certificates of clients\n\
                     hint: `cara config set gateway.tls.client-ca PATH`, or use `cara tls init-ca` and the mode `ca`"
                );
            }
        }
        let mut listed = self.listen.clone();
        listed.sort();
        if let Some(pair) = listed.windows(2).find(|pair| pair[0] == pair[1]) {
            fail!(Invalid, "`gateway.listen` has `{}` twice\nhint: take one away", pair[0]);
        }
        Ok(())
    }

    /// The same for what is about to be opened, where it is known whether somebody could prove who they are.
    ///
    /// # Errors
    ///
    /// Others could reach what nobody may enter, or the parts do not fit.
    pub fn check_to_open(&self, has_credential: bool) -> Result<()> {
        self.check()?;
        let has_credential = has_credential || self.tls.client_certificates == ClientCertificates::Required;
        if let Some(open) = self.listen.iter().find(|address| !is_local(address)).filter(|_| !has_credential) {
            fail!(
                Refused,
                "`{open}` can be reached from other machines, and nobody has a credential yet\n\
                 hint: `cara token create NAME --scope chat` makes one; or set `gateway.tls.client-certificates` to `required`"
            );
        }
        if self.tailscale.serve == TailscaleServe::Funnel && !has_credential {
            fail!(
                Refused,
                "`gateway.tailscale.serve` is `funnel`, which leads the internet here, and nobody has a credential yet\n\
                 hint: `cara token create NAME --scope chat` makes one"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<GatewaySettings> {
        let settings: GatewaySettings =
            toml::from_str(text).map_err(|error| crate::error::error!(Invalid, "{}", error.message()))?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn an_address_that_others_reach_needs_tls_and_a_credential() {
        for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            read(&format!("listen = ['{local}']")).unwrap().check_to_open(false).unwrap();
        }
        for open in ["0.0.0.0:1", "192.168.1.2:1", "[::]:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"] {
            let error = read(&format!("listen = ['{open}']")).unwrap_err();
            assert!(error.message.contains("nothing is encrypted") && error.hint.is_some(), "{error}");
            let with_tls = read(&format!("listen = ['{open}']\ntls.mode = 'self-signed'")).unwrap();
            let error = with_tls.check_to_open(false).unwrap_err();
            assert!(error.message.contains("nobody has a credential"), "{error}");
            with_tls.check_to_open(true).unwrap();
            let mutual = "tls = { mode = 'ca', client-certificates = 'required' }";
            read(&format!("listen = ['{open}']\n{mutual}")).unwrap().check_to_open(false).unwrap();
            let optional = "tls = { mode = 'ca', client-certificates = 'optional' }";
            assert!(read(&format!("listen = ['{open}']\n{optional}")).unwrap().check_to_open(false).is_err());
        }
        let funnel = read("tailscale.serve = 'funnel'").unwrap();
        assert!(funnel.check_to_open(false).is_err() && funnel.check_to_open(true).is_ok());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_cure() {
        for (text, told) in [
            ("listen = ['localhost:1']", "no address with a port"),
            ("listen = ['127.0.0.1']", "no address with a port"),
            ("listen = ['127.0.0.1:1', '127.0.0.1:1']", "twice"),
            ("tls.mode = 'files'", "`gateway.tls.certificate` is not set"),
            ("tls = { mode = 'files', certificate = 'c' }", "`gateway.tls.key` is not set"),
            ("tls.key = 'k'", "counts only with"),
            ("tls.client-certificates = 'required'", "need TLS"),
            ("tls = { mode = 'ca', client-ca = 'c' }", "`gateway.tls.client-ca` counts only"),
            ("tls = { mode = 'ca', crl = 'c' }", "`gateway.tls.crl` counts only"),
            ("tls.names = ['a']", "`gateway.tls.names` counts only"),
            (
                "tls = { mode = 'files', certificate = 'c', key = 'k', names = ['a'] }",
                "`gateway.tls.names` counts only",
            ),
            ("tls = { mode = 'self-signed', client-certificates = 'optional' }", "nobody signs"),
            ("limits.requests = 3", "`gateway.limits.requests` is 3"),
            ("limits.connections = 70000", "`gateway.limits.connections` is 70000"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(told) && error.hint.is_some(), "{text}: {error}");
        }
        assert_eq!(read("listen = []").unwrap().listen, []);
        assert_eq!(read("").unwrap().listen[0].to_string(), LISTEN);
    }
}
