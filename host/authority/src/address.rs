//! Which addresses and names count as the public internet.
//!
//! The tables follow the IANA special-purpose address registries (RFC 6890, updated by RFC 8190; read 2026-11).
//! IPv6 is an allow list: only 2000::/3 is allocated as global unicast, so a range that is invented tomorrow is refused
//! until it is known. Ranges that carry an IPv4 address are refused whole (mapped, compatible, 6to4, Teredo, ISATAP),
//! with one exception: 64:ff9b::/96 is how an IPv6-only network reaches every IPv4 host (RFC 6052), so there the
//! address inside is judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address or a name is not public; continues a sentence after "which is".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotPublic(pub(crate) &'static str);

/// What gives a machine's credentials to whoever asks from it.
const METADATA: &str = "a cloud's metadata service";

/// Refused IPv4 ranges: first address, prefix length, what it is.
const V4: [(Ipv4Addr, u32, &str); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network (RFC 791)"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private (RFC 1918)"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier (RFC 6598)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local (RFC 3927)"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private (RFC 1918)"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "for protocol assignments (RFC 6890)"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation (RFC 5737)"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "for AS112 (RFC 7535)"),
    (Ipv4Addr::new(192, 52, 193, 0), 24, "for AMT (RFC 7450)"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "for 6to4 relays (RFC 7526)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private (RFC 1918)"),
    (Ipv4Addr::new(192, 175, 48, 0), 24, "for AS112 (RFC 7534)"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks (RFC 2544)"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation (RFC 5737)"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation (RFC 5737)"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
];

/// Refused IPv6 ranges, the more telling one first.
const V6: [(Ipv6Addr, u32, &str); 22] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "IPv4-mapped (RFC 4291)"),
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible (RFC 4291)"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "a local translation (RFC 8215)"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discarded (RFC 6666)"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "a Teredo tunnel (RFC 4380)"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "for protocol assignments (RFC 2928)"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation (RFC 3849)"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a 6to4 tunnel (RFC 3056)"),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, "for AS112 (RFC 7534)"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation (RFC 9637)"),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "a segment id (RFC 9602)"),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 0), 48, METADATA),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private (RFC 4193)"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local (RFC 4291)"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local (RFC 3879)"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// Names that only mean something inside a network or a machine: as a whole or as the end after a dot. Among them
/// the metadata services of clouds (`metadata.google.internal`, `instance-data.ec2.internal`).
const INTERNAL: &str = "corp home home.arpa internal intranet lan local localdomain localhost onion private svc";

/// Passes globally reachable unicast addresses only.
pub fn public(address: IpAddr) -> Result<(), NotPublic> {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

/// Passes addresses of private networks only (RFC 1918, RFC 4193), among which the known metadata services of
/// clouds do not count.
pub(crate) fn private(address: IpAddr) -> Result<(), NotPublic> {
    match public(address) {
        Err(NotPublic("private (RFC 1918)" | "private (RFC 4193)")) => Ok(()),
        other => other.and(Err(NotPublic("public, which was not granted as private"))),
    }
}

/// Passes names that the public DNS can answer. Asked before any look-up, so an internal name is not even queried.
pub fn public_name(name: &str) -> Result<(), NotPublic> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if !name.contains('.') {
        return Err(NotPublic("without a domain"));
    }
    let inside = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if INTERNAL.split(' ').any(inside) { Err(NotPublic("internal to a network")) } else { Ok(()) }
}

/// Passes names but those by which clouds know their metadata services (`metadata.google.internal`, `instance-data`): what
/// those resolve to is not the operator's network.
pub(crate) fn private_name(name: &str) -> Result<(), NotPublic> {
    let service = |label: &str| ["metadata", "instance-data"].iter().any(|known| label.eq_ignore_ascii_case(known));
    if name.split('.').any(service) { Err(NotPublic(METADATA)) } else { Ok(()) }
}

