//! The assistant: sessions, the agent loop, approvals, labels and guards,
//! over the kernel.
//!
//! It must not know a vendor, a terminal or a socket: models answer as `LanguageModel`, people as `Approver`, what happens is
//! told as `TurnEvent`.
//!
//! ```text
//! person ─→ Assistant.run ─→ Session (ledger) ─→ Run: prompt ─→ LanguageModel ─→ calls ─→ policy,
//!            approvals ─→ tools
//! ```

mod address;
pub mod approvals;
pub mod assistant;
pub mod audience;
pub mod budget;
pub mod conversation;
mod dictation;
mod echo;
pub mod event;
pub mod explain;
pub mod guards;
mod host_services;
pub mod input;
pub mod language_model;
pub mod lasting;
pub mod markdown;
mod metering;
pub mod model;
pub mod observed;
pub mod outbound;
pub mod part;
pub mod program;
pub mod prompt;
pub mod provenance;
mod query;
mod question;
pub mod reading;
mod reply;
mod rules;
pub mod run;
mod schema;
pub mod session;
mod splitting;
pub mod text;
pub mod toolbox;
pub mod values;

pub use approvals::{Answer, ApprovalSettings, Approvals, Approver, Nobody};
pub use assistant::{Assistant, CallGate, Listener, RunContext, RunLimits, Steering};
pub use audience::{Audience, Speaker};
pub use conversation::SessionSettings;
pub use event::{Asked, DEADLINE, Denial, Ending, Failure, PROMPT, TurnEvent};
pub use guards::fence;
pub use guards::{GuardSettings, Guards};
pub use input::Input;
pub use language_model::{LanguageModel, Provider};
pub use model::ModelName;
pub use reading::Reading;
pub use reply::Reply;
pub use rules::{LiveRules, Rules};
pub use session::{Session, SessionContext};
pub use toolbox::{Toolbox, Tools};
