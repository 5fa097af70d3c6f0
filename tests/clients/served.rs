//! A home that is served to clients, and the little client of the tests.

use super::vendor::vendor;
use crate::people::house::token;
use axum::body::Body;
use cara_authority::{Principal, Scope};
use cara_control::tokens::CreateToken;
use cara_control::{Application, BuiltIn, Embedded, Events, HomeLock, Operation, Options, Role, models};
use cara_gateway::{Client, Gateway, Peer, account_router, router};
use cara_harness::Upstream;
use cara_services::egress::KnownSecrets;
use cara_services::home::Home;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

/// What the model `rehearsal:script` says, to whatever is said last.
pub(super) const SCRIPT: &str = r#"
order = "any"

[[turn]]
expect = "say hello"
step = [{ text = "Hello, ", chunk = 2 }, { text = "world" }, { usage = { input = 11, output = 4, cache-read = 3 } }]

[[turn]]
expect = "think first"
step = [{ thinking = "hm, ", signature = "sig" }, { text = "done" }]

[[turn]]
expect = "call the tool"
step = [{ text = "Let me look. " }, { tool-call = { name = "weather", arguments = { city = "Oslo" } }, chunk = 5 }]

[[turn]]
expect-tool-result = "rain"
step = [{ text = "Take an umbrella." }]

[[turn]]
expect = "too much"
step = [{ error = { kind = "rate-limit", message = "too many rehearsals", retry-after-ms = 10 } }]

[[turn]]
expect = "break off"
step = [{ text = "I was about to " }, { delay-ms = 100 }, { error = { kind = "network", message = "the line is dead" } }]

[[turn]]
expect = "go on for ever"
step = [{ text = "and on ", repeat = 1000, delay-ms = 50 }]

[[turn]]
expect = "who instructs"
expect-system = "answer like a pirate"
step = [{ text = "the operator" }]

[[turn]]
expect = "who instructs"
expect-system = { absent = "answer like a pirate" }
step = [{ text = "nobody" }]

[[turn]]
expect = "greet the world"
step = [{ text = "hello.py\n```\nprint('Hello, world')\n```\n", chunk = 5 }]

[[turn]]
expect = "Send “hello”"
step = [{ tool-call = { name = "message_send", arguments = { to = "console:local:me", text = "hello" } } }]

[[turn]]
expect-tool-result = "denied"
step = [{ text = "I may not." }]

[[turn]]
expect = "tell the key"
step = [{ text = "it is sk-abcdefghijklmnopqrstuvwxyz0123456789" }]
"#;

/// A home that is served.
pub(super) struct Served {
    pub(super) application: Arc<Application>,
    pub(super) router: axum::Router,
    pub(super) home: TempDir,
    /// The server that `openai:…` asks.
    pub(super) vendor: Upstream,
}

/// Opens the application over a home.
pub(super) fn application(home: &TempDir) -> Arc<Application> {
    let embedded = |built_in: &cara_bundle::Embedded| Embedded {
        id: built_in.id,
        wasm: built_in.wasm,
        manifest: built_in.manifest,
        digest: built_in.digest,
        bundle: built_in.bundle_json,
    };
    let components = cara_bundle::components().iter().map(embedded).collect();
    let located = Home::locate(Some(home.path().join("cara").into())).unwrap();
    let options = Options {
        lock: HomeLock::take(&located).unwrap().unwrap(),
        built_in: BuiltIn::new(components, cara_bundle::public_key()).unwrap(),
        store: None,
        known: KnownSecrets::new(),
        command: "a test".into(),
        role: Role::Command,
    };
    Application::open(options).unwrap()
}

/// Where compiled code is kept from run to run, with the key it is authenticated with.
fn compiled() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/clients-compiled"))
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    let Ok(files) = std::fs::read_dir(from) else { return };
    cara_services::files::ensure_private_dir(to).unwrap();
    for file in files.map(Result::unwrap).filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        cara_services::files::write_private_atomic(&to.join(file.file_name()), &bytes).unwrap();
    }
}

/// Compiles all components once for all tests.
async fn compile() {
    static ONCE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let once = async {
        let home = tempfile::Builder::new().prefix("cara-test-").tempdir().unwrap();
        prepare(&home);
        let application = application(&home);
        let client = Client::InProcess(account_router(application.clone()));
        let list = models::ListModels { model: Some("rehearsal".into()), ..models::ListModels::default() };
        client.call(&list, &mut |_| {}).await.unwrap();
        application.close().await;
        for folder in ["cache", "keys"] {
            copy(&home.path().join("cara").join(folder), &compiled().join(folder));
        }
    };
    ONCE.get_or_init(|| once).await;
}

