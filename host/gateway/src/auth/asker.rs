//! Who asks: from where, for which host, over what. Proxies that the operator
//! trusts are believed, and nobody else.

use super::hosts::{self, Asked};
use super::one;
use super::refusal::Refusal;
use crate::arguments::HOST;
use crate::listen::{ClientCertificate, Peer, source};
use axum::extract::Request;
use cara_control::AccessSettings;
use http::HeaderName;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What proxies say of who asks. From anybody else it is taken out, so that nothing behind the gate believes it.
const FORWARDED: [HeaderName; 5] = [
    http::header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Who asks.
#[derive(Clone)]
pub(crate) struct Asker {
    /// Whom attempts count for.
    pub(crate) source: IpAddr,
    /// The other end of the connection, where no proxy is between.
    pub(crate) address: Option<SocketAddr>,
    /// Whether nobody between could read or change it.
    pub(crate) tls: bool,
    /// The host that was asked for.
    pub(crate) host: Asked,
    /// The page of another origin that asks, which the operator lets.
    pub(crate) page: Option<String>,
    /// The certificate of whoever is at the other end of the connection, where no proxy is between.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// What the audit log calls the door.
    pub(crate) door: String,
}

impl Asker {
    pub(crate) fn of(peer: &Peer, settings: &AccessSettings, request: &mut Request) -> Result<Self, Refusal> {
        let near = peer.address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
        let trusted = |address: IpAddr| settings.trusted_proxies.iter().any(|network| network.has(address));
        let (mut far, mut tls, mut address, mut certificate) = (near, peer.tls, peer.address, peer.certificate.clone());
        let mut own = peer.local;
        if peer.address.is_some() && trusted(near) {
            // The connection is the proxy's, with all that it shows.
            (address, certificate, own) = (None, None, None);
            let headers = request.headers();
            if let Some(forwarded) = headers.get_all(&FORWARDED[1]).iter().next_back() {
                // Each proxy adds whom it saw at the end: the last one who is no proxy of ours is who asks.
                let text = forwarded.to_str().unwrap_or_default();
                let mut hops =
                    text.rsplit(',').map(|hop| hop.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical()));
                far = hops
                    .find_map(|hop| match hop {
                        Some(hop) if trusted(hop) => None,
                        other => Some(other.unwrap_or(near)),
                    })
                    .unwrap_or(near);
            }
            tls = one(headers, &FORWARDED[2])? == Some("https");
        }
        for name in FORWARDED {
            request.headers_mut().remove(name);
        }
        let host = hosts::asked(request.uri(), request.headers(), settings, own)?;
        let source = source(far);
        let door = format!("gateway {source}");
        Ok(Self { source, address, tls, host, page: None, certificate, door })
    }

    /// A process of the account.
    pub(crate) fn of_account() -> Self {
        let host = Asked { text: HOST.to_owned(), is_local: true };
        let (source, door) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), "account".to_owned());
        Self { source, address: None, tls: false, host, page: None, certificate: None, door }
    }

    /// Where a page comes from that the gateway itself serves.
    pub(crate) fn own_origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host.text)
    }
}
