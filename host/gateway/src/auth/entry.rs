//! How somebody comes in who is not known yet, and goes out again.
//!
//! ```text
//! POST /login            password or code ─→ session (cookie)      GET  /session   who one is, and what a page sends along
//! POST /devices/pair     code, key        ─→ device                POST /logout
//! POST /devices/challenge, /devices/session   signature ─→ session
//! ```

use super::asker::Asker;
use super::open::{CHALLENGE, DEVICE, LOGIN, PAIR};
use super::refusal::{Refusal, Why};
use super::{Gate, Session, cookies};
use crate::body::{NO_JSON, is_json};
use crate::failure::json;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use axum::{Router, routing};
use cara_authority::Principal;
use cara_control::{CredentialKind, Entered, NewDevice};
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json as value};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// The most bytes of a request: a password, or a key with its signature.
const MOST: usize = 8 * 1024;

/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

const WRONG_PASSWORD: &str = "the password is wrong\nhint: `cara password set` sets another";
const WRONG_CODE: &str = "the code is wrong, or was used\nhint: `cara device pair` gives a new one";
const WRONG_PAIRING: &str = "the code or the signature is wrong\nhint: `cara device pair` gives a new code";
const WRONG_SIGNATURE: &str =
    "the signature is wrong\nhint: ask for another challenge; docs/gateway.md says what is signed";

