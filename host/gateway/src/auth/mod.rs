//! Who is let in: one layer around everything that is served.
//!
//! ```text
//! request + Peer ─→ hosts ─→ pages ─→ credential ─→ Principal, Alive, Session ─→ router
//!                     421      403      401 │ 429          └─ body: ends when the credential does
//! ```
//!
//! A connection of this account (the socket of the home, this process itself) needs no credential; every other does, wherever
//! it comes from: nothing about an address lets anybody in.

mod alive;
mod asker;
mod attempts;
mod cookies;
mod entry;
mod headers;
mod hosts;
mod open;
mod pages;
mod refusal;
mod shown;
mod tailnet;

pub use alive::Alive;
pub(crate) use entry::routes;
pub(crate) use open::{LIVE, READY};

use crate::arguments::HOST;
use crate::listen::{Peer, source};
use crate::refusal::Shape;
use alive::until;
use asker::Asker;
use attempts::{Attempts, Audited};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use cara_authority::Principal;
use cara_control::{AccessSettings, Application, GatewaySettings, Held};
use http::{HeaderMap, header};
use open::is_open;
use refusal::{Refusal, Why};
use serde_json::json;
use shown::Shown;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tailnet::Tailnet;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long a request that is under way may go on when its credential ends; streams break off at once.
const GRACE: Duration = Duration::from_millis(500);

/// What is said where a name of a tailnet may let in, and a page may have led a browser here that does not say so.
const UNSAID: &str = "no credential was sent, and a page may have led a browser here, so no name of a tailnet counts\n\
                      hint: send the header `X-Cara-Client: 1`, or a token of `cara token create`";

/// What lets in or not.
pub(crate) struct Gate {
    application: Arc<Application>,
    /// Without a look at the file for each request.
    settings: watch::Receiver<Arc<GatewaySettings>>,
    /// Passwords and codes, which can be guessed: each counts before it is looked at.
    guesses: Attempts,
    /// Tokens, cookies, certificates and signatures, which cannot: those that are wrong count, and who shows an old one can
    /// still come in with a password.
    shown: Attempts,
    audited: Audited,
    /// The same for guesses: refusals that cost nothing take none of their room.
    guessed: Audited,
    /// The same for whoever shows nothing: a page does that by the hundred, unasked.
    unshown: Audited,
    tailnet: Tailnet,
}

/// Somebody who came in with a credential, for what is served behind the gate.
#[derive(Clone)]
pub(crate) struct Session(pub(crate) Arc<Held>);

/// Puts the gate around everything.
pub(crate) fn guarded(router: Router, gate: Arc<Gate>) -> Router {
    router.layer(from_fn_with_state(gate, pass))
}

async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let (path, shape) = (request.uri().path().to_owned(), Shape::of(request.uri().path(), request.headers()));
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    if peer.account {
        return match of_account(&request) {
            Ok(()) => {
                request.extensions_mut().insert(Principal::of_account("account"));
                request.extensions_mut().insert(Asker::of_account());
                request.extensions_mut().insert(Alive(CancellationToken::new()));
                next.run(request).await
            }
            Err(why) => why.response(shape),
        };
    }
    let (mut asker, settings) = match gate.asker(&peer, &mut request) {
        Ok(asker) => asker,
        Err(refusal) => {
            let from = peer.address.map(|address| source(address.ip()));
            let mut response = gate.refused(&refusal, from, &path, shape);
            headers::secure(&mut response, false);
            return response;
        }
    };
    let mut response = match gate.admit(&mut asker, &settings.access, &mut request).await {
        Ok(Some(preflight)) => preflight,
        Ok(None) => gate.serve(&asker, request, next, shape).await,
        Err(refusal) => gate.refused(&refusal, Some(asker.source), &path, shape),
    };
    if let Some(origin) = &asker.page {
        pages::allow(&mut response, origin);
    }
    // For a name of this machine it would count for whatever else runs on it.
    headers::secure(&mut response, asker.tls && !asker.host.is_local);
    response
}

/// What a process of the account sends: nothing that a page could have made a browser send.
fn of_account(request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) {
        return Err(Refusal::new(
            Why::Page,
            "no page of a browser is answered here\nhint: send the request without `Origin`",
        ));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if host.split_once(':').map_or(host, |(name, _port)| name) != HOST {
        let text = format!("this is not the host that was asked for\nhint: send `Host: {HOST}`");
        return Err(Refusal::new(Why::Host, text));
    }
    Ok(())
}

impl Gate {
    pub(crate) fn new(application: Arc<Application>) -> Arc<Self> {
        let (guesses, shown, audited, guessed, unshown, tailnet) = Default::default();
        let settings = application.gateway_settings();
        Arc::new(Self { application, settings, guesses, shown, audited, guessed, unshown, tailnet })
    }

    /// Who asks, by what the connection and trusted proxies say, for a host that is ours.
    fn asker(&self, peer: &Peer, request: &mut Request) -> Result<(Asker, Arc<GatewaySettings>), Refusal> {
        let settings = self.settings();
        let asker = Asker::of(peer, &settings.access, request)?;
        Ok((asker, settings))
    }

    /// What the operator set, as it is now.
    fn settings(&self) -> Arc<GatewaySettings> {
        self.settings.borrow().clone()
    }

