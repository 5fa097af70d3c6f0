//! Guards: what text from strangers tries to do, and what may not leave.
//!
//! All of it is pure: text in, verdict out. The verdicts become labels and audit entries; no approval rule depends on
//! one, since every list of phrases can be got around.
//!
//! ```text
//! text in  ─→ normal (views) ─→ injection (rules) ─→ Verdict ┐
//!                 classifier (prompt, strict answer, breaker) ┴─→ label, audit entry
//! text out ─→ output (shapes of secrets and personal data, on the stream) ─→ person
//! ```

pub mod classifier;
mod encodings;
pub mod fence;
pub mod injection;
pub mod normal;
pub mod output;
mod screen;
mod shapes;

pub use screen::{GuardSettings, Guards};

/// Compiles what long texts need, which the first of them would wait for. Blocks for some tens of milliseconds.
pub fn prepare() {
    injection::prepare();
}
