//! Decides what a component may do; pure, no I/O.
