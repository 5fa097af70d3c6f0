//! Grants, named destinations, what an update asks for, from outside.

mod authority;
mod binary;
mod destinations;
mod grants;
mod operator;
