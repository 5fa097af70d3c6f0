//! Import circles between sibling modules of a crate.
//!
//! ```text
//! paths of each file ─→ the module each names ─→ edges between siblings ─→ circles
//! ```
//!
//! A module and what is inside it may use each other. What a parent re-exports counts as a use of where it is defined.

use super::source::{Source, sources};
use super::{none, root};
use std::collections::{BTreeMap, BTreeSet};

/// Crates with circles. In the SDK, every interface asks the host, and on a development machine the host is the double, which
/// speaks in the types of the interfaces.
const EXCEPT: [&str; 1] = ["sdk/rust/"];

/// A module as a path from the crate's root, which is empty.
type Module = Vec<String>;

/// One file's use of another module: the modules, and where it stands.
type Use = (Module, Module, String);

/// The folder of the crate's source, and the module that a file is; `None` for a file that is no part of a crate.
fn module(path: &str) -> Option<(&str, Module)> {
    let at = path.find("/src/")?;
    let (folder, file) = (&path[..=at], path[at + "/src/".len()..].strip_suffix(".rs")?);
    let mut module: Module = file.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    Some((folder, module))
}

/// A path of a file of `from`, from the crate's root on; `None` when it is another crate's.
fn absolute(from: &Module, path: &[String], all: &BTreeSet<Module>) -> Option<Vec<String>> {
    let mut base = from.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (base, rest) = (Module::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                base.pop()?;
                rest = &rest[1..];
            }
        }
        child => {
            base.push(child.to_owned());
            if !all.contains(&base) {
                return None;
            }
            rest = &path[1..];
        }
    }
    Some([base, rest.to_vec()].concat())
}

/// The uses of one crate.
fn uses(files: &[(Module, &Source)]) -> Vec<Use> {
    let all: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut named: BTreeMap<(Module, String), Vec<String>> = BTreeMap::new();
    let mut paths = Vec::new();
    for (from, file) in files {
        for (line, path) in file.paths() {
            let Some(to) = absolute(from, &path, &all) else { continue };
            if to.len() > from.len() + 1
                && to.starts_with(from)
                && let Some(name) = to.last()
            {
                named.insert((from.clone(), name.clone()), to.clone());
            }
            paths.push((from, to, format!("{}:{line}", file.path)));
        }
    }
    let mut found = Vec::new();
    for (from, mut to, place) in paths {
        // Whatever a module on the way names as its own stands where it comes from.
        for _ in 0..4 {
            let longest = (0..=to.len()).rev().find(|at| all.contains(&to[..*at])).unwrap_or(0);
            let Some(name) = to.get(longest) else { break };
            let Some(origin) = named.get(&(to[..longest].to_vec(), name.clone())) else { break };
            to = [origin.clone(), to[longest + 1..].to_vec()].concat();
        }
        let longest = (0..=to.len()).rev().find(|at| all.contains(&to[..*at])).unwrap_or(0);
        to.truncate(longest);
        if !from.starts_with(&to) && !to.starts_with(from) {
            found.push((from.clone(), to, place));
        }
    }
    found
}

/// Circles among siblings, each with one place for each of its uses.
fn circles(uses: &[Use]) -> Vec<String> {
    let mut edges: BTreeMap<(Module, String), BTreeMap<String, &str>> = BTreeMap::new();
    for (from, to, place) in uses {
        let shared = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        let siblings = edges.entry((from[..shared].to_vec(), from[shared].clone())).or_default();
        siblings.entry(to[shared].clone()).or_insert(place);
    }
    let reaches = |parent: &Module, from: &str, to: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(next) = open.pop() {
            for other in edges.get(&(parent.clone(), next)).into_iter().flat_map(|found| found.keys()) {
                if other == to {
                    return true;
                }
                if seen.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        false
    };
    let mut found = Vec::new();
    for ((parent, from), siblings) in &edges {
        for (to, place) in siblings {
            if reaches(parent, to, from) {
                let parent = parent.join("::");
                found.push(format!("{place}: `{parent}::{from}` uses `{to}`, which comes back to `{from}`"));
            }
        }
    }
    found
}

#[test]
fn no_modules_of_a_crate_import_each_other_in_a_circle() {
    let all = sources(&root());
    let mut crates: BTreeMap<&str, Vec<(Module, &Source)>> = BTreeMap::new();
    for file in all.iter().filter(|file| !file.is_test() && !file.path.contains("/templates/")) {
        if let Some((folder, module)) = module(&file.path)
            && !EXCEPT.contains(&folder)
        {
            crates.entry(folder).or_default().push((module, file));
        }
    }
    assert!(crates.len() > 10, "the walk found the crates");
    let findings = crates.values().flat_map(|files| circles(&uses(files))).collect();
    none("no import circle but between a module and what is inside it: move what both need below both", findings);
}

#[test]
fn a_circle_is_found_through_a_re_export_and_none_between_parent_and_child() {
    let file = |path: &str, text: &str| Source::read(path.into(), text.into());
    let files = [
        file("x/src/lib.rs", "mod a; mod b; mod c; pub use b::{B, deep::D};"),
        file("x/src/a.rs", "use crate::B; use crate::c; fn f() { c::g() }"),
        file("x/src/b.rs", "mod deep; use crate::a::f; pub struct B;"),
        file("x/src/b/deep.rs", "use super::B; pub struct D;"),
        file("x/src/c.rs", "pub fn g() {}"),
    ];
    let files: Vec<_> = files.iter().map(|file| (module(&file.path).expect("a file of a crate").1, file)).collect();
    let found = circles(&uses(&files));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("x/src/a.rs:1: `::a` uses `b`"), "{found:?}");
}
