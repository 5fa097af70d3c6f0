//! What authors of components use.
