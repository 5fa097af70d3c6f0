//! A stranger's clock, for tests of how components come and go.

use super::wasm::package;

/// The clock of this project as a component of this id and version, changed as `more` says; its tools keep their names.
pub(crate) fn clock(id: &str, version: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let (id, version) = (format!("id = \"{id}\""), format!("version = \"{version}\""));
    let changes = [("id = \"time\"", id.as_str()), ("version = \"0.1.0\"", version.as_str())];
    package("time", &[&changes[..], more].concat())
}

/// The same with tools named after it.
pub(crate) fn named(id: &str, version: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let [now, convert] = ["now", "convert"].map(|tool| format!("name = \"{id}_{tool}\""));
    let tools = [("name = \"time_now\"", now.as_str()), ("name = \"time_convert\"", convert.as_str())];
    clock(id, version, &[&tools[..], more].concat())
}

/// A stranger's clock of this version, `watch`.
pub(crate) fn watch(version: &str, more: &[(&str, &str)]) -> Vec<u8> {
    named("watch", version, more)
}
