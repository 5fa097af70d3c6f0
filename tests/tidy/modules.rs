//! Files that nothing compiles: every source file is reached from a `mod`.

use super::source::{Source, sources};
use super::{none, root};
use std::collections::{BTreeMap, BTreeSet};

/// The names of the modules that a file declares as files of their own; with `#[path]`, the path.
fn declared(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(named) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            path = Some(named.to_owned());
        }
        let words = line.split_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        if let Some(name) = words.and_then(|(_, rest)| rest.strip_suffix(';')) {
            found.push(path.take().unwrap_or_else(|| name.to_owned()));
        }
    }
    found
}

/// The files that a file of a crate reaches, itself among them.
fn reached<'a>(path: &str, all: &BTreeMap<&'a str, &'a Source>, seen: &mut BTreeSet<&'a str>) {
    let Some((&path, source)) = all.get_key_value(path) else { return };
    if !seen.insert(path) {
        return;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.trim_end_matches(".rs");
    let own = match stem {
        "lib" | "main" | "mod" => folder.to_owned(),
        _ => format!("{folder}/{stem}"),
    };
    for module in declared(&source.text) {
        if let Some(file) = module.strip_suffix(".rs") {
            reached(&format!("{folder}/{file}.rs"), all, seen);
        } else {
            reached(&format!("{own}/{module}.rs"), all, seen);
            reached(&format!("{own}/{module}/mod.rs"), all, seen);
        }
    }
}

fn unreached(all: &[Source]) -> Vec<String> {
    let files: BTreeMap<&str, &Source> = all
        .iter()
        .filter(|file| file.path.contains("/src/") && !file.path.contains("/templates/"))
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut seen = BTreeSet::new();
    for path in files.keys() {
        let (_, inside) = path.split_once("/src/").unwrap_or_default();
        if matches!(inside, "lib.rs" | "main.rs") || inside.starts_with("bin/") {
            reached(path, &files, &mut seen);
        }
    }
    files.keys().filter(|path| !seen.contains(*path)).map(ToString::to_string).collect()
}

#[test]
fn every_source_file_is_reached_from_a_mod() {
    none("a file that no `mod` names is compiled nowhere: delete it, or name it", unreached(&sources(&root())));
}

#[test]
fn a_file_that_no_mod_names_is_found() {
    let file = |path: &str, text: &str| Source::read(path.into(), text.into());
    let files = [
        file("x/src/lib.rs", "pub mod a;\nmod b;"),
        file("x/src/a.rs", "pub(crate) mod c;"),
        file("x/src/a/c.rs", ""),
        file("x/src/b/mod.rs", "mod d;"),
        file("x/src/b/d.rs", "// mod e;"),
        file("x/src/e.rs", ""),
        file("x/src/a/f.rs", ""),
    ];
    assert_eq!(unreached(&files), ["x/src/a/f.rs", "x/src/e.rs"]);
}
