//! Whether the daemon is there and can do its work, for what watches it:
//! anybody may ask, and hears one word.
//!
//! How each part is, `/control/v1/health` tells whom it is told to.

use crate::auth::{LIVE, READY};
use crate::failure::json;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use cara_control::Application;
use cara_control::health::Condition;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a part may take to say how it is, before the daemon counts as down.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves `/health/live`: this process answers; and `/health/ready`: 200 where it can do its work, or all but a part of it,
/// else 503.
pub(crate) fn router(application: Arc<Application>) -> axum::Router {
    let router = axum::Router::new().route(LIVE, get(async || said(StatusCode::OK, Condition::Ok)));
    router.route(READY, get(ready)).with_state(application)
}

async fn ready(State(application): State<Arc<Application>>) -> Response {
    let condition = timeout(PATIENCE, application.health()).await.map_or(Condition::Down, |health| health.condition);
    let status = match condition {
        Condition::Ok | Condition::Degraded => StatusCode::OK,
        Condition::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    said(status, condition)
}

fn said(status: StatusCode, condition: Condition) -> Response {
    json(status, format!("{{\"condition\":\"{condition}\"}}"))
}
