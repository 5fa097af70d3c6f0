//! An internet in memory: every name resolves, every host speaks TLS,
//! and everything asked of it is written down.

use bytes::Bytes;
use cara_services::egress::{Dial, Resolver, Roots, Wire};
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{Barrier, watch};

/// What a host answers.
#[derive(Clone, Default)]
pub struct Page {
    status: Option<u16>,
    media_type: &'static str,
    location: Option<String>,
    body: Bytes,
    meet: Option<Arc<Barrier>>,
    hangs: bool,
}

impl Page {
    /// Plain text.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self { media_type: "text/plain; charset=utf-8", body: body.into().into(), ..Self::default() }
    }

    /// A document.
    #[must_use]
    pub fn html(body: impl Into<String>) -> Self {
        Self { media_type: "text/html; charset=utf-8", ..Self::text(body) }
    }

    /// What a programming interface answers.
    #[must_use]
    pub fn json(body: impl Into<String>) -> Self {
        Self { media_type: "application/json", ..Self::text(body) }
    }

    /// A file.
    #[must_use]
    pub fn bytes(media_type: &'static str, body: Vec<u8>) -> Self {
        Self { media_type, body: body.into(), ..Self::default() }
    }

    /// The way to another page.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self { status: Some(302), location: Some(to.to_owned()), ..Self::text("moved") }
    }

    /// Another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Answers only when all that the barrier waits for are asked.
    #[must_use]
    pub fn meeting(mut self, barrier: &Arc<Barrier>) -> Self {
        self.meet = Some(barrier.clone());
        self
    }

    /// Never answers.
    #[must_use]
    pub fn hanging() -> Self {
        Self { hangs: true, ..Self::text("") }
    }
}

type Site = Arc<dyn Fn(&str) -> Page + Send + Sync>;

/// The internet of one test.
#[derive(Clone)]
pub struct Internet(Arc<Inner>);

struct Inner {
    sites: Mutex<BTreeMap<String, Site>>,
    lookups: Mutex<Vec<String>>,
    dialed: Mutex<Vec<SocketAddr>>,
    requests: Mutex<Vec<String>>,
    open: watch::Sender<usize>,
}

impl Default for Internet {
    fn default() -> Self {
        let (sites, lookups) = (Mutex::default(), Mutex::default());
        let (dialed, requests, open) = (Mutex::default(), Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { sites, lookups, dialed, requests, open }))
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Internet {
    /// Says what a host answers, by path and query. Other hosts answer 404.
    pub fn site(&self, host: &str, answer: impl Fn(&str) -> Page + Send + Sync + 'static) {
        held(&self.0.sites).insert(host.to_owned(), Arc::new(answer));
    }

    /// Says that a host answers everything alike.
    pub fn page(&self, host: &str, page: Page) {
        self.site(host, move |_| page.clone());
    }

    /// The names that were looked up.
    #[must_use]
    pub fn lookups(&self) -> Vec<String> {
        held(&self.0.lookups).clone()
    }

    /// The addresses that were dialed.
    #[must_use]
    pub fn dialed(&self) -> Vec<SocketAddr> {
        held(&self.0.dialed).clone()
    }

    /// What was asked: `METHOD host/path?query`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        held(&self.0.requests).clone()
    }

    /// Waits until so many requests are being answered.
    ///
    /// # Panics
    /// When it takes over ten seconds.
    pub async fn answering(&self, count: usize) {
        let mut open = self.0.open.subscribe();
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), open.wait_for(|open| *open == count));
        assert!(waited.await.is_ok(), "never {count} requests at once");
    }

    /// A client's trust in every host of it.
    #[must_use]
    pub fn roots() -> Roots {
        let mut roots = RootCertStore::empty();
        roots.add(authority().certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Roots::Given(builder.with_root_certificates(roots).with_no_client_auth())
    }

    async fn answer(self, host: String, target: String, method: String) -> http::Response<Full<Bytes>> {
        held(&self.0.requests).push(format!("{method} {host}{target}"));
        let _open = Open::new(&self.0.open);
        let site = held(&self.0.sites).get(&host).cloned();
        let page = site.map_or_else(|| Page::text("nothing is here").status(404), |site| site(&target));
        if page.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(barrier) = page.meet {
            barrier.wait().await;
        }
        let mut response = http::Response::builder().status(page.status.unwrap_or(200));
        response = response.header("content-type", page.media_type);
        if let Some(location) = page.location {
            response = response.header("location", location);
        }
        response.body(Full::new(page.body)).unwrap()
    }

    async fn serve(self, wire: Box<dyn Wire>) {
        let Ok(stream) = acceptor().accept(wire).await else { return };
        let host = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            let answer = self.clone().answer(host.clone(), target, request.method().to_string());
            async move { Ok::<_, Infallible>(answer.await) }
        });
        // How the connection ends is the client's affair.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

/// Counts a request for as long as it is answered.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count += 1);
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Resolver for Internet {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        held(&self.0.lookups).push(name.to_owned());
        Box::pin(async { Ok(vec![IpAddr::from([93, 184, 215, 14])]) })
    }
}

impl Dial for Internet {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        held(&self.0.dialed).push(address);
        let (near, far) = tokio::io::duplex(256 * 1024);
        tokio::spawn(self.clone().serve(Box::new(far)));
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Wire>) })
    }
}

/// A certificate authority of the tests' own, which signs for whatever host is asked for.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    known: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        Authority { issuer: Issuer::new(parameters, key), certificate, known: Mutex::default() }
    })
}

fn acceptor() -> tokio_rustls::TlsAcceptor {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Signing));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    });
    config.clone().into()
}

#[derive(Debug)]
struct Signing;

impl ResolvesServerCert for Signing {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_owned();
        let authority = authority();
        let signed = || {
            let key = KeyPair::generate().unwrap();
            let parameters = CertificateParams::new(vec![name.clone()]).unwrap();
            let certificate = parameters.signed_by(&key, &authority.issuer).unwrap().der().clone();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            Arc::new(CertifiedKey::new(
                vec![certificate],
                rustls::crypto::ring::sign::any_supported_type(&key).unwrap(),
            ))
        };
        Some(held(&authority.known).entry(name.clone()).or_insert_with(signed).clone())
    }
}
