//! Channels, and what drives them: messages out of the outbox to where they
//! go.
//!
//! It knows no platform and no component. What was sent, and what may be sent again, is kept and judged by `cara-records`.
//!
//! ```text
//! Outbox::send ─→ enqueue ─→ ledger ─→ drive: turn ─→ Channel::send ─→ a platform
//!      ↑ receipt ─────────── settled ←──────┴─ what it came to
//! ```

mod account;
mod channel;
mod drive;
mod outbox;
mod pace;
#[cfg(test)]
mod tests;

pub use account::{Account, AccountDriver, AccountState, Trouble};
pub use channel::{Channel, Failure, SendError};
pub use drive::drive;
pub use outbox::{Outbox, Settled, settled};
pub use pace::Pace;
