//! Several people on a channel that is played: who hears what of whom.

mod concurrency;
mod family;
mod house;
