//! Every public item of the SDK shows how it is used, in its documentation.

use super::source::sources;
use super::{none, root};

/// What begins a public item at the outermost level of a file.
const ITEMS: [&str; 8] = [
    "pub fn ",
    "pub const fn ",
    "pub struct ",
    "pub enum ",
    "pub trait ",
    "pub type ",
    "macro_rules! ",
    "pub async fn ",
];

#[test]
fn every_public_item_of_the_sdk_has_an_example() {
    let all = sources(&root());
    let sdk = all.iter().filter(|file| file.path.starts_with("sdk/rust/src/") && !file.path.ends_with("/bindings.rs"));
    let mut findings = Vec::new();
    for file in sdk.filter(|file| !file.is_test()) {
        let lines: Vec<&str> = file.text.lines().collect();
        let begins = |line: &&str| ITEMS.iter().any(|item| line.starts_with(item));
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| begins(line)) {
            let above = lines[..at].iter().rev();
            let mut above = above.take_while(|line| line.starts_with("///") || line.starts_with("#["));
            let hidden = lines[..at].last().is_some_and(|line| *line == "#[doc(hidden)]");
            if !hidden && !above.any(|line| line.starts_with("/// ```")) {
                findings.push(format!("{}:{}: {line}", file.path, at + 1));
            }
        }
    }
    none("an example that compiles says more than a sentence", findings);
}
