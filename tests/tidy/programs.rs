//! Test programs: one for each crate, because each is linked on its own.

use super::layers::members;
use super::{none, root};
use std::fs;
use std::path::Path;
use toml::Value;

/// The Rust files that lie in this folder itself, and its folders with a program of their own, by their names without
/// `.rs`.
fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let whole = entry.path().join("main.rs").is_file().then(|| name.clone());
        name.strip_suffix(".rs").map(str::to_owned).or(whole)
    };
    entries.filter_map(name).collect()
}

#[test]
fn a_crate_has_one_test_program_with_every_test_in_it() {
    let root = root();
    let mut findings = Vec::new();
    for member in members(&root) {
        let folder = root.join(&member.folder);
        let listed = member.table.get("test").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let whole = member.name == "cara-tests";
        let found = files_in(&if whole { folder.clone() } else { folder.join("tests") });
        match listed {
            // Cargo finds the programs itself: each file is one.
            [] if found.len() <= 1 => {}
            [one] if member.table["package"].get("autotests") == Some(&Value::Boolean(false)) => {
                let path = folder.join(one["path"].as_str().expect("a test has a path"));
                let text = fs::read_to_string(&path).expect("the path of a test is a file");
                let main = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                // A file that no line names would be no test at all, and nobody would be told.
                let missing = found.iter().filter(|name| **name != main && !text.contains(&format!("mod {name};")));
                findings.extend(missing.map(|name| format!("{}: `{name}.rs` is in no program", member.folder)));
            }
            _ => findings.push(format!("{}: more than one test program", member.folder)),
        }
    }
    none("list `[[test]]` once, say `autotests = false`, and name each file as a module of it", findings);
}
