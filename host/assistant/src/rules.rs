//! The operator's rules, as runs follow them: the policy and the budgets.
//!
//! A run asks for them anew at each decision and each reservation, so what the operator changes holds for the next call
//! and the next answer of runs that are under way. One decision is made by one version of them.

use crate::budget::Budgets;
use cara_authority::Policy;
use std::sync::Arc;
use tokio::sync::watch;

/// The policy and the budgets of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What becomes of calls.
    pub policy: Policy,
    /// What may be spent.
    pub budgets: Budgets,
}

/// The rules as they are now. Who owns the configuration keeps the [`watch::Sender`] and replaces them with it; when it is
/// dropped, the last ones stay.
#[derive(Debug, Clone)]
pub struct LiveRules(watch::Receiver<Arc<Rules>>);

impl LiveRules {
    /// The rules of this moment.
    pub fn now(&self) -> Arc<Rules> {
        self.0.borrow().clone()
    }
}

impl From<watch::Receiver<Arc<Rules>>> for LiveRules {
    fn from(receiver: watch::Receiver<Arc<Rules>>) -> Self {
        Self(receiver)
    }
}

/// Rules that nobody replaces.
impl From<Rules> for LiveRules {
    fn from(rules: Rules) -> Self {
        Self(watch::channel(Arc::new(rules)).1)
    }
}
