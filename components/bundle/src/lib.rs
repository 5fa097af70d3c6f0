//! The first-party components, signed and embedded.
