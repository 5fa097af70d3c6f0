//! The application: every use case of operator and person, as a function that
//! returns data.
//!
//! It must not know a door: nothing here prints, asks, or knows a terminal, a socket or HTTP. A door authenticates, calls an
//! [`Operation`], and shows its view and its events.
//!
//! ```text
//! terminal, socket, HTTP, page ─→ operations ─→ Application ─→ assistant, packages, records, services
//!                                     └─ events, view, or an error with its cure
//! ```

mod access;
mod access_settings;
mod accounts;
mod active_runs;
pub mod allowed;
mod anchor_settings;
mod anchor_state;
pub mod anchoring;
pub mod anchors;
mod answering;
mod application;
pub mod approvals;
mod assistant_factory;
pub mod audit;
mod background_responses;
mod call_journal;
mod candidate;
mod change;
pub mod changes;
pub mod channels;
pub mod chat;
mod chat_answers;
mod collector;
pub mod completion;
mod component_settings;
pub mod config;
mod config_check;
mod configuration;
mod content_key;
mod conversations;
mod credentials;
mod current_components;
mod deciding;
mod delivery;
pub mod devices;
mod entering;
mod entries;
pub mod environment;
mod error;
mod error_kind;
mod event;
pub mod explain;
mod gateway_settings;
pub mod grants;
pub mod health;
mod holder;
mod home_files;
pub mod inbox;
mod installed;
mod issuing;
mod known_people;
pub mod ledger;
mod listeners;
pub mod logs;
mod machine;
pub mod memory;
mod messages;
pub mod metrics;
mod metrics_text;
mod missing_secret;
mod model_selection;
pub mod models;
pub mod named_file;
mod names;
mod near_names;
mod operation;
mod operations;
mod operator_program;
pub mod outbox;
pub mod page_password;
mod password;
pub mod people;
pub mod plugins;
pub mod policy;
mod preparations;
pub mod reachable;
mod request_secrets;
pub mod responses;
mod retention;
mod roles;
pub mod runs;
pub mod secrets;
pub mod service;
pub mod sessions;
mod signing_keys;
mod signing_transport;
pub mod status;
pub mod tailscale;
pub mod telemetry;
mod telemetry_settings;
pub mod tls;
pub mod tokens;
mod tool_offer;
pub mod tools;
pub mod trust;
pub mod usage;
mod variables;
pub mod vault;

pub use access_settings::{AccessSettings, AttemptSettings, Count as AttemptCount};
pub use application::{Application, Options};
pub use cara_records::CredentialKind;
pub use change::{Change, Topic};
pub use configuration::Config;
pub use credentials::{Credentials, Held};
pub use delivery::Delivered;
pub use entering::{Entered, NewDevice, pairing_message, session_message};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Events, Progress, Reader, Scope, Unit};
pub use gateway_settings::{
    ClientCertificates, GatewayLimits, GatewaySettings, LISTEN, Mdns, TailscaleServe, TailscaleSettings, TlsMode,
    TlsSettings, address, asked, is_local,
};
pub use holder::{HomeLock, Role};
pub use home_files::{HomeFiles, refuse_missing};
pub use installed::{BuiltIn, Embedded};
pub use names::{AGENT, CONSOLE};
pub use operation::{Done, Operation, Route};
pub use operations::{Entry, Prepared, Visitor, operations, visit};
