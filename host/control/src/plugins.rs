//! Components: installing, reviewing, signing.

mod install;
mod keys;
mod list;
mod manage;
mod remarks;
mod review;
#[cfg(test)]
mod tests;

pub use install::{Install, Installed, InstalledIds, Prepare, Prepared, Update, Updated};
pub use keys::{Make, Public, Show, Sign, SignKeyless, Signed, signable};
pub use list::{Inspect, Inspection, List, Row};
pub use manage::*;
pub use review::*;
