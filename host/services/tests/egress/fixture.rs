//! A network in memory: names, addresses and servers that a test scripts,
//! and a component's grants.

use bytes::Bytes;
use cara_authority::{Capability, Grants, Interfaces, Limits, Manifest, SecretGrant, limits::LimitsTable};
use cara_services::egress::{
    AnswerBody, Budget, Credential, Dial, Egress, EgressError, EgressLimits, KnownSecrets, Resolver, Roots, Transport,
    Wire,
};
use cara_services::vault::SecretValue;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The secret of every test.
pub const VALUE: &str = "sk-live/3~Secret+Value";
/// Where the plain tests connect.
pub const BASE: &str = "http://127.0.0.1:8080";

/// Answers by name; each look-up takes the next one, the last one stays.
#[derive(Default)]
pub struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    pub asked: Mutex<Vec<String>>,
}

impl Names {
    pub fn answer(&self, name: &str, addresses: &str) {
        let addresses = addresses.split(',').map(|address| address.trim().parse().unwrap()).collect();
        self.answers.lock().unwrap().entry(name.to_owned()).or_default().push(addresses);
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = answers.get_mut(name).map(|all| if all.len() > 1 { all.remove(0) } else { all[0].clone() });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// What a server does with a connection.
pub type Server = Arc<dyn Fn(Box<dyn Wire>) -> BoxFuture<'static, ()> + Send + Sync>;

/// Connects every address to one server in memory.
pub struct Pipes {
    pub server: Server,
    pub dialed: Mutex<Vec<SocketAddr>>,
}

impl Dial for Pipes {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        self.dialed.lock().unwrap().push(address);
        let (near, far) = tokio::io::duplex(256 * 1024);
        tokio::spawn((self.server)(Box::new(far)));
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Wire>) })
    }
}

/// One thing a scripted server does.
#[derive(Clone)]
pub enum Step {
    Write(Vec<u8>),
    Wait(Duration),
}

/// Reads a request to its end, then takes the steps; one connection after the other.
pub fn script(steps: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static, seen: &Arc<Mutex<Vec<String>>>) -> Server {
    let (steps, seen) = (Arc::new(steps), Arc::clone(seen));
    Arc::new(move |mut wire| {
        let (steps, seen) = (Arc::clone(&steps), Arc::clone(&seen));
        Box::pin(async move {
            let Some(request) = read_request(&mut wire).await else { return };
            seen.lock().unwrap().push(request.clone());
            for step in steps(&request) {
                match step {
                    Step::Write(bytes) => {
                        if wire.write_all(&bytes).await.is_err() {
                            return;
                        }
                        // Lets the client read each part alone.
                        tokio::task::yield_now().await;
                    }
                    Step::Wait(time) => tokio::time::sleep(time).await,
                }
            }
            let _ = wire.shutdown().await;
        })
    })
}

async fn read_request(wire: &mut Box<dyn Wire>) -> Option<String> {
    let mut all = Vec::new();
    let mut part = [0; 65536];
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let whole = if head.contains("transfer-encoding: chunked") { body.ends_with("0\r\n\r\n") } else { true };
            if whole && body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match wire.read(&mut part).await {
            Ok(read) if read > 0 => all.extend_from_slice(&part[..read]),
            _ => return None,
        }
    }
}

/// An answer over HTTP/1.1 that ends with the connection.
pub fn answer(headers: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n");
    vec![Step::Write([head.as_bytes(), body].concat())]
}

/// A gate, a component and a server.
pub struct Fixture {
    pub grants: Grants,
    pub known: KnownSecrets,
    pub egress: Egress,
    pub names: Arc<Names>,
    pub pipes: Arc<Pipes>,
    pub seen: Arc<Mutex<Vec<String>>>,
    pub value: Arc<SecretValue>,
}

impl Fixture {
    /// A component with one secret for one server on this machine, `places` as in the manifest.
    pub fn plain(places: &str, steps: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let places = places
            .replace("\"header\"", "{ header = \"x-key\" }")
            .replace("\"path\"", "{ path = \"/bot{}/*\" }")
            .replace("\"query\"", "{ query = \"key\" }")
            .replace("\"body\"", "{ form = \"key\" }");
        let manifest = format!(
            r#"
            [[http]]
            host = "{{setting:base-url}}"
            methods = ["GET", "POST", "HEAD"]
            why = "a test"
            [[http]]
            host = "other.example.com"
            methods = ["GET"]
            why = "a test"
            [[secret]]
            name = "api-key"
            label = "Key"
            audience = ["{{setting:base-url}}"]
            place = [{places}]
            [[setting]]
            key = "base-url"
            label = "URL"
            type = "url"
            default = "{BASE}"
            "#
        );
        let seen = Arc::default();
        let server = script(steps, &seen);
        Self { seen, ..Self::new(&manifest, server, Roots::None) }
    }

