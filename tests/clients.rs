//! The model APIs under clients of other makes, over real connections.
//!
//! Played here: the vendor, by a server of the tests; and models, by scripts of `rehearsal`. What speaks to cara is real: the
//! official SDKs of OpenAI, Anthropic and Ollama, `llm`, WebSocket clients, and curl as the documents say it. So are those who judge
//! it: Schemathesis by the document of the control API, sslyze by Mozilla's rules for TLS, and h2load by sheer number.

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
#[path = "clients/h2load.rs"]
mod h2load;
#[path = "clients/installed.rs"]
mod installed;
#[path = "clients/ollama.rs"]
mod ollama;
#[path = "clients/openai.rs"]
mod openai;
#[path = "clients/responses.rs"]
mod responses;
#[path = "clients/schemathesis.rs"]
mod schemathesis;
#[path = "clients/served.rs"]
mod served;
#[path = "clients/software.rs"]
mod software;
#[path = "clients/sslyze.rs"]
mod sslyze;
#[path = "clients/taken_back.rs"]
mod taken_back;
#[path = "clients/vendor.rs"]
mod vendor;
