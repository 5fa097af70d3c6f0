//! Which addresses count as the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotPublic(&'static str);

/// Passes globally reachable unicast addresses only.
pub fn public(address: IpAddr) -> Result<(), NotPublic> {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

fn public_v4(address: Ipv4Addr) -> Result<(), NotPublic> {
    if address.is_private() || address.is_loopback() { Err(NotPublic("private")) } else { Ok(()) }
}

fn public_v6(address: Ipv6Addr) -> Result<(), NotPublic> {
    if address.is_loopback() { Err(NotPublic("loopback")) } else { Ok(()) }
}
