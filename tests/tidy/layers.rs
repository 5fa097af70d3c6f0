//! Who may depend on whom, read from the Cargo.toml of every crate.

use super::{none, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// A crate of the workspace.
pub(super) struct Member {
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) table: Table,
}

/// The trusted layers, from the lowest: each may use those before it.
const LAYERS: [&str; 14] = [
    "signing",
    "host/authority",
    "host/database",
    "host/services",
    "host/records",
    "host/packages",
    "host/kernel",
    "host/devkit",
    "host/assistant",
    "host/channels",
    "host/control",
    "host/gateway",
    "host/terminal",
    "host/cara",
];

/// Crates a component may use beside the SDK: no I/O, no clock, no randomness.
const PURE: [&str; 16] = [
    "base64",
    "encoding_rs",
    "fend-core",
    "hex",
    "html5gum",
    "http",
    "httpdate",
    "jiff",
    "memchr",
    "pulldown-cmark",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "toml",
    "url",
];

/// The names that belong to first-party components: of providers and channels their own, which are those of vendors; of
/// tools what models call them by. The ids of tool components are plain words (`time`, `memory`) that anybody may use.
pub(crate) fn component_names(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in members(root).into_iter().map(|member| member.folder) {
        let Some((kind, name)) = folder.strip_prefix("components/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        if kind != "tool" {
            names.insert(name.to_owned());
        }
        let manifest =
            fs::read_to_string(root.join(&folder).join("component.toml")).expect("a component has a manifest");
        let manifest: Table = manifest.parse().expect("a manifest is TOML");
        let tools = manifest.get("tool").and_then(Value::as_array).into_iter().flatten();
        names.extend(tools.filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())));
    }
    names
}

