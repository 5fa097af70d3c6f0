//! The doors of the daemon, from outside.

#![cfg(unix)]

mod frames;
mod observed;
mod websocket;
