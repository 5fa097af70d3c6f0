//! The gates a call may go through.
//! The kernel calls them; it opens nothing itself.

use cara_authority::{Refusal, SecretGrant};
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets};
use cara_services::ledger::Ledger;
use cara_services::vault::SecretValue;
use std::sync::Arc;

/// Where the values of secrets come from. Asked once for each secret a call spends.
#[async_trait::async_trait]
pub trait SecretSource: Send + Sync {
    /// The value, `unavailable` when none is stored.
    async fn value(&self, grant: &SecretGrant) -> Result<Arc<SecretValue>, Refusal>;
}

/// What all calls share.
#[derive(Clone)]
pub struct CallServices {
    /// The one way out.
    pub egress: Egress,
    /// The secrets.
    pub secrets: Arc<dyn SecretSource>,
    /// Durable state.
    pub ledger: Arc<Ledger>,
    /// The one now.
    pub clock: Clock,
    /// What must never be shown.
    pub known: KnownSecrets,
}
