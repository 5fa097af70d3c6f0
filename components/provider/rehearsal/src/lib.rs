//! The rehearsal provider.
