//! What hinders connections from being accepted, and how it is told.

use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long nobody is let in after that failed: what is missing, such as file descriptors, does not come back at once.
const PAUSE: Duration = Duration::from_millis(50);

/// How often it is said that connections are refused.
const SAID: Duration = Duration::from_secs(60);

/// Connections that were refused.
#[derive(Default)]
pub(crate) struct Refusals {
    said: Option<Instant>,
}

impl Refusals {
    /// Says why connections are refused, but not each time.
    pub(crate) fn say(&mut self, why: &dyn std::fmt::Display) {
        if self.said.is_none_or(|said| said.elapsed() >= SAID) {
            tracing::warn!(%why, "connections are refused");
            self.said = Some(Instant::now());
        }
    }

    /// The same after a failure, and waits a moment.
    pub(crate) async fn pause(&mut self, why: &io::Error) {
        self.say(why);
        sleep(PAUSE).await;
    }
}
