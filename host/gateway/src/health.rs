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
use cara_control::health::{Condition, Health};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long a look counts: anybody may ask, and one reads the folder of the vault, the components and the ledger.
const COUNTS: Duration = Duration::from_secs(1);

/// How long a part may take to say how it is, before the daemon counts as down.
const PATIENCE: Duration = Duration::from_secs(5);

/// The daemon, and what was seen of it last.
#[derive(Clone)]
struct Watched {
    application: Arc<Application>,
    last: Arc<Mutex<Option<(Instant, Condition)>>>,
}

impl Watched {
    /// How it was a moment ago. However many ask, one looks.
    async fn condition(&self) -> Condition {
        let mut last = self.last.lock().await;
        if let Some((at, condition)) = *last
            && at.elapsed() < COUNTS
        {
            return condition;
        }
        let Health { condition, .. } = self.application.health().await;
        *last = Some((Instant::now(), condition));
        condition
    }
}

/// Serves `/health/live`: this process answers; and `/health/ready`: 200 where it can do its work, or all but a part of it,
/// else 503.
pub(crate) fn router(application: Arc<Application>) -> axum::Router {
    let router = axum::Router::new().route(LIVE, get(async || said(StatusCode::OK, Condition::Ok)));
    router.route(READY, get(ready)).with_state(Watched { application, last: Arc::default() })
}

async fn ready(State(watched): State<Watched>) -> Response {
    // That it stops is seen at once.
    let condition = match watched.application.stopping().is_cancelled() {
        true => Condition::Down,
        false => timeout(PATIENCE, watched.condition()).await.unwrap_or(Condition::Down),
    };
    let status = match condition {
        Condition::Ok | Condition::Degraded => StatusCode::OK,
        Condition::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    said(status, condition)
}

fn said(status: StatusCode, condition: Condition) -> Response {
    json(status, format!("{{\"condition\":\"{condition}\"}}"))
}
