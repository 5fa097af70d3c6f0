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

mod application;
pub mod approvals;
mod assemble;
pub mod audit;
pub mod chat;
mod choose;
pub mod config;
mod content_key;
pub mod environment;
mod error;
mod event;
pub mod explain;
pub mod grants;
mod live;
pub mod logs;
pub mod models;
mod offer;
mod operation;
mod operations;
mod outbound;
mod places;
mod plugins;
pub mod policy;
pub mod runs;
pub mod secrets;
pub mod service;
pub mod sessions;
pub mod status;
mod text;
pub mod tools;
pub mod trust;
pub mod usage;
pub mod vault;

pub use application::{Application, HomeLock, Options};
pub use assemble::{AGENT, CONSOLE};
pub use config::Config;
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Events, Progress, Unit};
pub use operation::{Done, Method, Operation, Route};
pub use operations::{Entry, Prepared, operations};
pub use places::Places;
pub use plugins::{BuiltIn, Embedded};

/// Components: installing, reviewing, signing.
pub mod plugin {
    pub use crate::plugins::install::{
        InstallPlugin, InstalledIds, InstalledPlugin, PrepareInstall, PreparedInstall, UpdatePlugin, UpdatedPlugin,
    };
    pub use crate::plugins::keys::{
        MakeKey, PublicKey, ShowKey, SignPlugin, SignPluginKeyless, SignedPlugin, signable,
    };
    pub use crate::plugins::list::{InspectPlugin, Inspection, ListPlugins, PluginRow};
    pub use crate::plugins::manage::*;
    pub use crate::plugins::review::*;
}
