//! A scripted network for a component under test: names, wire, TLS and server,
//! all in memory.
//!
//! ```text
//! component ─→ the real egress gate ─→ resolver, wire, certificate of the testnet ─→ the next exchange of the script
//! ```
//!
//! It stands where the network would, below the gate: grants, addresses and secrets are judged and put in as in earnest.
//! What is not the next request of the script gets no answer and becomes a finding.

use bytes::Bytes;
use cara_services::egress::{Dial, Resolver, Roots, Transport, Wire};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

mod server;

/// A public address: the gate judges names by where they lead. Nothing is ever sent there.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1));
/// Bytes on their way in each direction.
const PIPE: usize = 64 * 1024;
/// Findings that are kept.
const FINDINGS: usize = 32;

/// One request that has to come, and what it is answered with.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: Uri,
    /// Headers that have to be there with this value; others may be.
    pub headers: HeaderMap,
    /// The body, where it matters.
    pub body: Option<Expected>,
    /// The answer.
    pub reply: Response<Bytes>,
}

/// What a body has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This text.
    Text(String),
    /// A JSON text of this value.
    Json(Value),
}

/// Why there is no testnet.
#[derive(Debug, Error)]
pub enum TestnetError {
    /// A URL that no server could have.
    #[error("`{0}` is no URL a request can have\nhint: write `https://` and a host")]
    Url(Uri),
    /// No certificate could be made.
    #[error("no certificate could be made for the scripted servers: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be used.
    #[error("the certificate of the scripted servers cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// A scripted network. Cloning shares it.
#[derive(Clone)]
pub struct Testnet(Arc<Inner>);

struct Inner {
    /// The names the script knows.
    hosts: BTreeSet<String>,
    server: Arc<ServerConfig>,
    client: ClientConfig,
    script: Mutex<Script>,
}

struct Script {
    next: VecDeque<Exchange>,
    findings: Vec<String>,
    /// What was sent to servers that only listen; none where there is a script.
    heard: Option<Vec<Heard>>,
}

/// A request that came to a server which only listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// The body.
    pub body: Bytes,
}

impl Testnet {
    /// A network that has these exchanges to offer, in this order. With none, nothing can be connected to.
    ///
    /// # Errors
    /// When a URL has no host.
    pub fn new(exchanges: Vec<Exchange>) -> Result<Self, TestnetError> {
        let host = |exchange: &Exchange| {
            let host = exchange.url.host().filter(|_| exchange.url.scheme().is_some());
            host.map(bare).ok_or_else(|| TestnetError::Url(exchange.url.clone()))
        };
        let hosts = exchanges.iter().map(host).collect::<Result<BTreeSet<_>, _>>()?;
        Self::of(hosts, Script { next: exchanges.into(), findings: Vec::new(), heard: None })
    }

    /// A network of these hosts, each of which reads requests and answers them with 503.
    ///
    /// # Errors
    /// When a name is none that a certificate can have.
    pub fn listening(hosts: impl IntoIterator<Item = String>) -> Result<Self, TestnetError> {
        let hosts = hosts.into_iter().map(|host| bare(&host)).collect();
        Self::of(hosts, Script { next: VecDeque::new(), findings: Vec::new(), heard: Some(Vec::new()) })
    }

    fn of(hosts: BTreeSet<String>, script: Script) -> Result<Self, TestnetError> {
        let (server, client) = tls(&hosts)?;
        Ok(Self(Arc::new(Inner { hosts, server, client, script: Mutex::new(script) })))
    }

    /// What was sent to servers that only listen, since this was asked last.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.script().heard.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What an egress gate reaches this network with, and no other.
    #[must_use]
    pub fn transport(&self) -> Transport {
        Transport {
            resolver: Arc::new(self.clone()),
            dial: Arc::new(self.clone()),
            roots: Roots::Given(self.0.client.clone()),
        }
    }

    /// What was not as in the script so far, and what of it has not happened.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let script = self.script();
        let missing = script.next.iter().map(|next| format!("`{} {}` was not sent", next.method, next.url));
        script.findings.iter().cloned().chain(missing).collect()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, finding: String) {
        let mut script = self.script();
        if script.findings.len() < FINDINGS {
            script.findings.push(finding);
        }
    }
}

/// A host as a name, an IPv6 address without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// One certificate for all hosts, and a client that trusts it and nothing else.
fn tls(hosts: &BTreeSet<String>) -> Result<(Arc<ServerConfig>, ClientConfig), TestnetError> {
    let made = rcgen::generate_simple_self_signed(hosts.iter().cloned().collect::<Vec<_>>())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((Arc::new(server), client))
}

impl Resolver for Testnet {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            if self.0.hosts.contains(name) {
                return Ok(vec![SOMEWHERE]);
            }
            if !self.0.hosts.is_empty() {
                self.found(format!("`{name}` was asked for, which is not in the script"));
            }
            Err(io::Error::other("there is no such server in this test"))
        })
    }
}

impl Dial for Testnet {
    fn dial(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            if self.0.hosts.is_empty() {
                return Err(io::Error::other("there is no network in this test"));
            }
            let (near, far) = tokio::io::duplex(PIPE);
            tokio::spawn(server::serve(self.clone(), far));
            Ok(Box::new(near) as Box<dyn Wire>)
        })
    }
}

/// An answer of the script.
#[must_use]
pub fn reply(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Bytes> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}
