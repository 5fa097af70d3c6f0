//! The doors of the daemon, from outside.

#![cfg(unix)]

mod frames;
mod hearing;
mod observed;
mod websocket;
