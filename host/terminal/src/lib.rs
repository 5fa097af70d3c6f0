//! A terminal with a person at it: text that fits, answers as they come, and
//! questions that nothing but an answer answers.
//!
//! It must not know an operation, a door or a home: it shows what it is given, and gives back what was typed.
//!
//! ```text
//! view ─→ show, layout, table ─→ columns ─→ stdio ─→ terminal, pipe
//! run ─→ streaming ─→ flow ────────────────↗
//! keyboard ─→ editor (typed, pasted) ─→ message        question ─→ prompt ─→ answers
//! ```

pub mod columns;
mod declined;
pub mod editor;
pub mod external_editor;
mod flow;
pub mod keyboard;
pub mod layout;
pub mod password;
pub mod prompt;
mod question;
pub mod show;
pub mod spinner;
pub mod stdio;
pub mod streaming;
mod table;
mod typed;
pub mod when;
