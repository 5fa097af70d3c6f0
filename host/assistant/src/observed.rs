//! Who hears of calls of models: that one began, when something of the answer
//! came, how it ended.

use crate::event::Failure;
use cara_authority::ComponentId;
use cara_kernel::bindings::provider::Outcome;
use cara_kernel::bindings::turn::Event;

/// Hears of calls.
pub trait Observer: Send + Sync {
    /// A model is asked.
    fn asks(&self, component: &ComponentId, model: &str) -> Box<dyn ObservedCall>;
}

/// One call, as it goes on. Dropped before it ended, it was given up.
pub trait ObservedCall: Send {
    /// Something of the answer came.
    fn came(&mut self, event: &Event);

    /// The answer is whole, or there is none.
    fn ended(&mut self, answered: Result<&Outcome, &Failure>);
}