    /// Lets in whoever may, and says who that is; an answer where nothing else is to be done.
    async fn admit(
        &self,
        asker: &mut Asker,
        settings: &AccessSettings,
        request: &mut Request,
    ) -> Result<Option<Response>, Refusal> {
        let what = pages::checked(asker, settings, request)?;
        asker.page.clone_from(&what.page);
        if what.is_preflight {
            return Ok(Some(pages::preflight()));
        }
        let open = is_open(request.method(), request.uri().path());
        request.extensions_mut().insert(asker.clone());
        let application = &self.application;
        let credentials = application.credentials().await.map_err(|error| Refusal::failed(&error))?;
        let now_ms = application.now_ms();
        let shown = Shown::of(request.headers(), asker);
        let held = match &shown {
            // What a browser's connection has by itself is not what a page of somebody else has.
            Some(Shown::Certificate(_)) | None if !what.has_connection() => None,
            Some(shown) => shown.held(credentials, now_ms),
            None => self.tailnet.held(application, asker, settings).await,
        };
        let held = match held {
            Some(held) => held,
            None if open => return Ok(None),
            None if shown.is_none() && settings.tailscale.is_some() && what.is_unsaid => {
                return Err(Refusal::new(Why::Nobody, UNSAID));
            }
            None => {
                // A certificate that does not count here is none that is wrong.
                let is_shown = shown.is_some_and(|shown| !shown.is_certificate() || what.has_connection());
                return Err(self.nobody(asker, is_shown, credentials.is_empty()));
            }
        };
        if matches!(shown, Some(Shown::Cookie(_))) && !open {
            pages::of_session(&held, &what, request.headers())?;
        }
        application.used(&held);
        request.extensions_mut().insert(held.principal(&asker.door));
        request.extensions_mut().insert(Alive(held.alive().clone()));
        request.extensions_mut().insert(Session(held));
        Ok(None)
    }

    /// Why nobody is let in: what was shown is wrong, or there was nothing.
    fn nobody(&self, asker: &Asker, is_shown: bool, none_at_all: bool) -> Refusal {
        let cure = match none_at_all {
            true => "nobody is let in yet: `cara token create` makes a token, `cara device pair` a code for a browser",
            false => {
                "send `Authorization: Bearer` with a token of `cara token create`; a browser sends a code of `cara device \
                 pair` to `/login`"
            }
        };
        match is_shown {
            true => self.wrong(asker, format!("the credential is wrong, has expired, or was taken back\nhint: {cure}")),
            false => Refusal::new(Why::Nobody, format!("no credential was sent\nhint: {cure}")),
        }
    }

    /// The refusal of what was shown and is wrong, which counts.
    fn wrong(&self, asker: &Asker, text: impl Into<String>) -> Refusal {
        let counted = self.shown.begin(asker.source, &self.settings().access.attempts, self.application.now_ms());
        counted.map_or_else(Refusal::wait, |()| Refusal::new(Why::Wrong, text))
    }

    /// Serves the request, as long as the credential holds with which it came.
    async fn serve(&self, asker: &Asker, request: Request, next: Next, shape: Option<Shape>) -> Response {
        let Some(Session(held)) = request.extensions().get::<Session>().cloned() else {
            return next.run(request).await;
        };
        let cookie = cookies::session(request.headers(), asker).map(str::to_owned);
        let alive = held.alive().clone();
        // What ends its own credential, such as a logout, is still answered.
        let over = async {
            alive.cancelled().await;
            sleep(GRACE).await;
        };
        let served = tokio::select! {
            biased;
            response = next.run(request) => Some(response),
            () = over => None,
        };
        let Some(response) = served else {
            return Refusal::new(Why::Wrong, "the credential was taken back\nhint: show another one").response(shape);
        };
        let mut response = response.map(|body| until(body, alive.clone()));
        if let Some(cookie) = cookie
            && held.csrf().is_some()
            && !alive.is_cancelled()
        {
            match self.application.renew(&held, &cookie).await {
                Ok(Some(secret)) => cookies::give(&mut response, asker, &secret, &held, self.application.now_ms()),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a session keeps its secret for now"),
            }
        }
        response
    }

    /// Refuses, and notes it in the audit log, as far as there is room for that.
    fn refused(&self, refusal: &Refusal, source: Option<IpAddr>, path: &str, shape: Option<Shape>) -> Response {
        let room = match refusal.why {
            Why::Guess => &self.guessed,
            Why::Nobody | Why::Page => &self.unshown,
            _ => &self.audited,
        };
        if let Some(noted) = refusal.is_noted().then(|| room.note(self.application.now_ms())).flatten() {
            let source = source.map(|source| source.to_string()).unwrap_or_default();
            let path: String = path.chars().take(100).collect();
            let detail = json!({
                "why": refusal.why(), "path": path,
                "not-noted-before": noted.unnoted, "more-are-not-noted-for-now": noted.is_last,
            });
            self.application.audit("access-refused", source, detail);
        }
        refusal.response(shape)
    }
}

/// Whether a header is there once, and what it says.
fn one<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut all = headers.get_all(name).iter();
    let (first, second) = (all.next(), all.next());
    let text = first.map(|value| value.to_str());
    match (text, second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(Refusal::new(Why::Page, format!("`{name}` cannot be read\nhint: send it once, as plain text"))),
    }
}
