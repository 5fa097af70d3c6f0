//! Where a request may go, and on whose behalf.

use crate::address::{self, NotPublic};
use crate::id::ComponentId;
use crate::origin::{Origin, Scheme};
use crate::refusal::{Refusal, Rule};
use http::{Method, Uri};
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

mod operator;

/// How a destination may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every address of the host must be public.
    Public,
    /// Every address of the host must be loopback: the operator named this one origin.
    Loopback,
    /// Every address of the host must be that of a private network: the operator granted this one origin so.
    Private,
}

/// On whose behalf a request is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A component, by its grants.
    Component(ComponentId),
    /// The operator, who named the URL.
    Operator,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(component) => write!(f, "component `{component}`"),
            Self::Operator => f.write_str("cara"),
        }
    }
}

/// Having a `Destination` tells you: its sender may send this method to this URL; if the host is an address, it fits the
/// reach. What remains to be checked is every address its name resolves to (see [`Reach::admits`]).
#[derive(Debug, Clone)]
pub struct Destination {
    sender: Sender,
    origin: Origin,
    method: Method,
    uri: Uri,
    reach: Reach,
}

/// Why an origin may not be reached so over `https`; nothing when it may. Addresses behind a name are judged later.
pub(crate) fn refused(reach: Reach, origin: &Origin) -> Option<String> {
    let plain = (origin.scheme() == Scheme::Http).then(|| "`http` is for this machine only".into());
    plain.or_else(|| reach.refuses(origin))
}

impl Reach {
    /// Checks one address that a host resolved to, without saying for whom.
    pub fn admits(self, address: IpAddr) -> Result<(), NotPublic> {
        match self {
            Self::Public => address::public(address),
            Self::Loopback if address.is_loopback() => Ok(()),
            Self::Loopback => Err(NotPublic("not this machine")),
            Self::Private => address::private(address),
        }
    }

    /// Why the host of an origin does not fit; nothing when it does. Addresses behind a name are judged later.
    pub fn refuses(self, origin: &Origin) -> Option<String> {
        let (what, judged) = match (origin.host(), origin.ip(), self) {
            (_, Some(address), _) => ("address", self.admits(address)),
            (Host::Domain(name), _, Self::Public) => ("name", address::public_name(name)),
            (Host::Domain(name), _, Self::Private) => ("name", address::private_name(name)),
            _ => return None,
        };
        judged.err().map(|reason| format!("the {what} is {reason}"))
    }
}

impl Destination {
    /// Where a sender may send to; whoever calls has checked it.
    pub(crate) fn new(
        sender: Sender,
        method: &Method,
        url: &Url,
        origin: Origin,
        reach: Reach,
    ) -> Result<Self, Refusal> {
        let uri = url.as_str().split('#').next().unwrap_or_default().parse();
        let uri = uri.map_err(|_| Refusal::new(Rule::Invalid, format!("`{origin}`: the URL cannot be sent")))?;
        Ok(Self { sender, origin, method: method.clone(), uri, reach })
    }

    /// Whose request it is.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The whole URL in normal form; what is sent, instead of what the guest wrote.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// How it may be connected to.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The refusal of an address that the host resolved to, and that does not fit the reach.
    pub fn refused(&self, address: IpAddr, why: NotPublic) -> Refusal {
        let (sender, origin) = (&self.sender, &self.origin);
        let text = format!("{sender} may not reach `{origin}`: it resolves to `{address}`, which is {why}");
        Refusal::new(Rule::Destination, text)
    }
}
