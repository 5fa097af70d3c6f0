//! What the formats of several providers have in common.
//!
//! `chat` is a whole format, that of OpenAI's chat completions, which many servers speak. The other modules are what
//! formats share in pieces. None knows a vendor's address, its names of models or a setting: those are the component's.
//! Streams are cut into events and lines by `cara_sdk::sse` and `cara_sdk::ndjson`.

pub mod answer;
pub mod body;
pub mod call;
pub mod chat;
pub mod fault;
