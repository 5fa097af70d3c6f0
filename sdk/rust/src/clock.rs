//! The host's one clock, as in `wit/clock.wit`.

pub use crate::bindings::provider_component::cara::plugin::clock::now_ms;
