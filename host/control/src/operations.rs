//! All use cases, in one table: what every door serves.

use crate::application::Application;
use crate::change::Topic;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Events;
use crate::operation::{Operation, Route};
use crate::telemetry::within_this;
use crate::{
    allowed, anchoring, approvals, audit, changes, channels, chat, config, devices, environment, explain, grants,
    health, inbox, ledger, memory, models, outbox, page_password, people, plugins, policy, runs, secrets, sessions,
    status, tls, tokens, tools, trust, usage, vault,
};
use cara_authority::{PersonRole, Principal};
use http::Method;
use schemars::{Schema, SchemaGenerator};
use serde_json::json;
use serde_json::value::RawValue;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A use case whose types are known only to itself: arguments and views are JSON.
pub struct Entry {
    /// Where the use case is found.
    pub route: Route,
    /// The schemas of arguments and view.
    pub schemas: fn(&mut SchemaGenerator) -> (Schema, Schema),
    /// Reads arguments out of path and query.
    pub from_query: fn(&str) -> Result<Prepared>,
    /// Reads arguments out of a JSON object.
    pub from_json: fn(&[u8]) -> Result<Prepared>,
}

type Work = Pin<Box<dyn Future<Output = Result<Box<RawValue>>> + Send>>;

/// A use case with its arguments, ready to be done.
pub struct Prepared {
    route: Route,
    work: Box<dyn FnOnce(Arc<Application>, Principal, Events) -> Work + Send>,
}

impl Prepared {
    /// A use case with its arguments.
    pub fn of<O: Operation>(operation: O) -> Self {
        let work = move |application: Arc<Application>, by: Principal, events: Events| -> Work {
            Box::pin(async move {
                let (route, subject) = (O::ROUTE, operation.subject());
                let done = operation.run(&application, &by, &events).await;
                let done = done.map_err(|error| application.holder.failed(error));
                // The log names the operation, never its arguments.
                match &done {
                    Ok(_) if route.method == Method::GET => tracing::debug!(operation = route.name, "done"),
                    Ok(_) => tracing::info!(operation = route.name, "done"),
                    Err(error) if error.kind == ErrorKind::Internal => {
                        tracing::error!(operation = route.name, kind = ?error.kind, "failed");
                    }
                    Err(error) => tracing::warn!(operation = route.name, kind = ?error.kind, "not done"),
                }
                if route.method != Method::GET {
                    application.preparations.changed();
                }
                let view = done?;
                if route.audited {
                    write_down(&application, &route, &subject, &by, &events).await;
                }
                if let Some(topic) = Topic::of_operation(route.name) {
                    if matches!(topic, Topic::Config | Topic::Components | Topic::Access | Topic::Channels) {
                        application.accounts.changed();
                    }
                    application.changes.changed(topic, route.name, None);
                }
                Ok(serde_json::value::to_raw_value(&view)?)
            })
        };
        Self { route: O::ROUTE, work: Box::new(work) }
    }

    /// Does the use case for somebody; the view as JSON. Dropping the future gives up what reads; what changes something is done to its
    /// end all the same.
    pub async fn run(self, application: Arc<Application>, by: Principal, events: Events) -> Result<Box<RawValue>> {
        // No use case is anybody else's yet; people on channels send messages, and nothing more.
        if by.role() != PersonRole::Owner {
            let text = format!("`{}` is for the owner of this assistant\nhint: ask them to do it", self.route.name);
            return Err(Error::new(ErrorKind::Refused, text));
        }
        allowed::require(&by, self.route.scope, self.route.name)?;
        let work = (self.work)(application.clone(), by, events);
        if self.route.method == Method::GET || self.route.follows {
            return work.await;
        }
        application.holder.work.spawn(within_this(work)).await?
    }
}

