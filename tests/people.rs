//! Several people on a channel that is played: who hears what of whom.

#![cfg(unix)]

mod concurrency;
mod deciders;
mod family;
mod hijacked;
pub(crate) mod house;
mod kept;
mod month;
mod readers;
mod roles;
mod settings;
mod terminal;
mod unattended;
