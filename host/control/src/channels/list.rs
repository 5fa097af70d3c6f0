//! The accounts of channels, and how each stands.

use crate::application::Application;
use crate::error::Result;
use crate::event::Events;
use crate::operation::{Operation, Route};
use cara_authority::Principal;
use cara_kernel::bindings::channel::Delivery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

cara_authority::words! {
    /// How an account stands.
    AccountCondition {
        /// It is driven, and the platform answered last.
        Connected = "connected",
        /// It is driven, and did not answer yet.
        Connecting = "connecting",
        /// What was tried last failed, and is tried again.
        Failing = "failing",
        /// The operator paused it.
        Paused = "paused",
        /// No daemon runs, which would drive it.
        Stopped = "stopped",
    }
}

/// An account of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AccountRow {
    /// The channel: the component's id.
    pub channel: String,
    /// The account, as the operator calls it.
    pub account: String,
    /// How it stands.
    pub condition: AccountCondition,
    /// The platform's id of it; nothing before it was connected.
    pub id: Option<String>,
    /// How people call it there.
    pub name: Option<String>,
    /// How it delivers: `keyed` and for how many milliseconds, `checkable` or `blind`.
    pub delivery: Option<String>,
    /// Since when it is connected, Unix milliseconds.
    pub connected_ms: Option<u64>,
    /// When a message came last, since the daemon began.
    pub last_in_ms: Option<u64>,
    /// When one was sent last.
    pub last_out_ms: Option<u64>,
    /// What went wrong last, as long as it does.
    pub error: Option<String>,
    /// When it is tried again.
    pub retry_ms: Option<u64>,
}

pub(super) fn shown(delivery: Delivery) -> String {
    match delivery {
        Delivery::Keyed(window_ms) => format!("keyed {window_ms}"),
        Delivery::Checkable => "checkable".to_owned(),
        Delivery::Blind => "blind".to_owned(),
    }
}

/// Lists the accounts of channels, and how each stands.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListChannels {}

impl Operation for ListChannels {
    type View = Vec<AccountRow>;
    const ROUTE: Route =
        Route::get("channels.list", "/control/v1/channels", "List the accounts of channels, and how each stands.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let config = application.config()?;
        let all = config.channel.iter().flat_map(|(id, all)| all.iter().map(move |(account, own)| (id, account, own)));
        let rows = all.map(|(id, account, own)| {
            let driven = application.accounts.find(id, account);
            let condition = match &driven {
                _ if own.paused => AccountCondition::Paused,
                None => AccountCondition::Stopped,
                Some((_, state)) if state.error.is_some() => AccountCondition::Failing,
                Some((_, state)) if state.connected_ms.is_some() => AccountCondition::Connected,
                Some(_) => AccountCondition::Connecting,
            };
            let (traffic, state) = driven.unwrap_or_default();
            let seen = traffic.now();
            let (id_there, name) = state.me.map(|me| (me.id, me.name)).unzip();
            AccountRow {
                channel: id.to_string(),
                account: account.to_string(),
                condition,
                id: id_there,
                name,
                delivery: state.delivery.map(shown),
                connected_ms: state.connected_ms,
                last_in_ms: seen.in_ms,
                last_out_ms: seen.out_ms,
                error: state.error.or(seen.failed),
                retry_ms: state.retry_ms,
            }
        });
        Ok(rows.collect())
    }
}
