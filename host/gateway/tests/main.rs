//! The doors from outside.

mod access;
mod socket;
