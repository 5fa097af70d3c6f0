//! A use case as every door sees it: where it is found, what it takes, what
//! it gives back.
//!
//! ```text
//! arguments ─→ Operation::run(application, events) ─→ view
//!                                   └─→ events, while it goes on
//! ```

use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;

/// What a request does to the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads. Arguments stand in path and query.
    Get,
    /// Does something; arguments are JSON.
    Post,
    /// Sets something to what it says; twice is once.
    Put,
    /// Removes something. Arguments stand in path and query.
    Delete,
}

/// Where a use case is found.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The name: `sessions.list`.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for an argument of that name.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Whether the same request twice is as good as once: then it is made again when the holder of the home ended before
    /// the answer.
    pub repeatable: bool,
}

impl Route {
    /// Reads.
    pub const fn get(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self { name, method: Method::Get, path, summary, repeatable: true }
    }

    /// Does something, and the same twice is as good as once.
    pub const fn post(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self { name, method: Method::Post, path, summary, repeatable: true }
    }

    /// Sets something.
    pub const fn put(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self { name, method: Method::Put, path, summary, repeatable: true }
    }

    /// Removes something. Removing what is gone is an error, so it is not made twice.
    pub const fn delete(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self { name, method: Method::Delete, path, summary, repeatable: false }
    }

    /// The same, but twice is not once.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }
}

/// A use case; the value holds its arguments.
pub trait Operation: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What it gives back.
    type View: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// Where it is found.
    const ROUTE: Route;

    /// Does it.
    fn run(self, application: &Arc<Application>, events: &Events) -> impl Future<Output = Result<Self::View>> + Send;
}

/// What has nothing to give back but that it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize, JsonSchema)]
pub struct Done {}
