//! From a source folder to a component.
