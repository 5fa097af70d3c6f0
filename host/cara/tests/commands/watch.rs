//! A stranger's clock, for tests of how components come and go.

use super::wasm::package;

/// A stranger's clock of this version: that of this project under other names, changed as `more` says.
pub(crate) fn watch(version: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let version = format!("version = \"{version}\"");
    let names = [
        ("id = \"time\"", "id = \"watch\""),
        ("name = \"time_now\"", "name = \"watch_now\""),
        ("name = \"time_convert\"", "name = \"watch_convert\""),
        ("version = \"0.1.0\"", &version),
    ];
    package("time", &[&names[..], more].concat())
}
