//! Responses that were kept: told again, listened to, stopped and removed.

use super::object::unsealed;
use super::request::SEALED;
use super::work::stream;
use crate::failure::json as answer;
use crate::refusal::{Refusal, Shape};
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use cara_authority::Principal;
use cara_control::Application;
use cara_control::responses::{Background, KeptResponse};
use futures_util::stream::unfold;
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most items of a list.
const MOST: usize = 100;

/// How many there are where nobody says.
const USUAL: usize = 20;

type Of = (State<Arc<Application>>, Extension<Principal>, Path<String>);

fn told(answered: Result<Response, Refusal>) -> Response {
    answered.unwrap_or_else(|refusal| refusal.response(Shape::OpenAi))
}

/// What is refused where there is no response of an id.
fn none(id: &str) -> Refusal {
    let shown = cara_authority::display_safe(id);
    let text =
        format!("there is no response `{shown}` for you\nhint: responses are kept for 30 days, and only with `store`");
    Refusal::new(StatusCode::NOT_FOUND, text)
}

/// A response that is kept for whoever asks. One that somebody else answered is as if it were not there to a credential that
/// is for some agents alone.
pub(super) async fn kept(application: &Application, by: &Principal, id: &str) -> Result<KeptResponse, Refusal> {
    #[derive(Deserialize)]
    struct Answered {
        model: String,
    }
    let kept = application.kept_response(by, id).await?.ok_or_else(|| none(id))?;
    let may_read = by.allowance().agents.is_none() || {
        let answered = serde_json::from_str::<Answered>(&kept.response);
        answered.is_ok_and(|Answered { model }| model.strip_prefix("agent:").is_some_and(|agent| by.may_talk_to(agent)))
    };
    if may_read { Ok(kept) } else { Err(none(id)) }
}

/// A kept response as it is now. One whose process is gone will not be ended by anybody.
fn now(kept: &KeptResponse, is_going: bool, is_sealed: bool) -> Value {
    let mut response: Value = serde_json::from_str(&kept.response).unwrap_or_default();
    if kept.process.is_some() && !is_going {
        response["status"] = "failed".into();
        let message = "the process that worked at it was ended";
        response["error"] = json!({ "code": "server_error", "message": message });
    }
    if is_sealed { response } else { unsealed(&response) }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    starting_after: Option<usize>,
    #[serde(default)]
    include_obfuscation: Option<bool>,
    #[serde(default, rename = "include")]
    one: Option<String>,
    #[serde(default, rename = "include[]")]
    several: Option<String>,
}

impl Wish {
    fn is_sealed(&self) -> Result<bool, Refusal> {
        let wanted = [&self.one, &self.several].into_iter().flatten();
        if wanted.clone().any(|include| include != SEALED) {
            return Err(Refusal::unsupported("include", &format!("`{SEALED}` is all that can be added")));
        }
        if self.include_obfuscation == Some(true) {
            return Err(Refusal::unsupported("include_obfuscation", "pieces are sent as they are"));
        }
        Ok(wanted.count() > 0)
    }
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    let wrong = |error: serde_urlencoded::de::Error| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("the query cannot be read: {error}"))
    };
    serde_urlencoded::from_str(uri.query().unwrap_or_default()).map_err(wrong)
}

/// `GET /v1/responses/{id}`.
pub(super) async fn get((State(application), Extension(by), Path(id)): Of, uri: Uri) -> Response {
    let answered = async {
        let wish: Wish = query(&uri)?;
        let is_sealed = wish.is_sealed()?;
        // In this order: one that ends in between is kept by then.
        let going = application.background_response(&by, &id);
        let kept = kept(&application, &by, &id).await?;
        if wish.stream != Some(true) {
            if wish.starting_after.is_some() {
                return Err(Refusal::field("starting_after", "`starting_after` belongs to `stream=true`"));
            }
            return Ok(answer(StatusCode::OK, now(&kept, going.is_some(), is_sealed).to_string()));
        }
        let after = wish.starting_after.map_or(0, |number| number.saturating_add(1));
        if let Some(going) = going {
            return Ok(followed(going, after));
        }
        let Some(events) = application.response_events(&by, &id).await? else {
            let text = "only what was done in the background with `stream` can be listened to again\nhint: ask without `stream`";
            return Err(Refusal::field("stream", text));
        };
        Ok(stream(futures_util::stream::iter([events.into_iter().skip(after).collect()])))
    };
    told(answered.await)
}

/// What is told of a response that is worked at, from a place on until its end.
pub(super) fn followed(background: Arc<Background>, after: usize) -> Response {
    stream(unfold((background, after), |(background, at)| async move {
        let told = background.after(at).await?;
        let next = at + told.len();
        Some((told, (background, next)))
    }))
}

/// `DELETE /v1/responses/{id}`.
pub(super) async fn delete((State(application), Extension(by), Path(id)): Of) -> Response {
    let answered = async {
        kept(&application, &by, &id).await?;
        if let Some(going) = application.background_response(&by, &id) {
            going.stop();
            going.ended().await;
        }
        if !application.delete_response(&by, &id).await? {
            return Err(none(&id));
        }
        Ok(answer(StatusCode::OK, json!({ "id": id, "object": "response", "deleted": true }).to_string()))
    };
    told(answered.await)
}

/// `POST /v1/responses/{id}/cancel`. One that has ended is told as it is.
pub(super) async fn cancel((State(application), Extension(by), Path(id)): Of) -> Response {
    let answered = async {
        let before = kept(&application, &by, &id).await?;
        let response: Value = serde_json::from_str(&before.response).unwrap_or_default();
        if response["background"] != true {
            let text = "only what is done in the background can be cancelled\nhint: end the connection of any other";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
        }
        if let Some(going) = application.background_response(&by, &id) {
            going.stop();
            going.ended().await;
        }
        let after = kept(&application, &by, &id).await?;
        Ok(answer(StatusCode::OK, now(&after, false, false).to_string()))
    };
    told(answered.await)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    order: Option<Order>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default, rename = "include")]
    one: Option<String>,
    #[serde(default, rename = "include[]")]
    several: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

/// `GET /v1/responses/{id}/input_items`: the last first, unless the client says otherwise.
pub(super) async fn input_items((State(application), Extension(by), Path(id)): Of, uri: Uri) -> Response {
    let answered = async {
        let Page { limit, order, after, one, several } = query(&uri)?;
        Wish { one, several, ..Wish::default() }.is_sealed()?;
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Refusal::field("limit", format!("`limit` is {limit}, and can be 1 to {MOST}")));
        }
        let kept = kept(&application, &by, &id).await?;
        let mut items: Vec<Value> = serde_json::from_str(&kept.input).unwrap_or_default();
        if order != Some(Order::Asc) {
            items.reverse();
        }
        if let Some(after) = after {
            let place = items.iter().position(|item| item["id"] == *after);
            let missing =
                || Refusal::field("after", "there is no such item\nhint: name the last one of the page before");
            items.drain(..=place.ok_or_else(missing)?);
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let (first, last) = (items.first().map(|item| item["id"].clone()), items.last().map(|item| item["id"].clone()));
        let list = json!({ "object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more });
        Ok(answer(StatusCode::OK, list.to_string()))
    };
    told(answered.await)
}
