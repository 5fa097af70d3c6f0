//! Redaction: takes known secrets out of whatever is shown.
//!
//! ```text
//! registry: the values ─→ encodings of each ─→ scanner over the bytes, as they are and with escapes undone ─→ `[secret]`
//! ```

pub(super) mod encodings;
mod escapes;
mod registry;
mod scanner;
mod text;

pub use registry::{KnownSecrets, SHORTEST};
pub(super) use scanner::{Patterns, Scanner};
pub use text::TextScrubber;
