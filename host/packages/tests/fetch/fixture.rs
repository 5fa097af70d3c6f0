//! A network in memory: names, addresses and servers that a test scripts.

use cara_packages::{Access, Credentials, Deadlines, Fetched, Progress, Reference, fetch};
use cara_services::egress::{Dial, Egress, KnownSecrets, Resolver, Roots, Transport, Wire};
use futures_util::future::BoxFuture;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// The server on this machine that the operator names.
pub const LOCAL: &str = "http://127.0.0.1:5000";
/// Names on the network; all but the last are public.
const NAMES: [&str; 4] = ["plugins.example.com", "cdn.example.com", "auth.example.com", "inside.example.com"];

/// What a server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub host: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// `GET plugins.example.com/a.wasm`
    pub fn line(&self) -> String {
        format!("{} {}{}", self.method, self.host, self.path)
    }
}

/// One thing a server does.
#[derive(Clone)]
pub enum Step {
    Write(Vec<u8>),
    Wait(Duration),
    /// The same bytes until nobody takes them any more.
    Forever(Vec<u8>, Duration),
}

/// An answer over HTTP/1.1 that ends with the connection.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n");
    vec![Step::Write([head.as_bytes(), body].concat())]
}

/// A 200 that says how long it is.
pub fn ok(body: &[u8]) -> Vec<Step> {
    answer("200 OK", &format!("content-length: {}\r\n", body.len()), body)
}

pub fn missing() -> Vec<Step> {
    answer("404 Not Found", "content-length: 0\r\n", b"")
}

pub fn redirect(location: &str) -> Vec<Step> {
    answer("302 Found", &format!("location: {location}\r\ncontent-length: 0\r\n"), b"")
}

type Script = dyn Fn(&Asked) -> Vec<Step> + Send + Sync;

struct Names;

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let known = NAMES.contains(&name);
        let address = if name == "inside.example.com" { [10, 0, 0, 1] } else { [1, 1, 1, 1] };
        Box::pin(
            async move { if known { Ok(vec![IpAddr::from(address)]) } else { Err(io::Error::other("no such name")) } },
        )
    }
}

struct Pipes {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
    tls: TlsAcceptor,
}

impl Dial for Pipes {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let (script, asked, tls) = (Arc::clone(&self.script), Arc::clone(&self.asked), self.tls.clone());
        tokio::spawn(async move {
            if address.port() != 443 {
                return serve(Box::new(far), script, asked).await;
            }
            if let Ok(stream) = tls.accept(far).await {
                serve(Box::new(stream), script, asked).await;
            }
        });
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Wire>) })
    }
}

async fn serve(mut wire: Box<dyn Wire>, script: Arc<Script>, asked: Arc<Mutex<Vec<Asked>>>) {
    let Some(request) = read(&mut wire).await else { return };
    asked.lock().unwrap().push(request.clone());
    for step in script(&request) {
        match step {
            Step::Write(bytes) => {
                if wire.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Forever(bytes, time) => {
                while wire.write_all(&bytes).await.is_ok() {
                    tokio::time::sleep(time).await;
                }
            }
        }
    }
    let _ = wire.shutdown().await;
}

async fn read(wire: &mut Box<dyn Wire>) -> Option<Asked> {
    let (mut all, mut part) = (Vec::new(), vec![0; 65536]);
    loop {
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).into_owned();
            let mut line = head.lines().next()?.split(' ');
            let (method, path) = (line.next()?.to_owned(), line.next()?.to_owned());
            let mut asked = Asked { method, path, host: String::new(), head, body: all[end + 4..].to_vec() };
            asked.host = asked.header("host").unwrap_or_default().to_owned();
            let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
            if asked.body.len() >= length {
                return Some(asked);
            }
        }
        match wire.read(&mut part).await {
            Ok(read) if read > 0 => all.extend_from_slice(&part[..read]),
            _ => return None,
        }
    }
}

/// A gate, and the servers behind it.
pub struct Fixture {
    pub egress: Egress,
    pub credentials: Credentials,
    pub deadlines: Deadlines,
    pub told: Arc<Mutex<Vec<Progress>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fixture {
    pub fn new(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let (roots, tls) = trust();
        let asked = Arc::default();
        let pipes = Pipes { script: Arc::new(script), asked: Arc::clone(&asked), tls };
        let transport = Transport { resolver: Arc::new(Names), dial: Arc::new(pipes), roots };
        let egress = Egress::new(KnownSecrets::new(), transport);
        Self { egress, credentials: Credentials::Anonymous, deadlines: Deadlines::FETCH, told: Arc::default(), asked }
    }

    /// Fetches, and gives what was fetched or the text of the error.
    pub async fn fetch(&self, reference: &str) -> Result<Fetched, String> {
        let told = Arc::clone(&self.told);
        let progress = move |progress| told.lock().unwrap().push(progress);
        let reference: Reference = reference.parse().map_err(|error| format!("{error}"))?;
        fetch(&reference, Access { progress: &progress, ..self.access() }).await.map_err(|error| error.to_string())
    }

    pub async fn refused(&self, reference: &str) -> String {
        match self.fetch(reference).await {
            Ok(fetched) => panic!("it was fetched: {}", fetched.source),
            Err(error) => error,
        }
    }

    pub fn access(&self) -> Access<'_> {
        let Self { egress, credentials, deadlines, .. } = self;
        Access { egress, credentials, deadlines: *deadlines, progress: &|_| {} }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was asked, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

/// A client that trusts one authority, and a server with its certificate for every name.
fn trust() -> (Roots, TlsAcceptor) {
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(parameters.self_signed(&key).unwrap().der().clone()).unwrap();
    let issuer = rcgen::Issuer::new(parameters, key);
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let client = builder.with_root_certificates(roots).with_no_client_auth();

    let key = rcgen::KeyPair::generate().unwrap();
    let names = NAMES.map(str::to_owned).to_vec();
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let server = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    (Roots::Given(client), TlsAcceptor::from(Arc::new(server)))
}
