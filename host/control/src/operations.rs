//! All use cases, in one table: what every door serves.

use crate::application::Application;
use crate::error::{Error, ErrorKind, Result};
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
                    Err(error) if error.kind == ErrorKind::Internal => {
                        tracing::error!(operation = route.name, kind = ?error.kind, "failed");
                    }
                    Err(error) => tracing::warn!(operation = route.name, kind = ?error.kind, "not done"),
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
                read.map(Prepared::of).map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))
            },
            from_json: |value| Ok(Prepared::of(serde_json::from_value::<O>(value)?)),
        }
    }
}

/// All of them, in the order of their paths' nouns.
pub fn operations() -> Vec<Entry> {
    vec![
        Entry::of::<status::ShowStatus>(),
        Entry::of::<status::StopHolder>(),
        Entry::of::<chat::OpenChat>(),
        Entry::of::<runs::BeginRun>(),
        Entry::of::<runs::ResumeRun>(),
        Entry::of::<runs::FollowRun>(),
        Entry::of::<runs::StopRun>(),
        Entry::of::<explain::ExplainRun>(),
        Entry::of::<sessions::ListSessions>(),
        Entry::of::<sessions::ShowSession>(),
        Entry::of::<sessions::DeleteSession>(),
        Entry::of::<sessions::ForkSession>(),
        Entry::of::<sessions::RenameSession>(),
        Entry::of::<approvals::ListApprovals>(),
        Entry::of::<approvals::ShowApproval>(),
        Entry::of::<approvals::RespondToApproval>(),
        Entry::of::<approvals::ListRules>(),
        Entry::of::<approvals::ForgetRule>(),
        Entry::of::<grants::ListGrants>(),
        Entry::of::<grants::AddGrants>(),
        Entry::of::<grants::TakeGrants>(),
        Entry::of::<trust::ListTrust>(),
        Entry::of::<trust::TrustKey>(),
        Entry::of::<trust::TrustIdentity>(),
        Entry::of::<trust::SetTrustRoot>(),
        Entry::of::<trust::RemoveTrustRoot>(),
        Entry::of::<trust::RemoveTrust>(),
        Entry::of::<trust::RevokeTrust>(),
        Entry::of::<plugins::ListPlugins>(),
        Entry::of::<plugins::InspectPlugin>(),
        Entry::of::<plugins::InstalledIds>(),
        Entry::of::<plugins::PrepareInstall>(),
        Entry::of::<plugins::InstallPlugin>(),
        Entry::of::<plugins::UpdatePlugin>(),
        Entry::of::<plugins::ReviewPlugin>(),
        Entry::of::<plugins::RollBackPlugin>(),
        Entry::of::<plugins::SwitchPlugin>(),
        Entry::of::<plugins::RemovePlugin>(),
        Entry::of::<plugins::SearchPlugins>(),
        Entry::of::<plugins::PushPlugin>(),
        Entry::of::<plugins::VerifyPlugin>(),
        Entry::of::<plugins::MakeKey>(),
        Entry::of::<plugins::ShowKey>(),
        Entry::of::<plugins::SignPlugin>(),
        Entry::of::<plugins::SignPluginKeyless>(),
        Entry::of::<models::ListModels>(),
        Entry::of::<tools::ListTools>(),
        Entry::of::<tools::ListOfferedTools>(),
        Entry::of::<tools::EnableTools>(),
        Entry::of::<tools::DisableTools>(),
        Entry::of::<policy::ShowPolicy>(),
        Entry::of::<policy::ExplainPolicy>(),
        Entry::of::<config::GetSetting>(),
        Entry::of::<config::SetSetting>(),
        Entry::of::<config::UnsetSetting>(),
        Entry::of::<config::ReadConfig>(),
        Entry::of::<config::ReplaceConfig>(),
        Entry::of::<config::CheckConfig>(),
        Entry::of::<config::DiffConfig>(),
        Entry::of::<secrets::ListSecrets>(),
        Entry::of::<secrets::FindSecret>(),
        Entry::of::<secrets::SetSecret>(),
        Entry::of::<secrets::RemoveSecret>(),
        Entry::of::<secrets::SealSecrets>(),
        Entry::of::<secrets::UnsealSecrets>(),
        Entry::of::<secrets::HasVaultPassword>(),
        Entry::of::<secrets::RotateVaultPassword>(),
        Entry::of::<vault::UnlockVault>(),
        Entry::of::<vault::MakeVault>(),
        Entry::of::<vault::PrepareVault>(),
        Entry::of::<environment::Wanted>(),
        Entry::of::<usage::ShowUsage>(),
        Entry::of::<audit::ShowAudit>(),
        Entry::of::<audit::VerifyAudit>(),
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
