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
use cara_authority::{Principal, Scope};
use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;

/// The most bytes of arguments, unless a route says otherwise: ids, names, settings, a reason, a secret. It bounds what any
/// request costs before it is looked at.
const MOST: usize = 64 * 1024;

/// Where a use case is found. `GET` reads and `DELETE` removes: their arguments stand in path and query. `PUT` sets, `POST`
/// does: what of their arguments does not stand in the path is JSON.
#[derive(Debug, Clone)]
pub struct Route {
    /// The name: `sessions.list`.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for an argument of that name.
    pub path: &'static str,
    /// The use case in a sentence.
    pub summary: &'static str,
    /// Whether the same request twice is as good as once: then it is made again when the holder of the home ended before
    /// the answer.
    pub repeatable: bool,
    /// What whoever asks has to be let in for: reading where it reads, else operating, unless it says otherwise.
    pub scope: Scope,
    /// The most bytes of arguments.
    pub most: usize,
    /// Whether the answer comes when a run has ended, which goes on by itself: such a request may be given up at any time.
    pub follows: bool,
    /// Whether programs of another version may ask for it: what it takes and gives stays as it is.
    pub stable: bool,
    /// Whether the audit log has an event of its name once it is done.
    pub audited: bool,
}

impl Route {
    const fn new(method: Method, name: &'static str, path: &'static str, summary: &'static str) -> Self {
        let scope = if matches!(method, Method::GET) { Scope::Read } else { Scope::Operate };
        Self {
            name,
            method,
            path,
            summary,
            repeatable: true,
            scope,
            most: MOST,
            follows: false,
            stable: false,
            audited: false,
        }
    }

    /// A route of a use case that reads.
    pub const fn get(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, name, path, summary)
    }

    /// A route of a use case that does something, for which twice is as good as once.
    pub const fn post(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::POST, name, path, summary)
    }

    /// A route of a use case that sets something.
    pub const fn put(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PUT, name, path, summary)
    }

    /// A route of a use case that removes something. Removing what is gone is an error, so it is not made twice.
    pub const fn delete(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::DELETE, name, path, summary).once()
    }

    /// The same route, of a use case for which twice is not once.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// The same route, for whoever may talk to the assistant.
    #[must_use]
    pub const fn chat(mut self) -> Self {
        self.scope = Scope::Chat;
        self
    }

    /// The same route, for whoever may answer requests for approval.
    #[must_use]
    pub const fn approve(mut self) -> Self {
        self.scope = Scope::Approve;
        self
    }

    /// The same route, for whoever may operate: it reads, and has the host connect or look at files where it is told to.
    #[must_use]
    pub const fn operating(mut self) -> Self {
        self.scope = Scope::Operate;
        self
    }

    /// The same route, for whoever may change who may do what.
    #[must_use]
    pub const fn admin(mut self) -> Self {
        self.scope = Scope::Admin;
        self
    }

    /// The same route, of a use case that only reads, though its arguments need a body.
    #[must_use]
    pub const fn reading(mut self) -> Self {
        self.scope = Scope::Read;
        self
    }

    /// The same route, with room for so many bytes of arguments.
    #[must_use]
    pub const fn up_to(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The same route, of a use case that follows a run or the home: its connections are counted apart.
    #[must_use]
    pub const fn following(mut self) -> Self {
        self.follows = true;
        self
    }

    /// The same route, for programs of any version.
    #[must_use]
    pub const fn stable(mut self) -> Self {
        self.stable = true;
        self
    }

    /// The same route, of a use case that is written into the audit log once it is done, and writes no event of its own.
    #[must_use]
    pub const fn audited(mut self) -> Self {
        self.audited = true;
        self
    }

    /// Whether arguments stand in path and query.
    pub fn reads_query(&self) -> bool {
        [Method::GET, Method::DELETE].contains(&self.method)
    }
}

/// A use case; the value holds its arguments.
pub trait Operation: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What the use case gives back.
    type View: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// Where the use case is found.
    const ROUTE: Route;

    /// To what it is done, for the audit log: which takes no words of a person, for nothing is taken out of it.
    fn subject(&self) -> String {
        String::new()
    }

    /// Does the use case for somebody.
    fn run(
        self,
        application: &Arc<Application>,
        by: &Principal,
        events: &Events,
    ) -> impl Future<Output = Result<Self::View>> + Send;
}

/// What has nothing to give back but that it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize, JsonSchema)]
pub struct Done {}
