//! The assistant: sessions, the agent loop, approvals, labels and guards,
//! over the kernel.
//!
//! It must not know a vendor, a terminal or a socket: models answer as `Thinker`, people as `Approver`, what happens is
//! told as `TurnEvent`.
//!
//! ```text
//! person ─→ Assistant.run ─→ Session (ledger) ─→ Run: prompt ─→ Thinker ─→ calls ─→ policy, desk ─→ tools
//! ```

mod address;
pub mod assistant;
pub mod budget;
pub mod desk;
mod dictation;
mod echo;
pub mod event;
pub mod explain;
pub mod fence;
pub mod guards;
pub mod inert;
pub mod input;
pub mod lookout;
pub mod model;
pub mod outbound;
pub mod part;
mod powers;
pub mod prompt;
mod purse;
mod query;
mod question;
pub mod reading;
pub mod run;
mod schema;
pub mod session;
pub mod standing;
pub mod text;
pub mod thinker;
pub mod toolbox;

pub use assistant::{Assistant, Company, Listener, RunLimits};
pub use desk::{Answer, Approver, Desk, Nobody};
pub use event::{Asked, Ending, Failure, TurnEvent};
pub use input::Input;
pub use model::ModelName;
pub use reading::Reading;
pub use session::{Circumstances, Session};
pub use thinker::{Provider, Thinker};
pub use toolbox::{Toolbox, Tools};
