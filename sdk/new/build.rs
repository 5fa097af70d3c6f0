//! Embeds what a new project carries: SDKs, contract, licence, templates.
//!
//! The versions in it are those of this workspace: `sdk/rust/Cargo.toml` is written out with what the root's Cargo.toml
//! says, and the templates get the same entries.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let root = here.join("../..");
    let workspace = table(&root.join("Cargo.toml"));
    let sdk = sdk_manifest(&workspace, table(&root.join("sdk/rust/Cargo.toml")));
    fs::write(out.join("sdk-Cargo.toml"), sdk).expect("OUT_DIR can be written");

    let mut code = String::new();
    let mut list = |name: &str, files: &[(String, PathBuf)]| {
        writeln!(code, "static {name}: &[(&str, &[u8])] = &[").expect("writing to a string");
        for (path, file) in files {
            writeln!(code, "    ({path:?}, include_bytes!({file:?})),").expect("writing to a string");
        }
        code.push_str("];\n");
    };
    let mut rust = files(&root.join("sdk/rust/src"), "sdk/rust/src");
    rust.push(("sdk/rust/Cargo.toml".to_owned(), out.join("sdk-Cargo.toml")));
    list("RUST", &rust);
    list("JAVASCRIPT", &files(&root.join("sdk/js/src"), "sdk"));
    list("PYTHON", &files(&root.join("sdk/python/src"), "sdk"));
    list("CONTRACT", &files(&root.join("wit"), "wit"));
    list("LICENSE", &[("LICENSE".to_owned(), root.join("LICENSE"))]);
    list("TEMPLATES", &files(&here.join("templates"), ""));
    code.push_str(&values(&workspace));
    fs::write(out.join("embedded.rs"), code).expect("OUT_DIR can be written");
    for watched in ["Cargo.toml", "LICENSE", "sdk/rust/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
}

fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder, sorted, each with its path there below `prefix`.
fn files(folder: &Path, prefix: &str) -> Vec<(String, PathBuf)> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder of the workspace can be read");
        let name = entry.file_name().into_string().expect("names in the workspace are text");
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        match entry.path() {
            // What running the tests of an SDK leaves behind.
            _ if name == "__pycache__" || name == "node_modules" => {}
            folder if folder.is_dir() => found.extend(files(&folder, &path)),
            file => found.push((path, file)),
        }
    }
    found.sort();
    found
}

/// The SDK's Cargo.toml with every value that it takes from the workspace written out.
fn sdk_manifest(workspace: &Table, mut sdk: Table) -> String {
    let inherited = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    let package = sdk["package"].as_table_mut().expect("a crate has a package");
    for (key, value) in package.iter_mut().filter(|(_, value)| inherited(value)) {
        *value = workspace["workspace"]["package"][key].clone();
    }
    let dependencies = sdk["dependencies"].as_table_mut().expect("the SDK has dependencies");
    written_out(workspace, dependencies);
    for (_, target) in sdk.get_mut("target").and_then(Value::as_table_mut).into_iter().flatten() {
        written_out(workspace, target["dependencies"].as_table_mut().expect("a target has dependencies"));
    }
    // The lints are a matter of the workspace, tests of the SDK run there.
    sdk.remove("lints");
    sdk.remove("dev-dependencies");
    let text = toml::to_string(&sdk).expect("what was read can be written");
    format!("# cara's SDK as it was when this project was made. Its licence is `.cara/LICENSE`.\n\n{text}")
}

/// Writes out the dependencies that a crate takes from the workspace, with what it says of them itself.
fn written_out(workspace: &Table, dependencies: &mut Table) {
    let taken = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
    for (name, value) in dependencies.iter_mut().filter(|(_, value)| taken(value)) {
        let mut whole = match dependency(workspace, name) {
            Value::Table(whole) => whole,
            version => Table::from_iter([("version".to_owned(), version)]),
        };
        let own = value.as_table().into_iter().flatten().filter(|(key, _)| *key != "workspace");
        whole.extend(own.map(|(key, own)| (key.clone(), own.clone())));
        *value = Value::Table(whole);
    }
}

fn dependency(workspace: &Table, name: &str) -> Value {
    let found = workspace["workspace"]["dependencies"].get(name);
    found.unwrap_or_else(|| panic!("the workspace has no dependency `{name}`")).clone()
}

/// What the templates take from the workspace, by the name that stands for it there.
fn values(workspace: &Table) -> String {
    let mut code = String::from("static VALUES: &[(&str, &str)] = &[\n");
    for key in ["edition", "rust-version"] {
        let value = workspace["workspace"]["package"][key].to_string();
        writeln!(code, "    ({key:?}, {value:?}),").expect("writing to a string");
    }
    for name in ["schemars", "serde", "serde_json"] {
        let value = dependency(workspace, name).to_string();
        writeln!(code, "    ({name:?}, {value:?}),").expect("writing to a string");
    }
    code.push_str("];\n");
    code
}
