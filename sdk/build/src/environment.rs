//! What a nested cargo inherits from the outer one, and what it must not.
//!
//! Cargo tells a build script hundreds of things through the environment. Most of
//! them would make the component depend on how the host is built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables of cargo's that stay: they are about the network, the registries, the terminal and the job server, and
/// change no byte of what is built.
const KEPT: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];

/// Takes out of the command's environment what the outer build leaks.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(name);
        }
    }
}

/// Whether the variable belongs to the outer build.
fn leaks(name: &str) -> bool {
    if name.starts_with("CARGO") || name.starts_with("__CARGO") {
        // How this machine links its own programs matters to a component's build scripts and macros.
        let linker = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER") && !name.contains("WASM32");
        return !linker && !KEPT.iter().any(|kept| name.starts_with(kept));
    }
    let of_compiler = ["RUSTC", "RUSTDOC", "RUSTFLAGS", "CLIPPY_", "DEP_"].iter().any(|start| name.starts_with(start));
    let of_script = ["OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "DEBUG", "PROFILE"].contains(&name);
    of_compiler || of_script
}

/// The compiler flags that keep this machine's paths out of a component.
///
/// Of two that fit rustc takes the later, so the general come first. `rustc` stands for `sysroot`, the sources of std.
pub(crate) fn remap(workspace: &Path, target: &Path, sysroot: &Path) -> OsString {
    let home = std::env::home_dir().filter(|home| home.parent().is_some());
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".cargo")));
    let mut pairs: Vec<(PathBuf, &str)> = Vec::new();
    pairs.extend(home.map(|home| (home, "/home")));
    if let Some(cargo) = cargo {
        // One folder for each registry, named after its host and a hash.
        let registries = std::fs::read_dir(cargo.join("registry/src")).into_iter().flatten().flatten();
        let mut registries: Vec<PathBuf> = registries.map(|entry| entry.path()).collect();
        registries.sort();
        pairs.push((cargo, "/cargo"));
        pairs.extend(registries.into_iter().map(|registry| (registry, "/registry")));
    }
    pairs.push((workspace.to_owned(), "/source"));
    pairs.push((target.to_owned(), "/target"));
    pairs.push((sysroot.to_owned(), "/rust"));
    let mut flags = OsString::new();
    for (from, to) in pairs {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::leaks;

    #[test]
    fn nothing_that_changes_the_component_comes_from_the_outer_build() {
        for name in [
            "CARGO",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_FEATURE_DEFAULT",
            "CARGO_MANIFEST_DIR",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            "CLIPPY_ARGS",
            "OUT_DIR",
            "PROFILE",
            "RUSTC",
            "RUSTC_BOOTSTRAP",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "TARGET",
        ] {
            assert!(leaks(name), "{name}");
        }
    }

    #[test]
    fn what_reaches_registries_and_tools_stays() {
        for name in [
            "CARGO_HOME",
            "CARGO_MAKEFLAGS",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MINE_INDEX",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
            "HOME",
            "PATH",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "https_proxy",
        ] {
            assert!(!leaks(name), "{name}");
        }
    }
}
