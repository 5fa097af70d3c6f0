//! A home with its gateway, and requests as they come in over TCP.

use axum::Router;
use axum::body::Body;
use cara_authority::{Principal, Scope};
use cara_control::devices::PairDevice;
use cara_control::tokens::{CreateToken, CreatedToken};
use cara_control::{Application, BuiltIn, Events, HomeLock, Operation, Options, Prepared, Role};
use cara_gateway::{ClientCertificate, Peer, router};
use cara_services::egress::KnownSecrets;
use cara_services::home::Home;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;

/// A key that nothing is signed with.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAqbRR8qHBhgK9GadcLj6dSO7ndcVM6Yyez2Mco+Bo3Ks=\n-----END PUBLIC KEY-----";

pub(crate) struct House {
    _folder: tempfile::TempDir,
    pub(crate) application: Arc<Application>,
    door: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The cookie that was set, as it is sent back.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

/// A process of this machine.
pub(crate) fn near() -> Peer {
    from("127.0.0.1:50000")
}

pub(crate) fn from(address: &str) -> Peer {
    Peer { address: Some(address.parse::<SocketAddr>().unwrap()), ..Peer::default() }
}

/// A request for our own host, with these headers.
pub(crate) fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:18789");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    request(Method::GET, path, headers)
}

/// One that sends JSON.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &Value) -> Request<Body> {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    request(Method::POST, path, &headers).map(|_| Body::from(body.to_string()))
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

impl House {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), format!("{config}\n# a test\n")).unwrap();
        let application = Application::open(Options {
            lock: HomeLock::take(&Home::at(folder.path()).unwrap()).unwrap().unwrap(),
            built_in: BuiltIn::new(Vec::new(), KEY).unwrap(),
            store: None,
            known: KnownSecrets::new(),
            command: "a test".to_owned(),
            role: Role::Daemon,
        });
        let application = application.unwrap();
        Self { door: router(application.clone()), application, _folder: folder }
    }

    /// As the operator does it, at the socket.
    pub(crate) async fn doing<O: Operation>(&self, operation: O) -> O::View {
        let by = Principal::of_account("a test");
        let done = Prepared::of(operation).run(self.application.clone(), by, Events::nobody()).await.unwrap();
        serde_json::from_str(done.get()).unwrap()
    }

    pub(crate) async fn token(&self, scopes: &[Scope]) -> (String, String) {
        let CreatedToken { credential, token } = self.doing(new_token(scopes)).await;
        (credential.id, token.unwrap())
    }

    /// Whoever has a certificate that lets in for this.
    pub(crate) async fn certified(&self, scopes: &[Scope]) -> Peer {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        self.doing(CreateToken { certificate: Some(certificate.pem()), ..new_token(scopes) }).await;
        let (subject, fingerprint, _) = cara_control::tls::facts(certificate.der()).unwrap();
        Peer { tls: true, certificate: Some(Arc::new(ClientCertificate { fingerprint, subject })), ..near() }
    }

    pub(crate) async fn code(&self, scopes: &[Scope]) -> String {
        let (agents, tokens_per_day, person) = Default::default();
        let scopes = scopes.iter().copied().collect();
        self.doing(PairDevice { name: "phone".into(), scopes, agents, tokens_per_day, person }).await.code
    }

    /// A browser that came in: its cookie, and what its page sends along.
    pub(crate) async fn browser(&self, scopes: &[Scope]) -> (String, String) {
        let code = self.code(scopes).await;
        let entered = self.ask(post("/login", &[], &serde_json::json!({ "code": code }))).await;
        assert_eq!(entered.status, StatusCode::OK, "{entered:?}");
        (entered.cookie(), entered.json()["csrf"].as_str().unwrap().to_owned())
    }

    /// As a process of this machine asks.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        self.ask_as(near(), request).await
    }

    pub(crate) async fn ask_as(&self, peer: Peer, request: Request<Body>) -> Answer {
        let response = self.begin(peer, request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// The answer, whose body is still to come.
    pub(crate) async fn begin(&self, peer: Peer, mut request: Request<Body>) -> axum::response::Response {
        request.extensions_mut().insert(peer);
        self.door.clone().oneshot(request).await.unwrap()
    }

    /// What the audit log has of refusals, the first first, once so many are there.
    pub(crate) async fn refusals(&self, most: usize) -> Vec<String> {
        loop {
            let show = cara_control::audit::ShowAudit { limit: 1_000, kind: Some("access-refused".into()) };
            let events = self.doing(show).await.events;
            if events.len() >= most {
                let why = |row: &cara_control::audit::AuditRow| row.detail["why"].as_str().unwrap().to_owned();
                return events.iter().rev().map(why).collect();
            }
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn new_token(scopes: &[Scope]) -> CreateToken {
    let (agents, tokens_per_day, expires_in_ms, person, certificate, tailnet) = Default::default();
    let (name, scopes) = ("a program".to_owned(), scopes.iter().copied().collect());
    CreateToken { name, scopes, agents, tokens_per_day, expires_in_ms, person, certificate, tailnet }
}