fn public_v4(address: Ipv4Addr) -> Result<(), NotPublic> {
    let inside = |&&(first, length, _): &&(Ipv4Addr, u32, _)| {
        (address.to_bits() ^ first.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0
    };
    V4.iter().find(inside).map_or(Ok(()), |&(.., what)| Err(NotPublic(what)))
}

fn public_v6(address: Ipv6Addr) -> Result<(), NotPublic> {
    let inside = |&&(first, length, _): &&(Ipv6Addr, u32, _)| {
        (address.to_bits() ^ first.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
    };
    if let Some(&(.., what)) = V6.iter().find(inside) {
        return Err(NotPublic(what));
    }
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        [.., 0 | 0x200, 0x5efe, _, _] => Err(NotPublic("an ISATAP tunnel (RFC 5214)")),
        [first, ..] if first & 0xe000 != 0x2000 => Err(NotPublic("outside the allocated unicast space")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn passes(text: &str) -> bool {
        public(text.parse().unwrap()).is_ok()
    }

    #[test]
    fn the_addresses_of_public_servers_pass() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "104.18.6.192",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.17",
            "2606:4700::6812:6c0",
            "2001:4860:4860::8888",
            "2a00:1450:4001:80b::200e",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
        ] {
            assert!(passes(address), "{address}");
        }
    }

    #[test]
    fn the_first_and_the_last_address_of_every_range_is_refused() {
        for (first, length, what) in V4 {
            let last = Ipv4Addr::from_bits(first.to_bits() | u32::MAX.checked_shr(length).unwrap_or(0));
            assert!(public_v4(first).is_err() && public_v4(last).is_err(), "{what}");
        }
        for (first, length, what) in V6 {
            let last = Ipv6Addr::from_bits(first.to_bits() | u128::MAX.checked_shr(length).unwrap_or(0));
            assert_eq!(first.to_bits() & u128::MAX.checked_shr(length).unwrap_or(0), 0, "{what} is not a prefix");
            assert!(public_v6(first).is_err() && public_v6(last).is_err(), "{what}");
        }
    }

    #[test]
    fn an_address_inside_an_address_is_not_a_way_in() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:0:0:1::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "2001:0:4136::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:8.8.8.8",
            "::ffff:0:127.0.0.1",
        ] {
            assert!(!passes(address), "{address}");
        }
    }

    #[test]
    fn metadata_services_are_refused_by_address_and_by_name_also_where_the_operator_grants_a_private_network() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fd00:a9fe:a9fe::1",
            "fe80::a9fe:a9fe",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::168.63.129.16",
            "64:ff9b::100.100.100.200",
            "64:ff9b::192.0.0.192",
        ] {
            assert!(!passes(address), "{address}");
            assert!(private(address.parse().unwrap()).is_err(), "{address} as private");
        }
        for name in [
            "metadata.google.internal",
            "METADATA.google.Internal.",
            "a.metadata.google.internal",
            "metadata",
            "instance-data",
            "instance-data.ec2.internal",
        ] {
            assert!(public_name(name).is_err(), "{name}");
            assert!(private_name(name).is_err(), "{name} as private");
        }
        for address in ["10.0.0.5", "172.16.0.1", "192.168.1.2", "fd00:ab::1", "fc00::1", "64:ff9b::10.0.0.5"] {
            assert!(private(address.parse().unwrap()).is_ok(), "{address}");
        }
        for name in ["nas.lan", "box.internal", "nas", "mymetadata.lan"] {
            assert!(private_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_inside_a_network_are_not_public() {
        for name in [
            "localhost",
            "a.localhost",
            "printer.local",
            "nas.lan",
            "x.home.arpa",
            "kubernetes.default.svc",
            "a.cluster.local",
            "internal",
            "",
        ] {
            assert!(public_name(name).is_err(), "{name}");
        }
        for name in ["api.example.com", "internal.example.com", "localhost.example.com", "notlocal.org", "mylan.net"] {
            assert!(public_name(name).is_ok(), "{name}");
        }
    }
}
