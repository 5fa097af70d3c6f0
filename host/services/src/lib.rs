//! Acts on the outside world, each kind of effect through one gate.
pub mod clock;
pub mod egress;
pub mod files;
pub mod home;
pub mod keys;
pub mod ledger;
pub mod vault;