pub(super) fn members(root: &Path) -> Vec<Member> {
    let read = |path: &Path| -> Table {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let workspace = read(&root.join("Cargo.toml"));
    let listed = workspace["workspace"]["members"].as_array().expect("the workspace lists its members");
    let mut folders = Vec::new();
    for pattern in listed.iter().filter_map(Value::as_str) {
        match pattern.strip_suffix("/*") {
            None => folders.push(pattern.to_owned()),
            Some(parent) => {
                let inside = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
                let names =
                    inside.filter(|entry| entry.path().join("Cargo.toml").exists()).map(|entry| entry.file_name());
                folders.extend(names.map(|name| format!("{parent}/{}", name.to_string_lossy())));
            }
        }
    }
    folders.sort();
    folders.dedup();
    let member = |folder: String| {
        let table = read(&root.join(&folder).join("Cargo.toml"));
        let name = table["package"]["name"].as_str().expect("a crate has a name").to_owned();
        Member { folder, name, table }
    };
    folders.into_iter().map(member).collect()
}

impl Member {
    /// Its dependencies in these tables, for every platform.
    fn dependencies(&self, tables: &[&str]) -> Vec<(String, Value)> {
        let platforms = self.table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let places = std::iter::once(&self.table).chain(platforms.filter_map(Value::as_table));
        let mut found = Vec::new();
        for place in places {
            for table in tables.iter().filter_map(|name| place.get(*name).and_then(Value::as_table)) {
                found.extend(table.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        found
    }

    fn names(&self, tables: &[&str]) -> Vec<String> {
        self.dependencies(tables).into_iter().map(|(name, _)| name).collect()
    }
}

const SHIPPED: [&str; 2] = ["dependencies", "build-dependencies"];
const EVERY: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// What a crate in this folder may use of ours.
fn may_use(folder: &str, other: &str) -> bool {
    let layer = |folder: &str| LAYERS.iter().position(|layer| *layer == folder);
    if let Some(own) = layer(folder) {
        // The binary carries the first-party components, as bytes, and what a new project is made of; who signs for the
        // operator, or for a test, does that by `sdk/sign`.
        return layer(other).is_some_and(|other| other < own)
            || (["host/control", "host/devkit"].contains(&folder) && other == "sdk/sign")
            || (folder == "host/cara" && ["components/bundle", "sdk/new"].contains(&other));
    }
    match folder {
        "sdk/rust" => false,
        // It checks what it built by the rules of the host, and signs it.
        "sdk/sign" => other == "signing",
        "sdk/build" => ["signing", "host/authority", "sdk/sign"].contains(&other),
        "sdk/new" => ["signing", "host/authority", "sdk/build", "sdk/sign"].contains(&other),
        "components/bundle" => ["signing", "sdk/build", "sdk/sign"].contains(&other),
        "components/wire" => other == "sdk/rust",
        _ if folder.starts_with("components/") => ["sdk/rust", "components/wire"].contains(&other),
        _ if folder.starts_with("tests/guests/") => other == "sdk/rust",
        _ => folder == "tests" || folder.starts_with("tests/"),
    }
}

#[test]
fn crates_depend_only_on_the_layers_below_them() {
    let all = members(&root());
    assert!(all.len() >= 12, "the members were found: {}", all.len());
    let mut findings = Vec::new();
    for member in &all {
        for name in member.names(&SHIPPED) {
            let other = all.iter().find(|other| other.name == name);
            if let Some(other) = other.filter(|other| !may_use(&member.folder, &other.folder)) {
                findings.push(format!("{} depends on {}", member.folder, other.folder));
            }
        }
    }
    none("the host knows no component, a component only the SDK and what formats share", findings);
}

#[test]
fn a_components_other_crates_are_pure() {
    let all = members(&root());
    let mut findings = Vec::new();
    for member in
        all.iter().filter(|member| member.folder.starts_with("components/") && member.folder != "components/bundle")
    {
        let ours = ["cara-sdk", "cara-wire"];
        let other = member.names(&SHIPPED).into_iter();
        let other = other.filter(|name| !ours.contains(&name.as_str()) && !PURE.contains(&name.as_str()));
        findings.extend(other.map(|name| format!("{}: {name}", member.folder)));
    }
    none("a component uses the SDK and pure crates", findings);
}

#[test]
fn wasmtime_and_the_network_have_one_home_each() {
    let homes: [(&str, &[&str]); 8] = [
        ("wasmtime", &["host/kernel"]),
        ("hyper", &["host/services", "host/control", "host/gateway", "host/devkit"]),
        ("tungstenite", &["host/services", "host/gateway"]),
        ("tokio-tungstenite", &["host/services", "host/gateway"]),
        ("reqwest", &[]),
        ("rustls", &["host/services", "host/control", "host/gateway", "host/devkit"]),
        ("sqlx", &["host/database"]),
        ("keyring", &["host/services"]),
    ];
    let mut findings = Vec::new();
    for member in
        members(&root()).iter().filter(|member| member.folder != "tests" && !member.folder.starts_with("tests/"))
    {
        for name in member.names(&SHIPPED) {
            let same = |home: &&(&str, &[&str])| {
                name == home.0 || name.strip_prefix(home.0).is_some_and(|rest| rest.starts_with('-'))
            };
            // The types of certificates and keys are not the TLS stack.
            if let Some((what, _)) = homes
                .iter()
                .find(same)
                .filter(|home| name != "rustls-pki-types" && !home.1.contains(&member.folder.as_str()))
            {
                findings.push(format!("{} depends on {name}, {what} has another home", member.folder));
            }
        }
    }
    none("one home each", findings);
}

#[test]
fn every_version_and_every_lint_is_the_workspaces() {
    let mut findings = Vec::new();
    for member in members(&root()) {
        for (name, value) in member.dependencies(&EVERY) {
            if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                findings.push(format!("{}: {name} has a version of its own", member.folder));
            }
        }
        if member.table.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) != Some(true) {
            findings.push(format!("{}: does not take the lints of the workspace", member.folder));
        }
    }
    none("one version of each dependency, one set of lints", findings);
}

#[test]
fn every_dependency_of_the_trusted_part_is_accounted_for() {
    let root = root();
    let text = fs::read_to_string(root.join("docs/dependencies.md")).expect("docs/dependencies.md exists");
    let mut findings = BTreeSet::new();
    for member in members(&root).iter().filter(|member| LAYERS.contains(&member.folder.as_str())) {
        for name in member.names(&["dependencies"]) {
            if !name.starts_with("cara-") && !text.lines().any(|line| line.contains(&format!("`{name}`"))) {
                findings.insert(format!("`{name}` of {}", member.folder));
            }
        }
    }
    none("docs/dependencies.md says why each is there", findings.into_iter().collect());
}