/// Writes into the audit log what is done. That it cannot be written undoes nothing: with a configuration that leads to no
/// ledger, the configuration is what has to be changed.
async fn write_down(application: &Application, route: &Route, subject: &str, by: &Principal, events: &Events) {
    // A log is begun by the first thing that needs a ledger: until then it may still be said where that is to be.
    if by.credential().is_none() && !application.ledger.is_there() {
        return;
    }
    let detail = json!({ "by": by.door(), "credential": by.credential() });
    if let Err(error) = application.ledger.append(route.name, subject, detail).await {
        tracing::error!(%error, operation = route.name, "what was done is not in the audit log");
        events.note(format!("it is done, and not in the audit log: {error}"));
    }
}

/// Something that is done with every use case.
pub trait Visitor {
    /// Does it with one.
    fn visit<O: Operation>(&mut self);
}

/// The table of all use cases.
pub fn operations() -> Vec<Entry> {
    let mut entries = Entries(Vec::new());
    visit(&mut entries);
    entries.0
}

struct Entries(Vec<Entry>);

impl Visitor for Entries {
    fn visit<O: Operation>(&mut self) {
        self.0.push(Entry {
            route: O::ROUTE,
            schemas: |generator| (generator.subschema_for::<O>(), generator.subschema_for::<O::View>()),
            from_query: |query| serde_urlencoded::from_str::<O>(query).map(Prepared::of).map_err(unreadable),
            from_json: |body| serde_json::from_slice::<O>(named(body)?).map(Prepared::of).map_err(unreadable),
        });
    }
}

/// Arguments have names: a list would be read as the fields of a type, in their order.
fn named(body: &[u8]) -> Result<&[u8]> {
    let text = "the arguments are no JSON object\nhint: `cara api` describes them";
    let is_object = body.trim_ascii_start().starts_with(b"{");
    if is_object { Ok(body) } else { Err(Error::new(ErrorKind::Invalid, text)) }
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, error.to_string())
}

