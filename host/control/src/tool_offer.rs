//! Whether a model is offered the tools of a component; when not, why, and
//! what would change that. Every place that says so, and the toolbox itself, ask here.

use crate::component_settings::{SettingSources, variables};
use crate::error::Result;
use cara_authority::manifest::Target;
use cara_authority::{Capability, ComponentId, SettingKey, Settings};
use cara_kernel::Checked;
use std::collections::BTreeMap;

/// What a component's manifest asks, and what it has.
pub(crate) struct Offer {
    id: ComponentId,
    pub(crate) asked: Vec<Capability>,
    pub(crate) granted: Vec<Capability>,
    /// Settings without a value that say where it connects.
    unset: Vec<SettingKey>,
    /// Whether there is no other place where it could connect.
    nowhere: bool,
}

impl Offer {
    /// Compares what the manifest asks, with the settings as they are, with what is granted. A variable that is not granted
    /// is not read.
    pub(crate) fn of(around: &SettingSources, checked: &Checked, granted: &[Capability]) -> Result<Self> {
        let granted = around.granted(checked, granted, &BTreeMap::new())?;
        Ok(Self::with(&around.settings(checked, &granted, &BTreeMap::new())?, checked, granted))
    }

    /// The same with the settings as they will be once all that it asks for is granted: for who grants it.
    pub(crate) fn asking(around: &SettingSources, checked: &Checked, granted: &[Capability]) -> Result<Self> {
        let mut granted = granted.to_vec();
        granted.extend(around.named_by_request(checked, &variables(checked), &BTreeMap::new())?);
        Ok(Self::with(&around.asking(checked, &BTreeMap::new())?, checked, granted))
    }

    fn with(settings: &Settings, checked: &Checked, granted: Vec<Capability>) -> Self {
        let manifest = checked.manifest();
        let unset = manifest.http().iter().filter_map(|http| match &http.host {
            Target::Setting(key) if http.host.resolve(settings).is_none() => Some(key.clone()),
            _ => None,
        });
        let unset: Vec<SettingKey> = unset.collect();
        let nowhere = !unset.is_empty() && unset.len() == manifest.http().len();
        let (id, asked) = (manifest.id().clone(), manifest.requested(settings));
        Self { id, asked, granted, unset, nowhere }
    }

    /// Whether the tools are offered: those of who asks for nothing, and of those that something was granted to and that
    /// have somewhere to connect.
    pub(crate) fn stands(&self) -> bool {
        !self.nowhere && (self.asked.is_empty() || !self.granted.is_empty())
    }

    /// Whether it asks for nothing, and could not with any setting.
    pub(crate) fn asks_nothing(&self) -> bool {
        self.asked.is_empty() && self.unset.is_empty()
    }

    /// Whether it waits for a setting, without which it is of no use.
    pub(crate) fn waits(&self) -> bool {
        self.nowhere
    }

    /// The settings for one of which it waits.
    pub(crate) fn needs(&self) -> Vec<String> {
        if self.nowhere { self.unset.iter().map(ToString::to_string).collect() } else { Vec::new() }
    }

    /// One sentence: how it stands, and what changes that.
    pub(crate) fn why(&self) -> String {
        let id = &self.id;
        let missing: Vec<String> =
            self.asked.iter().filter(|wish| !self.granted.contains(wish)).map(ToString::to_string).collect();
        if self.asks_nothing() {
            "asks for nothing".to_owned()
        } else if self.nowhere {
            self.needs_setting()
        } else if self.granted.is_empty() {
            format!("nothing is granted: `cara tools enable {id}`")
        } else if missing.is_empty() {
            "granted".to_owned()
        } else {
            format!("not granted: {}; `cara tools enable {id}` grants it", missing.join(", "))
        }
    }

    fn needs_setting(&self) -> String {
        let id = &self.id;
        let keys: Vec<String> = self.unset.iter().map(|key| format!("`{key}`")).collect();
        format!(
            "needs setting {}: write it under `[component.{id}.settings]`, then `cara tools enable {id}`",
            keys.join(", ")
        )
    }
}
