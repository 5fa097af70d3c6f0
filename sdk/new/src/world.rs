//! The WIT world of one component: what its manifest declares, and no more.
//!
//! The tools of other languages import all that their world names, used or not. A world of what is declared makes a
//! component whose imports and manifest agree.

use std::fmt::Write as _;

use cara_authority::Manifest;

/// What the world is called, in the package of the contract.
pub(crate) const WORLD: &str = "project";

/// The version of `wasi:http` that the contract names.
const HTTP: &str = "wasi:http/outgoing-handler@0.2.12";

/// How a language makes its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    /// The engine of the language imports `wasi:http` itself.
    Engine,
    /// The code calls `wasi:http`.
    Code,
}

/// The world as a WIT file of the package `cara:plugin`.
pub(crate) fn of(manifest: &Manifest, requests: Requests) -> String {
    let declared = [
        ("settings", !manifest.setting_keys().is_empty()),
        ("secrets", !manifest.secrets().is_empty()),
        ("state", manifest.state().is_some()),
        ("turn", manifest.provider().is_some()),
    ];
    let mut world = format!("package cara:plugin@0.2.0;\n\nworld {WORLD} {{\n  import log;\n  import clock;\n");
    let mut line = |text: &str| writeln!(world, "  {text};").expect("writing to a string");
    for (name, _) in declared.iter().filter(|(_, declared)| *declared) {
        line(&format!("import {name}"));
    }
    for power in manifest.powers() {
        line(&format!("import {}", power.name));
    }
    if requests == Requests::Code && !manifest.http().is_empty() {
        line(&format!("import {HTTP}"));
    }
    if manifest.provider().is_some() {
        line("export provider");
    }
    if !manifest.tools().is_empty() {
        line("export tool");
    }
    world.push_str("}\n");
    world
}
