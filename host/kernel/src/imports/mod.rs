//! What a component can import:
//! one file an interface, and the linker that offers them all.
//!
//! The linker offers the same to everyone. What a component may use of it was decided before: imports that disagree with
//! the manifest are refused at load, and every function here asks the call's `Grants`.

mod approvals;
mod attachments;
mod clock;
mod configuration;
mod context;
pub(crate) mod http;
mod inbox;
pub(crate) mod log;
mod memory;
mod messaging;
mod models;
mod secrets;
mod services;
mod sessions;
mod settings;
mod state;
pub(crate) mod turn;
pub(crate) mod wasi;

use crate::bindings;
use crate::bindings::cara::plugin::types;
use crate::limiter::Limiter;
use cara_authority::{Effect, Power, Refusal, Rule, ServiceGrant};
use context::fields;
use http::Gate;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use turn::Turn;
use wasi::Ambient;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi_http::WasiHttpCtx;

pub use self::{
    approvals::Approvals, attachments::Attachments, configuration::Configuration, inbox::Inbox, memory::Memory,
    messaging::Messaging, models::Models, sessions::Sessions,
};
pub(crate) use context::Call;
pub use services::{CallServices, Labels, SecretSource};

/// What the assistant does for a tool, on behalf of one person in one turn: a trait for each interface, in the file of
/// the interface. The meaning of each function is in `wit/`; each takes the proof that the component may use it. A
/// service that is `None` is unavailable; outside a turn all are.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "each is named like its interface")]
pub struct HostServices {
    /// How many requests of the call that do more than read may have reached a server: counted before each begins, and taken
    /// back where it certainly did not.
    pub sent: Option<Arc<AtomicU32>>,
    pub labels: Option<Arc<dyn Labels>>,
    pub approvals: Option<Arc<dyn Approvals>>,
    pub attachments: Option<Arc<dyn Attachments>>,
    pub configuration: Option<Arc<dyn Configuration>>,
    pub inbox: Option<Arc<dyn Inbox>>,
    pub memory: Option<Arc<dyn Memory>>,
    pub messaging: Option<Arc<dyn Messaging>>,
    pub models: Option<Arc<dyn Models>>,
    pub sessions: Option<Arc<dyn Sessions>>,
}

/// The data of a call's store.
pub(crate) struct CallState {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) call: Arc<Call>,
    pub(crate) http: WasiHttpCtx,
    pub(crate) gate: Gate,
    pub(crate) ambient: Ambient,
    pub(crate) turn: Option<Turn>,
}

impl CallState {
    pub(crate) fn new(call: Arc<Call>, turn: Option<Turn>) -> Self {
        let limits = call.grants.limits();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(fields(limits));
        Self {
            table,
            limiter: Limiter::new(limits, call.memory.clone()),
            http,
            gate: Gate::new(call.clone()),
            ambient: Ambient::default(),
            turn,
            call,
        }
    }
}

/// The most that is loaded at once of what has no smaller bound of its own.
const MOST: u64 = 16 << 20;

/// A linker with all interfaces.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    bindings::Host_::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for CallState {}

/// A refusal in the contract's form.
pub(crate) fn toward_guest(refusal: &Refusal) -> bindings::types::Refusal {
    use bindings::types::Refusal as Wit;
    let text = refusal.text().to_owned();
    match refusal.rule() {
        Rule::Undeclared => Wit::Undeclared(text),
        Rule::Ungranted => Wit::Ungranted(text),
        Rule::Destination => Wit::Destination(text),
        Rule::Limit => Wit::Limit(text),
        Rule::Denied => Wit::Denied(text),
        Rule::Unavailable => Wit::Unavailable(text),
        Rule::Invalid => Wit::Invalid(text),
        Rule::Conflict => Wit::Conflict,
        Rule::Cancelled => Wit::Cancelled,
    }
}

/// An import's answer: the guest's, or a trap.
type Answer<T> = wasmtime::Result<Result<T, bindings::types::Refusal>>;

impl CallState {
    /// Turns a gate's answer into the guest's, recording a refusal.
    pub(crate) fn answer<T>(&self, result: Result<T, Refusal>) -> Result<T, bindings::types::Refusal> {
        result.map_err(|refusal| toward_guest(&self.call.refuse(refusal)))
    }
}
