//! Files and folders that the documents name are there.

use super::{none, root};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the repository that no checkout has.
const MADE: [&str; 1] = ["target"];

/// The documents below a folder.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("it has a name").path());
    let below = entries.flat_map(|path| if path.is_dir() { documents(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// What stands in backticks in a text, without what stands in its blocks of code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.split("```").step_by(2).flat_map(str::lines);
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The paths that a shell makes of `{a,b}`.
fn each(path: &str) -> Vec<String> {
    let braces = path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match braces {
        Some((before, (words, after))) => {
            words.split(',').flat_map(|word| each(&format!("{before}{word}{after}"))).collect()
        }
        None => vec![path.to_owned()],
    }
}

/// The places that a path may mean: the path itself, or the source below a crate, as in `kernel/imports/`.
fn places(path: &str) -> Vec<String> {
    let mut places = vec![path.to_owned()];
    for host in ["", "host/"] {
        let whole = format!("{host}{path}");
        let slashes = whole.match_indices('/').map(|(at, _)| at);
        places.extend(slashes.take(2).map(|at| format!("{}/src/{}", &whole[..at], &whole[at + 1..])));
    }
    places
}

#[test]
fn files_that_documents_name_are_there() {
    let root = root();
    let is_folder = |name: &str| root.join(name).is_dir() || root.join("host").join(name).is_dir();
    let mut paths = documents(&root.join("docs"));
    paths.push(root.join("README.md"));
    let (mut looked, mut missing) = (0, Vec::new());
    for document in paths {
        let text = fs::read_to_string(&document).expect("a document can be read");
        for path in quoted(&text) {
            let first = path.split_once('/').map_or("", |(first, _)| first);
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-{},".contains(letter);
            if first.is_empty() || !is_folder(first) || MADE.contains(&first) || !path.chars().all(plain) {
                continue;
            }
            for path in each(path) {
                looked += 1;
                if !places(&path).iter().any(|place| root.join(place).exists()) {
                    let document = document.strip_prefix(&root).unwrap_or(&document).display();
                    missing.push(format!("{document}: `{path}`"));
                }
            }
        }
    }
    assert!(looked > 50, "the documents name {looked} files");
    none("correct the path, or say where the file went", missing);
}
