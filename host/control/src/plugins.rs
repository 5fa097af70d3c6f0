//! Components: installing, reviewing, signing.

mod install;
mod key_file;
mod keys;
mod list;
mod manage;
mod remarks;
mod review;
#[cfg(test)]
pub(crate) mod tests;

pub use install::{
    InstallPlugin, InstalledIds, InstalledPlugin, PrepareInstall, PreparedInstall, UpdatePlugin, UpdatedPlugin,
};
pub use key_file::{key_file, make_key_file, sign_with_file};
pub use keys::{MakeKey, PublicKey, ShowKey, SignPlugin, SignPluginKeyless, SignedPlugin};
pub use list::{InspectPlugin, Inspection, ListPlugins, PluginRow};
pub use manage::*;
pub use review::*;