    /// Any component.
    pub fn new(manifest: &str, server: Server, roots: Roots) -> Self {
        let (known, names) = (KnownSecrets::new(), Arc::new(Names::default()));
        let pipes = Arc::new(Pipes { server, dialed: Mutex::default() });
        let transport = Transport { resolver: names.clone(), dial: pipes.clone(), roots };
        let value = Arc::new(SecretValue::new(VALUE.as_bytes().to_vec()).unwrap());
        let egress = Egress::new(known.clone(), transport);
        Self { grants: grants(manifest), known, egress, names, pipes, seen: Arc::default(), value }
    }

    pub fn secret(&self) -> &SecretGrant {
        self.grants.secret("api-key").unwrap()
    }

    /// What a call spends, and what it sees of it.
    pub fn call(&self) -> (Vec<Credential>, String) {
        (self.credentials(VALUE), "[secret]".to_owned())
    }

    /// What a call spends when this is the value.
    pub fn credentials(&self, value: &str) -> Vec<Credential> {
        let value = Arc::new(SecretValue::new(value.as_bytes().to_vec()).unwrap());
        self.known.register(&value);
        vec![Credential { grant: self.secret().clone(), value: Ok(value) }]
    }

    /// Sends a request as the kernel would.
    pub async fn send(&self, credentials: &[Credential], request: Request<Full<Bytes>>) -> Result<Answer, EgressError> {
        self.send_within(credentials, request, &limits()).await
    }

    pub async fn send_within(
        &self,
        credentials: &[Credential],
        request: Request<Full<Bytes>>,
        limits: &EgressLimits,
    ) -> Result<Answer, EgressError> {
        let destination = self.grants.destination(request.method(), request.uri())?;
        let response = self.egress.send(destination, request, credentials, limits).await?;
        Answer::read(response).await
    }

    /// Sends a request and gives the text of the error it must end in.
    pub async fn refused(&self, credentials: &[Credential], request: Request<Full<Bytes>>) -> String {
        match self.send(credentials, request).await {
            Ok(answer) => panic!("it was let through: {}", answer.text()),
            Err(error) => error.to_string(),
        }
    }

    pub fn only_request(&self) -> String {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub head: Response<()>,
    pub chunks: Vec<Bytes>,
    pub trailers: Option<http::HeaderMap>,
}

impl Answer {
    pub async fn read(response: Response<AnswerBody>) -> Result<Self, EgressError> {
        let (parts, mut body) = response.into_parts();
        let (mut chunks, mut trailers) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(data) => chunks.push(data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        Ok(Self { head: Response::from_parts(parts, ()), chunks, trailers })
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }
}

/// Generous limits.
pub fn limits() -> EgressLimits {
    let limits = EgressLimits::of(&Limits::default_for(&[]));
    EgressLimits { budget: Arc::new(Budget::new(1 << 30)), ..limits }
}

pub fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

pub fn get_with(header: &str, value: &str) -> Request<Full<Bytes>> {
    Request::get(format!("{BASE}/x")).header(header, value).body(Full::default()).unwrap()
}

pub fn post(kind: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("{BASE}/x")).header("content-type", kind).body(Full::new(body.into())).unwrap()
}

/// The grants of a component whose manifest has these entries, everything granted.
pub fn grants(entries: &str) -> Grants {
    grants_of("guest", entries)
}

/// The same for a component of this id.
pub fn grants_of(id: &str, entries: &str) -> Grants {
    grants_with(id, entries, &[])
}

/// The same with these grants besides.
pub fn grants_with(id: &str, entries: &str, more: &[&str]) -> Grants {
    let head = "version = \"0.1.0\"\nsummary = \"A test\"\ncontract = \"cara:plugin@0.2\"\n";
    let manifest = Manifest::parse(&format!("id = \"{id}\"\n{head}{entries}")).unwrap();
    let settings = manifest.settings(&BTreeMap::new()).unwrap();
    let mut granted: Vec<Capability> = manifest.requested(&settings);
    granted.extend(more.iter().map(|text| Capability::parse(text).unwrap()));
    let interfaces = Interfaces::read(&component()).unwrap();
    Grants::intersect(&manifest, &interfaces, &granted, settings, &LimitsTable::default())
}

/// The smallest component that imports HTTP and secrets and exports a provider.
fn component() -> Vec<u8> {
    use wasm_encoder::{ComponentBuilder, ComponentExportKind, ComponentTypeRef, InstanceType};
    let mut component = ComponentBuilder::default();
    let empty = component.type_instance(None, &InstanceType::new());
    component.import("wasi:http/outgoing-handler@0.2.12", ComponentTypeRef::Instance(empty));
    let secrets = component.import("cara:plugin/secrets@0.2.0", ComponentTypeRef::Instance(empty));
    component.export("cara:plugin/provider@0.2.0", ComponentExportKind::Instance, secrets, None);
    component.finish()
}
