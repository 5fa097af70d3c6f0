//! Why a call ended without an answer.
//! The store is gone each time; the next call starts fresh.

use cara_authority::{ComponentId, display_safe};
use std::time::Duration;
use wasmtime::{PoolConcurrencyLimitError, Trap};

/// A call that was ended by the host, or a guest that broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("component `{component}` {cause}")]
pub struct Fault {
    component: ComponentId,
    cause: Cause,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// All fuel was burnt: it computes too much or for ever.
    #[error("was stopped: it used up its {0} units of fuel")]
    Fuel(u64),
    /// Its memory or table could not grow any further, and it gave up.
    #[error("was stopped: it needs more {what} than its limit of {limit}")]
    Allocation {
        /// `memory` or `table`.
        what: &'static str,
        /// The limit, in words.
        limit: String,
    },
    /// The stack was used up.
    #[error("was stopped: it overflowed its stack")]
    Stack,
    /// The call took too long.
    #[error("was stopped: it took longer than {} s", .0.as_secs_f32())]
    Wall(Duration),
    /// Nothing came from it for too long.
    #[error("was stopped: nothing came from it for {} s", .0.as_secs_f32())]
    Idle(Duration),
    /// The call returned or emitted too much.
    #[error("was stopped: its output is over {0} bytes")]
    Output(u64),
    /// One host call carried too much.
    #[error("was stopped: it passed more than {0} bytes in one host call")]
    Transfer(u64),
    /// Too many open handles.
    #[error("was stopped: it opened more than {0} handles")]
    Handles(u32),
    /// It panicked or broke a rule of WebAssembly.
    #[error("broke: {0}")]
    Trap(String),
    /// It exports something else than its kind promises.
    #[error("cannot be started: {0}")]
    Start(String),
    /// The host refused to make the call: what it was to be made with belongs to something else.
    #[error("was not called: {0}")]
    Mismatch(&'static str),
    /// The host had no place for the call in time.
    #[error("was not called: {0}")]
    Busy(Full),
    /// The breaker is open after repeated faults.
    #[error("is resting after {faults} faults in a row\nhint: it is tried again in {} s", .wait.as_secs().max(1))]
    Resting {
        /// How many in a row.
        faults: u32,
        /// How long until the next try.
        wait: Duration,
    },
}

/// What there is no place in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The component's share: it has this many calls under way.
    #[error(
        "{0} calls of it are under way, as many as one component may have\nhint: try again when some have ended; a larger `calls` in `[pool]` of the configuration makes more room"
    )]
    Share(u32),
    /// All places, of which there are this many.
    #[error(
        "{0} calls are under way, as many as this host makes at once\nhint: try again when some have ended; a larger `calls` in `[pool]` of the configuration makes more room"
    )]
    Pool(u32),
    /// The engine.
    #[error(
        "this machine has no room for one more sandbox\nhint: try again when calls have ended; a smaller `calls` in `[pool]` of the configuration makes them wait instead"
    )]
    Engine,
}

impl Fault {
    /// A fault of a component.
    pub fn new(component: &ComponentId, cause: Cause) -> Self {
        Self { component: component.clone(), cause }
    }

    /// Whose fault it is.
    pub fn component(&self) -> &ComponentId {
        &self.component
    }

    /// What happened.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether the component is to blame: a call that was not made says nothing about it.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.cause, Cause::Mismatch(_) | Cause::Busy(_) | Cause::Resting { .. })
    }
}

impl Cause {
    /// The end of a call that was denied more `memory` or `table`.
    pub(crate) fn over(what: &'static str, limits: &cara_authority::Limits) -> Self {
        let limit = match what {
            "memory" => format!("{} MiB", limits.memory >> 20),
            _ => format!("{} elements", limits.table_elements),
        };
        Self::Allocation { what, limit }
    }
}

/// Reads wasmtime's error of a call under these limits.
pub(crate) fn cause_of(
    error: &wasmtime::Error,
    limits: &cara_authority::Limits,
    denied: Option<&'static str>,
) -> Cause {
    if let Some(cause) = error.downcast_ref::<Cause>() {
        return cause.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Cause::Busy(Full::Engine);
    }
    // What ended the call comes before what was denied it on the way.
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Cause::Fuel(limits.fuel),
        Some(Trap::StackOverflow) => return Cause::Stack,
        _ => {}
    }
    if let Some(what) = denied {
        return Cause::over(what, limits);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Cause::Trap("it panicked".into()),
        Some(trap) => Cause::Trap(trap.to_string()),
        None => untyped(error, limits),
    }
}

/// The limits of the component model's own tables have no error type in wasmtime 48; their text is all there is. The
/// hostile guests pin it.
fn untyped(error: &wasmtime::Error, limits: &cara_authority::Limits) -> Cause {
    let text = format!("{error:#}");
    if text.contains("fuel allocated for hostcalls has been exhausted") || text.contains("hostcall") {
        return Cause::Transfer(limits.transfer);
    }
    if text.contains("table has no free keys") || text.contains("handle") {
        return Cause::Handles(limits.handles);
    }
    Cause::Trap(display_safe(&text))
}
