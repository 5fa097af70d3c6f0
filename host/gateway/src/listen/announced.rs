//! What is said of the daemon in the local network (mDNS, RFC 6762), if
//! anything is.

use cara_control::{Error, ErrorKind, Mdns, is_local};
use mdns_sd::{ServiceDaemon, ServiceInfo};
use std::net::{IpAddr, SocketAddr};

/// The kind of service.
const KIND: &str = "_cara._tcp.local.";

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    name: String,
    host: String,
    /// The addresses; all of this machine where there is none.
    addresses: Vec<IpAddr>,
    port: u16,
    properties: Vec<(&'static str, String)>,
}

impl Announcement {
    /// What the settings have said of these addresses, on a machine of this name; nothing where nobody else reaches one.
    pub(crate) fn of(
        mdns: Mdns,
        listening: &[SocketAddr],
        fingerprint: Option<&str>,
        machine: &str,
    ) -> Result<Option<Self>, Error> {
        if mdns == Mdns::Off {
            return Ok(None);
        }
        let open: Vec<&SocketAddr> = listening.iter().filter(|address| !is_local(address)).collect();
        let Some(first) = open.first() else {
            let text = "there is nothing to announce in the local network: only this machine reaches cara\n\
                        hint: `gateway.listen` with an address of this machine, or `cara config set gateway.mdns off`";
            return Err(Error::new(ErrorKind::Invalid, text));
        };
        let own = open.iter().filter(|address| address.port() == first.port()).map(|address| address.ip());
        let own: Vec<IpAddr> = own.collect();
        let addresses = if own.iter().any(IpAddr::is_unspecified) { Vec::new() } else { own };
        let (name, properties) = match mdns {
            Mdns::Full => {
                let mut properties = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
                properties.extend(fingerprint.map(|fingerprint| ("sha256", fingerprint.to_owned())));
                (machine, properties)
            }
            _ => ("cara", Vec::new()),
        };
        Ok(Some(Self {
            name: name.to_owned(),
            host: format!("{name}.local."),
            addresses,
            port: first.port(),
            properties,
        }))
    }
}

/// The name of this machine, without its domain.
#[cfg(unix)]
pub(crate) fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().filter(|name| !name.is_empty()).unwrap_or("cara").to_owned()
}

/// Elsewhere it is not known.
#[cfg(not(unix))]
pub(crate) fn machine() -> String {
    "cara".to_owned()
}

/// Says it, until it is dropped.
pub(crate) struct Announced {
    pub(crate) said: Announcement,
    daemon: ServiceDaemon,
}

impl Announced {
    /// Begins to say it.
    pub(crate) fn new(said: Announcement) -> Result<Self, Error> {
        let failed = |error: mdns_sd::Error| {
            let text = format!(
                "cara cannot be announced in the local network: {error}\nhint: `cara config set gateway.mdns off` goes without"
            );
            Error::new(ErrorKind::Unavailable, text)
        };
        let properties: Vec<(&str, &str)> = said.properties.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let addresses = said.addresses.as_slice();
        let service = ServiceInfo::new(KIND, &said.name, &said.host, addresses, said.port, properties.as_slice());
        let service = service.map_err(failed)?;
        let service = if said.addresses.is_empty() { service.enable_addr_auto() } else { service };
        let daemon = ServiceDaemon::new().map_err(failed)?;
        daemon.register(service).map_err(failed)?;
        Ok(Self { said, daemon })
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // It says goodbye on its own thread; where it cannot, the announcement runs out by itself.
        let _ = self.daemon.unregister(&format!("{}.{KIND}", self.said.name));
        let _ = self.daemon.shutdown();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(mdns: Mdns, listening: &[&str]) -> Result<Option<Announcement>, Error> {
        let listening: Vec<SocketAddr> = listening.iter().map(|address| address.parse().unwrap()).collect();
        Announcement::of(mdns, &listening, Some("ab12"), "attic")
    }

    #[test]
    fn only_what_others_reach_is_announced_and_not_more_than_is_wanted() {
        assert_eq!(said(Mdns::Off, &["0.0.0.0:1"]).unwrap(), None);
        assert!(said(Mdns::Full, &["127.0.0.1:1", "[::1]:1"]).unwrap_err().hint.is_some());
        let minimal = said(Mdns::Minimal, &["127.0.0.1:1", "192.0.2.7:2"]).unwrap().unwrap();
        assert_eq!((minimal.addresses.as_slice(), minimal.port), (&["192.0.2.7".parse().unwrap()][..], 2));
        let text = format!("{minimal:?}");
        assert!(!text.contains("attic") && !text.contains("ab12") && minimal.properties.is_empty(), "{text}");
        let full = said(Mdns::Full, &["0.0.0.0:3"]).unwrap().unwrap();
        assert!(full.addresses.is_empty() && full.name == "attic" && full.host == "attic.local.");
        assert_eq!(full.properties[1], ("sha256", "ab12".to_owned()));
    }
}