/// Makes a home with what is compiled already.
fn prepare(home: &TempDir) {
    let own = home.path().join("cara");
    cara_services::files::ensure_private_dir(&own).unwrap();
    copy(&compiled().join("cache"), &own.join("cache"));
    if let Ok(key) = std::fs::read(compiled().join("keys/compiled-code")) {
        cara_services::files::ensure_private_dir(&own.join("keys")).unwrap();
        cara_services::files::write_private_atomic(&own.join("keys/compiled-code"), &key).unwrap();
    }
}

/// Sends a request through a door; the status and what came.
pub(super) async fn sent(
    router: &axum::Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.into()).unwrap())
}

impl Served {
    /// With the script, the vendor, and whatever else the configuration says.
    pub(super) async fn with(config: &str) -> Self {
        compile().await;
        let vendor = vendor().await;
        let home = tempfile::Builder::new().prefix("cara-test-").tempdir().unwrap();
        prepare(&home);
        let mut table: toml::Table = config.parse().unwrap();
        let settings = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), toml::Value::from(*value)));
            toml::Value::Table([("settings".to_owned(), toml::Value::Table(pairs.collect()))].into_iter().collect())
        };
        let components = table.entry("component").or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let components = components.as_table_mut().unwrap();
        components.insert("rehearsal".into(), settings(&[("script", SCRIPT)]));
        components.insert("openai".into(), settings(&[("base-url", &format!("{}/v1", vendor.url()))]));
        std::fs::write(home.path().join("cara/config.toml"), table.to_string()).unwrap();
        let application = application(&home);
        let router = account_router(application.clone());
        // Naming a provider is the operator's grant; a client's naming is none.
        let client = Client::InProcess(router.clone());
        let list = models::ListModels { model: Some("openai".into()), ..models::ListModels::default() };
        client.call(&list, &mut |_| {}).await.unwrap();
        Self { application, router, home, vendor }
    }

    /// With the script and the vendor alone.
    pub(super) async fn new() -> Self {
        Self::with("").await
    }

    /// Sends a request, with these headers; the status and what came.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, String) {
        sent(&self.router, method, path, headers, body).await
    }

    /// The same home, as whoever shows a token sees it.
    pub(super) async fn shown(&self, create: CreateToken) -> axum::Router {
        let owner = Principal::of_account("a test");
        let made = create.run(&self.application, &owner, &Events::nobody()).await.unwrap();
        let shown: HeaderValue = format!("Bearer {}", made.token.unwrap()).parse().unwrap();
        let shows = axum::middleware::map_request(move |mut request: Request<Body>| {
            request.headers_mut().insert(AUTHORIZATION, shown.clone());
            request.extensions_mut().insert(Peer::default());
            std::future::ready(request)
        });
        cara_gateway::router(self.application.clone()).layer(shows)
    }

    /// Asks for something; the status and the JSON that came.
    pub(super) async fn ask(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let headers = [("anthropic-version", "2023-06-01")];
        let (status, text) = self.send(Method::POST, path, &headers, Some(body)).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
    }

    /// What a chat with `rehearsal:script` says, in OpenAI's form.
    pub(super) async fn chat(&self, said: &str, fields: Value) -> (StatusCode, Value) {
        let mut body = json!({ "model": "rehearsal:script", "messages": [{ "role": "user", "content": said }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.ask("/v1/chat/completions", body).await
    }

    /// What the audit log says of calls by programs, once so many are in it.
    pub(super) async fn calls(&self, count: usize) -> Vec<Value> {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let records = self.application.records().await.unwrap();
            let events = cara_records::events(records.ledger(), 1000).await.unwrap();
            let of_calls = events.iter().filter(|event| event.kind == "model-calls");
            let calls: Vec<Value> =
                of_calls.flat_map(|event| event.detail["calls"].as_array().unwrap().clone()).collect();
            if calls.len() >= count || tokio::time::Instant::now() > until {
                return calls;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Does a use case, as the account.
    pub(super) async fn does<O: Operation>(&self, operation: O) -> O::View {
        Client::InProcess(self.router.clone()).call(&operation, &mut |_| {}).await.unwrap().view
    }

    /// Opens the door over TCP as the daemon does, and makes a token for it.
    pub(super) async fn door(&self) -> Door {
        let token = self.does(token(Scope::ALL)).await.token.unwrap();
        let local = vec!["127.0.0.1:0".parse().unwrap()];
        let gateway = Gateway::open(&self.application, router(self.application.clone()), Some(local)).await.unwrap();
        let address = self.application.reachable().unwrap().listening[0].parse().unwrap();
        Door { gateway, address, token }
    }
}

/// The door over TCP, which lets in whoever shows a credential.
pub(super) struct Door {
    gateway: Gateway,
    pub(super) address: SocketAddr,
    /// A token that may do everything.
    pub(super) token: String,
}

impl Door {
    /// Where it is, by name.
    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.address.port())
    }

    pub(super) async fn close(self) {
        self.gateway.close().await;
    }
}
