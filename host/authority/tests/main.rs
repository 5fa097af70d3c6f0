//! Grants, named destinations, what an update asks for: from outside the crate.

mod asks;
mod binary;
mod destinations;
mod grants;
mod named;
