//! All use cases, in one table: what every door serves.

use crate::application::Application;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::operation::{Method, Operation, Route};
use crate::{
    approvals, audit, chat, config, environment, explain, grants, models, plugins, policy, runs, secrets, sessions,
    status, tools, trust, usage, vault,
};
use schemars::{Schema, SchemaGenerator};
use serde_json::value::RawValue;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A use case whose types are known only to itself: arguments and views are JSON.
pub struct Entry {
    /// Where it is found.
    pub route: Route,
    /// The schemas of its arguments and of its view.
    pub schemas: fn(&mut SchemaGenerator) -> (Schema, Schema),
    /// Reads arguments out of path and query.
    pub from_query: fn(&str) -> Result<Prepared>,
    /// Reads arguments out of a JSON object.
    pub from_json: fn(serde_json::Value) -> Result<Prepared>,
}

type Work = Pin<Box<dyn Future<Output = Result<Box<RawValue>>> + Send>>;

/// A use case with its arguments, ready to be done.
pub struct Prepared(Box<dyn FnOnce(Arc<Application>, Events) -> Work + Send>);

impl Prepared {
    fn of<O: Operation>(operation: O) -> Self {
        Self(Box::new(move |application, events| {
            Box::pin(async move {
                application.listeners.add(&events);
                let (route, done) = (O::ROUTE, operation.run(&application, &events).await);
                let done = done.map_err(|error| application.failed(error));
                // What was asked for is in the log, not what with.
                match &done {
                    Ok(_) if route.method == Method::Get => tracing::debug!(operation = route.name, "done"),
                    Ok(_) => tracing::info!(operation = route.name, "done"),
                    Err(error) => tracing::info!(operation = route.name, kind = ?error.kind, "not done"),
                }
                let view = done?;
                Ok(serde_json::value::to_raw_value(&view)?)
            })
        }))
    }

    /// Does it; the view as JSON.
    pub async fn run(self, application: Arc<Application>, events: Events) -> Result<Box<RawValue>> {
        (self.0)(application, events).await
    }
}

impl Entry {
    fn of<O: Operation>() -> Self {
        Self {
            route: O::ROUTE,
            schemas: |generator| (generator.subschema_for::<O>(), generator.subschema_for::<O::View>()),
            from_query: |query| {
                let read = serde_urlencoded::from_str::<O>(query);
                read.map(Prepared::of).map_err(|error| Error::new(crate::error::ErrorKind::Invalid, error.to_string()))
            },
            from_json: |value| Ok(Prepared::of(serde_json::from_value::<O>(value)?)),
        }
    }
}

/// All of them, in the order of their paths' nouns.
pub fn operations() -> Vec<Entry> {
    vec![
        Entry::of::<status::Show>(),
        Entry::of::<status::Stop>(),
        Entry::of::<chat::Open>(),
        Entry::of::<runs::Begin>(),
        Entry::of::<runs::Resume>(),
        Entry::of::<runs::Follow>(),
        Entry::of::<runs::Stop>(),
        Entry::of::<explain::Explain>(),
        Entry::of::<sessions::List>(),
        Entry::of::<sessions::Show>(),
        Entry::of::<sessions::Delete>(),
        Entry::of::<sessions::Fork>(),
        Entry::of::<sessions::Rename>(),
        Entry::of::<approvals::List>(),
        Entry::of::<approvals::Show>(),
        Entry::of::<approvals::Respond>(),
        Entry::of::<approvals::Rules>(),
        Entry::of::<approvals::Forget>(),
        Entry::of::<grants::List>(),
        Entry::of::<grants::Add>(),
        Entry::of::<grants::Take>(),
        Entry::of::<trust::List>(),
        Entry::of::<trust::AddKey>(),
        Entry::of::<trust::AddIdentity>(),
        Entry::of::<trust::SetRoot>(),
        Entry::of::<trust::RemoveRoot>(),
        Entry::of::<trust::Remove>(),
        Entry::of::<trust::Revoke>(),
        Entry::of::<plugins::List>(),
        Entry::of::<plugins::Inspect>(),
        Entry::of::<plugins::InstalledIds>(),
        Entry::of::<plugins::Prepare>(),
        Entry::of::<plugins::Install>(),
        Entry::of::<plugins::Update>(),
        Entry::of::<plugins::ReviewOf>(),
        Entry::of::<plugins::Rollback>(),
        Entry::of::<plugins::Switch>(),
        Entry::of::<plugins::Remove>(),
        Entry::of::<plugins::Search>(),
        Entry::of::<plugins::Push>(),
        Entry::of::<plugins::Verify>(),
        Entry::of::<plugins::Make>(),
        Entry::of::<plugins::Show>(),
        Entry::of::<plugins::Sign>(),
        Entry::of::<plugins::SignKeyless>(),
        Entry::of::<models::List>(),
        Entry::of::<tools::List>(),
        Entry::of::<tools::Offering>(),
        Entry::of::<tools::Enable>(),
        Entry::of::<tools::Disable>(),
        Entry::of::<policy::Show>(),
        Entry::of::<policy::Explain>(),
        Entry::of::<config::Get>(),
        Entry::of::<config::Set>(),
        Entry::of::<config::Unset>(),
        Entry::of::<config::Read>(),
        Entry::of::<config::Replace>(),
        Entry::of::<config::Check>(),
        Entry::of::<config::Diff>(),
        Entry::of::<secrets::List>(),
        Entry::of::<secrets::Find>(),
        Entry::of::<secrets::Set>(),
        Entry::of::<secrets::Remove>(),
        Entry::of::<secrets::Seal>(),
        Entry::of::<secrets::Unseal>(),
        Entry::of::<secrets::HasPassword>(),
        Entry::of::<secrets::RotatePassword>(),
        Entry::of::<vault::Unlock>(),
        Entry::of::<vault::Make>(),
        Entry::of::<vault::Prepare>(),
        Entry::of::<environment::Wanted>(),
        Entry::of::<usage::Usage>(),
        Entry::of::<audit::Show>(),
        Entry::of::<audit::Verify>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_word_of_a_path_hides_an_argument_of_another() {
        let all: BTreeSet<&str> = operations().iter().map(|entry| entry.route.path).collect();
        for one in &all {
            for other in all.iter().filter(|other| one.split('/').count() == other.split('/').count()) {
                let hides = |(word, argument): (&str, &str)| argument.starts_with('{') && !word.starts_with('{');
                let same = |(word, argument): (&str, &str)| word == argument || argument.starts_with('{');
                let pairs = || one.split('/').zip(other.split('/'));
                assert!(!(pairs().all(same) && pairs().any(hides)), "`{one}` hides `{other}`");
            }
        }
        let names: BTreeSet<&str> = operations().iter().map(|entry| entry.route.name).collect();
        assert_eq!(names.len(), operations().len(), "two operations have one name");
    }
}
