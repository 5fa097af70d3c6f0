//! Finding plugins by words: all must be there, better places come first.

use super::{Entry, Index};
use std::cmp::Reverse;
use std::collections::BTreeMap;

impl Index {
    /// The newest version of each plugin that has all the words in id or summary, the best first. Without words: all.
    pub fn search(&self, words: &str) -> Vec<&Entry> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let mut newest: BTreeMap<_, &Entry> = BTreeMap::new();
        for entry in &self.entries {
            let kept = newest.entry(&entry.id).or_insert(entry);
            // A version that is not finished is only shown when there is no other.
            let rank = |entry: &Entry| (entry.version.pre.is_empty(), entry.version.clone());
            if rank(entry) > rank(kept) {
                *kept = entry;
            }
        }
        let score =
            |entry: &Entry| words.iter().map(|word| points(entry, word)).try_fold(0, |sum, one| Some(sum + one?));
        let mut found: Vec<_> = newest.into_values().filter_map(|entry| Some((score(entry)?, entry))).collect();
        // Those of the same score stay as they are: sorted by id.
        found.sort_by_key(|(score, _)| Reverse(*score));
        found.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// How well a word fits; nothing when it does not.
fn points(entry: &Entry, word: &str) -> Option<u32> {
    let (id, summary) = (entry.id.as_str(), entry.summary.to_lowercase());
    let in_summary = || summary.split(|c: char| !c.is_alphanumeric()).any(|other| other == word);
    Some(match () {
        () if id == word => 16,
        () if id.split('-').any(|part| part == word) => 8,
        () if id.contains(word) => 4,
        () if in_summary() => 2,
        () if summary.contains(word) => 1,
        () => return None,
    })
}
