//! What was prepared so that models can be called, and from what: see
//! `completion`, which prepares it.

use crate::configuration::Config;
use crate::installed::Installed;
use cara_assistant::Provider;
use cara_authority::ComponentId;
use cara_kernel::bindings::provider::Model;
use cara_services::files;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// How many models are kept ready, and how many names are remembered: programs choose them.
pub(crate) const MOST: usize = 256;

/// What was prepared last.
#[derive(Default)]
pub(crate) struct Preparations(pub(crate) Mutex<Option<Arc<Prepared>>>);

/// What can be called, as things were when it was prepared.
pub(crate) struct Prepared {
    pub(crate) config: Arc<Config>,
    pub(crate) installed: Arc<Installed>,
    pub(crate) grants: u64,
    /// When the first of the grants expires, Unix milliseconds.
    pub(crate) until_ms: u64,
    pub(crate) prices: Option<files::Stamp>,
    /// The providers that may be called.
    pub(crate) granted: Vec<ComponentId>,
    pub(crate) ready: Mutex<HashMap<(ComponentId, String), Arc<Provider>>>,
    /// Which provider was meant by a name without one.
    pub(crate) meant: Mutex<HashMap<String, ComponentId>>,
    /// The models that providers offered, and when.
    pub(crate) lists: Mutex<BTreeMap<ComponentId, (Instant, Vec<Model>)>>,
}

/// Of what something is prepared.
pub(crate) type Now = (Arc<Config>, Arc<Installed>, Option<files::Stamp>);
