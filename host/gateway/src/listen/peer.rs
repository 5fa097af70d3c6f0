//! Who is at the other end of a connection, as far as the connection says.
//!
//! Whoever accepts a connection puts this into each of its requests; what somebody may do follows elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The other end of a connection. It is in the extensions of each request.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Its address, if it came over TCP; a mapped IPv4 address as what it is.
    pub address: Option<SocketAddr>,
    /// The address of this machine that it reached, if it came over TCP; a mapped IPv4 address as what it is.
    pub local: Option<IpAddr>,
    /// Whether the kernel says that it is a process of the account that holds the home.
    pub account: bool,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The client certificate that was verified, if there is one.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// Having a `ClientCertificate` tells you: whoever is at the other end has its key, and an authority that the operator
/// trusts for clients signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 over the certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// The subject as it stands in the certificate, such as `CN=laptop`.
    pub subject: String,
}

/// Is cancelled when the connection is to end once what it does is done. It is in the extensions of each request, for what
/// has no end of its own, such as a WebSocket.
#[derive(Debug, Clone)]
pub struct Draining(pub CancellationToken);

impl Peer {
    /// A process of the account that holds the home.
    pub(crate) fn of_account() -> Self {
        Self { account: true, ..Self::default() }
    }
}

/// Whom a connection counts for: an IPv4 address, or the network of 64 bits that somebody with IPv6 has for himself.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_source_and_mapped_ones_are_ipv4() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
