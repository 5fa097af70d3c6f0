//! What the build script embedded (see `build.rs`).

#![allow(clippy::large_include_file, reason = "the contract and the SDKs are what a project carries")]

use crate::words::Language;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A file's path with slashes, and what it holds.
pub(crate) type Entry = (&'static str, &'static [u8]);

/// What a project in this language carries below `.cara/`.
pub(crate) fn carried(language: Language) -> impl Iterator<Item = Entry> {
    let sdk = match language {
        Language::Rust => RUST,
        Language::JavaScript => JAVASCRIPT,
        Language::Python => PYTHON,
    };
    // The other two languages get their bindings from the tools, at build.
    let contract = if language == Language::Rust { CONTRACT } else { &[] };
    [sdk, contract, LICENSE].into_iter().flatten().copied()
}

/// The contract's files below `wit/`, by their path there.
pub(crate) fn contract() -> impl Iterator<Item = Entry> {
    CONTRACT.iter().map(|(path, bytes)| (path.strip_prefix("wit/").unwrap_or(path), *bytes))
}

/// The templates in one folder of `templates/`, by their path below it.
pub(crate) fn templates(folder: &str) -> impl Iterator<Item = Entry> {
    TEMPLATES.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, *bytes)))
}

/// What stands in the templates for a value of the workspace, and the value.
pub(crate) fn values() -> impl Iterator<Item = (&'static str, &'static str)> {
    VALUES.iter().copied()
}
