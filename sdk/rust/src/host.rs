//! What the host does for a component; elsewhere, what a test says it does.
//!
//! The one place where that is decided. In a component these are its imports and nothing of `testing` is compiled; on
//! every other target they are the doubles, with the same names and signatures. Each wrapper of this crate calls these
//! and knows no difference.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::channel_component::cara::plugin::inbox;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::channel_component::wasi::random::random;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::provider_component::cara::plugin::{clock, log, secrets, settings, state, turn};
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::tool_component::cara::plugin::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::http::wasi as http;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::http::wasi::sleep_ms;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::double::*;