/// The paths.
pub(crate) fn routes(gate: Arc<Gate>) -> Router {
    Router::new()
        .route(LOGIN, routing::post(login))
        .route("/logout", routing::post(logout))
        .route("/session", routing::get(session))
        .route(PAIR, routing::post(pair))
        .route(CHALLENGE, routing::post(challenge))
        .route(DEVICE, routing::post(device))
        .with_state(gate)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Login {
    Password(String),
    Code(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    code: String,
    #[serde(default)]
    name: String,
    key: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Challenge {
    device: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    device: String,
    challenge: String,
    signature: String,
}

/// Reads what somebody sends who is not known.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    if !is_json(request.headers()) {
        return Err(Refusal::body(StatusCode::UNSUPPORTED_MEDIA_TYPE, NO_JSON));
    }
    let body = match timeout(PATIENCE, Limited::new(request.into_body(), MOST).collect()).await {
        Ok(Ok(body)) => Zeroizing::new(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = "the body is too large\nhint: send at most 8 KiB";
            return Err(Refusal::body(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(Err(_)) | Err(_) => {
            let text = "the body did not arrive\nhint: send it whole within ten seconds";
            return Err(Refusal::body(StatusCode::BAD_REQUEST, text));
        }
    };
    let wrong = "the body is not what is read here\nhint: docs/gateway.md shows it";
    serde_json::from_slice(&body).map_err(|_| Refusal::body(StatusCode::BAD_REQUEST, wrong))
}

impl Gate {
    /// Lets somebody guess, who may be wrong only so often: a guess counts until it is known to be right.
    async fn attempt<T>(
        &self,
        asker: &Asker,
        wrong: &'static str,
        attempt: impl Future<Output = cara_control::Result<Option<T>>>,
    ) -> Result<T, Refusal> {
        let settings = self.settings().access.attempts;
        self.guesses.begin(asker.source, &settings, self.application.now_ms()).map_err(Refusal::wait)?;
        match attempt.await {
            Ok(Some(right)) => {
                self.guesses.right(asker.source, &settings, self.application.now_ms());
                Ok(right)
            }
            Ok(None) => Err(Refusal::new(Why::Guess, wrong)),
            Err(error) => Err(Refusal::failed(&error)),
        }
    }

    fn answer(&self, asker: &Asker, path: &str, answered: Result<Response, Refusal>) -> Response {
        answered.unwrap_or_else(|refusal| self.refused(&refusal, Some(asker.source), path, None))
    }

    fn entered(&self, asker: &Asker, Entered { session, secret }: &Entered) -> Response {
        let mut response = json(StatusCode::OK, told(session).to_string());
        cookies::give(&mut response, asker, secret, session, self.application.now_ms());
        response
    }

    /// Ends the session with which somebody came who gets another one.
    async fn replace(&self, asker: &Asker, before: Option<Session>) {
        if let Some(Session(held)) = before.filter(|Session(held)| held.kind() == CredentialKind::Session)
            && let Err(error) = self.application.leave(&held, &asker.door).await
        {
            tracing::warn!(%error, "a session that another one replaces stays until its time is over");
        }
    }
}

/// What a page is told of its session.
fn told(held: &cara_control::Held) -> Value {
    let allowance = held.allowance();
    value!({
        "person": held.person(), "role": held.role(), "scopes": allowance.scopes, "agents": allowance.agents,
        "csrf": held.csrf(), "expires-ms": held.expires_ms(),
    })
}

async fn login(State(gate): State<Arc<Gate>>, Extension(asker): Extension<Asker>, request: Request) -> Response {
    let before = request.extensions().get::<Session>().cloned();
    let entered = async {
        let login: Login = read(request).await?;
        let application = &gate.application;
        let entered = match login {
            Login::Password(password) => {
                let entering = application.enter_by_password(Zeroizing::new(password), &asker.door);
                gate.attempt(&asker, WRONG_PASSWORD, entering).await?
            }
            Login::Code(code) => {
                let code = Zeroizing::new(code);
                gate.attempt(&asker, WRONG_CODE, application.enter_by_code(&code, &asker.door)).await?
            }
        };
        gate.replace(&asker, before).await;
        Ok::<_, Refusal>(gate.entered(&asker, &entered))
    };
    let entered = entered.await;
    gate.answer(&asker, LOGIN, entered)
}

async fn pair(State(gate): State<Arc<Gate>>, Extension(asker): Extension<Asker>, request: Request) -> Response {
    let paired = async {
        let Pair { code, name, key, signature } = read(request).await?;
        let code = Zeroizing::new(code);
        let device = NewDevice { code: &code, name: &name, key: &key, signature: &signature };
        let pairing = gate.application.pair(&device, &asker.host.text, &asker.door);
        let held = gate.attempt(&asker, WRONG_PAIRING, pairing).await?;
        let told = value!({ "device": held.id(), "name": held.name(), "scopes": held.allowance().scopes });
        Ok::<_, Refusal>(json(StatusCode::OK, told.to_string()))
    };
    let paired = paired.await;
    gate.answer(&asker, PAIR, paired)
}

async fn challenge(State(gate): State<Arc<Gate>>, Extension(asker): Extension<Asker>, request: Request) -> Response {
    let asked = async {
        let Challenge { device } = read(request).await?;
        let challenge = gate.application.challenge(&device).map_err(|error| Refusal::failed(&error))?;
        Ok::<_, Refusal>(json(StatusCode::OK, value!({ "challenge": challenge, "host": asker.host.text }).to_string()))
    };
    let asked = asked.await;
    gate.answer(&asker, CHALLENGE, asked)
}

async fn device(State(gate): State<Arc<Gate>>, Extension(asker): Extension<Asker>, request: Request) -> Response {
    let before = request.extensions().get::<Session>().cloned();
    let entered = async {
        let Answer { device, challenge, signature } = read(request).await?;
        let (shown, host) = ([challenge.as_str(), signature.as_str()], &asker.host.text);
        let entered = match gate.application.enter_by_device(&device, shown, host, &asker.door).await {
            Ok(Some(entered)) => entered,
            Ok(None) => return Err(gate.wrong(&asker, WRONG_SIGNATURE)),
            Err(error) => return Err(Refusal::failed(&error)),
        };
        gate.replace(&asker, before).await;
        Ok::<_, Refusal>(gate.entered(&asker, &entered))
    };
    let entered = entered.await;
    gate.answer(&asker, DEVICE, entered)
}

async fn logout(
    State(gate): State<Arc<Gate>>,
    Extension(asker): Extension<Asker>,
    session: Option<Extension<Session>>,
) -> Response {
    let left = async {
        let session = session.map(|Extension(Session(held))| held);
        let Some(held) = session.filter(|held| held.kind() == CredentialKind::Session) else {
            let text = "only a session of a browser is left\nhint: `cara token revoke` takes a token back";
            return Err(Refusal::new(Why::Page, text));
        };
        gate.application.leave(&held, &asker.door).await.map_err(|error| Refusal::failed(&error))?;
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        cookies::take(&mut response, &asker);
        Ok::<_, Refusal>(response)
    };
    let left = left.await;
    gate.answer(&asker, "/logout", left)
}

async fn session(Extension(by): Extension<Principal>, session: Option<Extension<Session>>) -> Response {
    let told = match session {
        Some(Extension(Session(held))) => told(&held),
        None => value!({ "person": by.person(), "role": by.role(), "scopes": by.allowance().scopes }),
    };
    json(StatusCode::OK, told.to_string())
}
