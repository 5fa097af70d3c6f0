//! What was prepared so that models can be called, and from what: see
//! `completion`, which prepares it.

use crate::configuration::Config;
use crate::installed::Installed;
use cara_assistant::Provider;
use cara_authority::ComponentId;
use cara_kernel::bindings::provider::Model;
use cara_services::files;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many models are kept ready, and how many names are remembered: programs choose them.
pub(crate) const MOST: usize = 256;

/// How long nobody looks whether a file is another one; what is changed through this process counts at once.
const LOOKED: Duration = Duration::from_millis(100);

/// What was prepared last, and when it was looked whether it stands.
#[derive(Default)]
pub(crate) struct Preparations(Mutex<Option<Looked>>);

type Looked = (Arc<Prepared>, Option<Instant>);

impl Preparations {
    fn kept(&self) -> MutexGuard<'_, Option<Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was prepared last, and whether it was looked at a moment ago.
    pub(crate) fn last(&self) -> Option<(Arc<Prepared>, bool)> {
        self.kept().as_ref().map(|(last, at)| (last.clone(), at.is_some_and(|at| at.elapsed() < LOOKED)))
    }

    /// Keeps what stands now.
    pub(crate) fn keep(&self, prepared: &Arc<Prepared>) {
        *self.kept() = Some((prepared.clone(), Some(Instant::now())));
    }

    /// Has whoever is next look at the files.
    pub(crate) fn changed(&self) {
        if let Some((_, at)) = self.kept().as_mut() {
            *at = None;
        }
    }
}

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
