//! The model APIs under clients of other makes, over real connections.
//!
//! Played here: the vendor, by a server of the tests; and models, by scripts of `rehearsal`. What speaks to cara is real: the
//! official SDKs of OpenAI, Anthropic and Ollama, `llm`, and curl as the documents say it.

#[path = "clients/agents.rs"]
mod agents;
#[path = "clients/anthropic.rs"]
mod anthropic;
#[path = "clients/budgets.rs"]
mod budgets;
#[path = "clients/credentials.rs"]
mod credentials;
#[path = "clients/documents.rs"]
mod documents;
#[path = "clients/ollama.rs"]
mod ollama;
#[path = "clients/openai.rs"]
mod openai;
#[path = "clients/responses.rs"]
mod responses;
#[path = "clients/served.rs"]
mod served;
#[path = "clients/software.rs"]
mod software;
#[path = "clients/taken_back.rs"]
mod taken_back;
#[path = "clients/vendor.rs"]
mod vendor;