/// Visits all use cases, in the order of their paths' nouns.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit::<status::ShowReady>();
    visitor.visit::<status::FollowEvents>();
    visitor.visit::<changes::FollowChanges>();
    visitor.visit::<status::ShowStatus>();
    visitor.visit::<health::ShowHealth>();
    visitor.visit::<status::StopHolder>();
    visitor.visit::<chat::OpenChat>();
    visitor.visit::<runs::BeginRun>();
    visitor.visit::<runs::ResumeRun>();
    visitor.visit::<runs::FollowRun>();
    visitor.visit::<runs::StopRun>();
    visitor.visit::<explain::ExplainRun>();
    visitor.visit::<sessions::ListSessions>();
    visitor.visit::<sessions::ShowSession>();
    visitor.visit::<sessions::DeleteSession>();
    visitor.visit::<sessions::ForkSession>();
    visitor.visit::<sessions::RenameSession>();
    visitor.visit::<sessions::PinSession>();
    visitor.visit::<sessions::SearchSessions>();
    visitor.visit::<people::ListPeople>();
    visitor.visit::<people::ShowPerson>();
    visitor.visit::<people::NamePerson>();
    visitor.visit::<people::LinkAddress>();
    visitor.visit::<people::UnlinkAddress>();
    visitor.visit::<people::ExportPerson>();
    visitor.visit::<people::ForgetPerson>();
    visitor.visit::<tokens::ListTokens>();
    visitor.visit::<tokens::CreateToken>();
    visitor.visit::<tokens::RotateToken>();
    visitor.visit::<tokens::RevokeToken>();
    visitor.visit::<devices::ListDevices>();
    visitor.visit::<devices::PairDevice>();
    visitor.visit::<devices::RevokeDevice>();
    visitor.visit::<page_password::SetPagePassword>();
    visitor.visit::<page_password::RemovePagePassword>();
    visitor.visit::<memory::ListMemory>();
    visitor.visit::<memory::ShowMemory>();
    visitor.visit::<memory::ForgetMemory>();
    visitor.visit::<memory::SearchMemory>();
    visitor.visit::<approvals::ListApprovals>();
    visitor.visit::<approvals::ShowApproval>();
    visitor.visit::<approvals::RespondToApproval>();
    visitor.visit::<channels::ListChannels>();
    visitor.visit::<channels::DescribeChannel>();
    visitor.visit::<channels::AddChannel>();
    visitor.visit::<channels::PairChannel>();
    visitor.visit::<channels::TestChannel>();
    visitor.visit::<channels::PauseChannel>();
    visitor.visit::<channels::RemoveChannel>();
    visitor.visit::<inbox::ListInbox>();
    visitor.visit::<inbox::ShowInbound>();
    visitor.visit::<inbox::ReplayInbound>();
    visitor.visit::<inbox::DropInbound>();
    visitor.visit::<outbox::ListOutbox>();
    visitor.visit::<outbox::ShowOutbound>();
    visitor.visit::<outbox::RetryOutbound>();
    visitor.visit::<outbox::DropOutbound>();
    visitor.visit::<approvals::ListRules>();
    visitor.visit::<approvals::ForgetRule>();
    visitor.visit::<grants::ListGrants>();
    visitor.visit::<grants::AddGrants>();
    visitor.visit::<grants::RevokeGrants>();
    visitor.visit::<trust::ListTrust>();
    visitor.visit::<trust::TrustKey>();
    visitor.visit::<trust::TrustIdentity>();
    visitor.visit::<trust::SetTrustRoot>();
    visitor.visit::<trust::RemoveTrustRoot>();
    visitor.visit::<trust::RemoveTrust>();
    visitor.visit::<trust::RevokeTrust>();
    visitor.visit::<plugins::ListPlugins>();
    visitor.visit::<plugins::InspectPlugin>();
    visitor.visit::<plugins::InstalledIds>();
    visitor.visit::<plugins::PrepareInstall>();
    visitor.visit::<plugins::InstallPlugin>();
    visitor.visit::<plugins::UpdatePlugin>();
    visitor.visit::<plugins::ReviewPlugin>();
    visitor.visit::<plugins::RollBackPlugin>();
    visitor.visit::<plugins::SetPluginEnabled>();
    visitor.visit::<plugins::RemovePlugin>();
    visitor.visit::<plugins::SearchPlugins>();
    visitor.visit::<plugins::PushPlugin>();
    visitor.visit::<plugins::VerifyPlugin>();
    visitor.visit::<plugins::MakeKey>();
    visitor.visit::<plugins::ShowKey>();
    visitor.visit::<plugins::SignPlugin>();
    visitor.visit::<plugins::SignPluginKeyless>();
    visitor.visit::<models::ListModels>();
    visitor.visit::<tools::ListTools>();
    visitor.visit::<tools::ListOfferedTools>();
    visitor.visit::<tools::EnableTools>();
    visitor.visit::<tools::DisableTools>();
    visitor.visit::<policy::ShowPolicy>();
    visitor.visit::<policy::ExplainPolicy>();
    visitor.visit::<ledger::ShowLedger>();
    visitor.visit::<ledger::DowngradeLedger>();
    visitor.visit::<config::GetSetting>();
    visitor.visit::<config::SetSetting>();
    visitor.visit::<config::UnsetSetting>();
    visitor.visit::<config::ReadConfig>();
    visitor.visit::<config::ReplaceConfig>();
    visitor.visit::<config::CheckConfig>();
    visitor.visit::<config::DiffConfig>();
    visitor.visit::<secrets::ListSecrets>();
    visitor.visit::<secrets::FindSecret>();
    visitor.visit::<secrets::SetSecret>();
    visitor.visit::<secrets::RemoveSecret>();
    visitor.visit::<secrets::SealSecrets>();
    visitor.visit::<secrets::UnsealSecrets>();
    visitor.visit::<secrets::HasVaultPassword>();
    visitor.visit::<secrets::RotateVaultPassword>();
    visitor.visit::<vault::UnlockVault>();
    visitor.visit::<vault::MakeVault>();
    visitor.visit::<vault::PrepareVault>();
    visitor.visit::<environment::ListEnvironmentVariables>();
    visitor.visit::<tls::ShowTls>();
    visitor.visit::<tls::MakeAuthority>();
    visitor.visit::<tls::ListCertificates>();
    visitor.visit::<tls::IssueCertificate>();
    visitor.visit::<tls::RevokeCertificate>();
    visitor.visit::<usage::ShowUsage>();
    visitor.visit::<audit::ShowAudit>();
    visitor.visit::<audit::VerifyAudit>();
    visitor.visit::<audit::CompareAudit>();
    visitor.visit::<anchoring::AnchorAudit>();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_authority::Scope;
    use std::collections::BTreeSet;

    #[test]
    fn what_changes_who_may_do_what_is_for_administrators_and_reading_changes_nothing() {
        let power =
            ["trust", "grants", "secrets", "vault", "people", "config", "tokens", "devices", "password", "keys", "tls"];
        for Entry { route, .. } in operations() {
            let (noun, reads) = (route.name.split('.').next().unwrap_or_default(), route.method == Method::GET);
            let wanted = match route.name {
                "runs.begin" | "runs.resume" | "runs.follow" | "runs.stop" | "chat.open" => Scope::Chat,
                "approvals.respond" => Scope::Approve,
                // Those give out all that is kept about somebody, or who has which credential.
                "people.export" | "tokens.list" | "devices.list" | "channels.add" | "channels.remove"
                | "channels.pair" => Scope::Admin,
                "config.check" | "policy.explain" | "tools.offered" | "audit.compare" => Scope::Read,
                "tools.enable" | "tools.disable" | "models.list" | "ledger.downgrade" | "audit.anchor" => Scope::Admin,
                // Those have the host connect where they say, and look at files.
                "plugins.prepare" | "plugins.search" | "plugins.verify" => Scope::Operate,
                _ if reads => Scope::Read,
                _ if noun == "plugins" || power.contains(&noun) => Scope::Admin,
                _ => Scope::Operate,
            };
            assert_eq!(route.scope, wanted, "{}", route.name);
        }
    }

    /// Those write events of their own, each with what was decided.
    const OF_THEIR_OWN: [&str; 37] = [
        "sessions.delete",
        "people.name",
        "people.link",
        "people.unlink",
        "people.forget",
        "tokens.create",
        "tokens.rotate",
        "tokens.revoke",
        "devices.pair",
        "devices.revoke",
        "password.set",
        "password.remove",
        "approvals.respond",
        "inbox.replay",
        "inbox.drop",
        "outbox.retry",
        "outbox.drop",
        "rules.forget",
        "grants.add",
        "grants.take",
        "trust.add-key",
        "trust.add-identity",
        "trust.set-root",
        "trust.remove-root",
        "trust.remove",
        "trust.revoke",
        "plugins.install",
        "plugins.update",
        "plugins.review",
        "plugins.rollback",
        "plugins.switch",
        "plugins.remove",
        "tools.enable",
        "tools.disable",
        "models.list",
        "ledger.downgrade",
        "vault.prepare",
    ];

    /// Those change a conversation or a title, which `cara sessions` shows, or nothing that lasts.
    const UNTOLD: [&str; 16] = [
        "chat.open",
        "runs.begin",
        "runs.resume",
        "runs.stop",
        "sessions.fork",
        "sessions.rename",
        "sessions.pin",
        "config.check",
        "policy.explain",
        "tools.offered",
        "audit.compare",
        "plugins.prepare",
        "plugins.verify",
        "audit.anchor",
        "channels.test",
        "stop",
    ];

    #[test]
    fn what_changes_something_is_in_the_audit_log_once() {
        for Entry { route, .. } in operations().iter().filter(|entry| entry.route.method != Method::GET) {
            let lists = [OF_THEIR_OWN.contains(&route.name), UNTOLD.contains(&route.name), route.audited];
            assert_eq!(lists.iter().filter(|is| **is).count(), 1, "{}", route.name);
        }
    }

    #[test]
    fn arguments_have_names_and_a_list_is_none() {
        for Entry { route, from_json, .. } in operations() {
            for list in ["[]", "[null]", " [null, null]", "null", ""] {
                let why = from_json(list.as_bytes()).map(drop).unwrap_err();
                assert!(why.kind == ErrorKind::Invalid && why.hint.is_some(), "{}: {list}: {why}", route.name);
            }
        }
    }

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
