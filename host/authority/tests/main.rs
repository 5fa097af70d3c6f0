//! Grants, named destinations, what an update asks for: from outside the crate.

mod authority;
mod binary;
mod destinations;
mod grants;
mod named;
