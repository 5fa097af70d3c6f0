//! New projects: what is in them, and that they build in every language.

mod foreign;
mod project;
mod refusals;
mod rust;
mod support;
