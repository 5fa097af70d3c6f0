//! Components: installing, reviewing, signing.

mod install;
mod keys;
mod list;
mod manage;
mod remarks;
mod review;
#[cfg(test)]
mod tests;

pub use install::{
    InstallPlugin, InstalledIds, InstalledPlugin, PrepareInstall, PreparedInstall, UpdatePlugin, UpdatedPlugin,
};
pub use keys::{MakeKey, PublicKey, ShowKey, SignPlugin, SignPluginKeyless, SignedPlugin, signable};
pub use list::{InspectPlugin, Inspection, ListPlugins, PluginRow};
pub use manage::*;
pub use review::*;
