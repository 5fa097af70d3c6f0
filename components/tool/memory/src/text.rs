//! What a model is told about entries, and what it may ask.

use cara_sdk::memory::Entry;
use cara_sdk::tool::beginning;
use cara_sdk::{Error, clock};

/// The most keys a list shows.
const KEYS: usize = 500;

/// The most characters of a value that a search shows.
const SHOWN: usize = 2_000;

/// The key, if the host can keep one like it.
pub(crate) fn checked_key(key: &str) -> Result<&str, Error> {
    match key.len() {
        1..=128 => Ok(key),
        length => Err(Error::bad_request(format!("a key has 1 to 128 bytes, this one has {length}"))),
    }
}

/// The value, if the host can keep one like it.
pub(crate) fn checked_value(value: &str) -> Result<&str, Error> {
    match value.len() {
        1..=16_384 => Ok(value),
        0 => Err(Error::bad_request("there is no value to remember; to forget a key, use `memory_delete`")),
        length => Err(Error::bad_request(format!("a value has at most 16384 bytes, this one has {length}"))),
    }
}

/// How many entries a search may find, if it can be made.
pub(crate) fn checked_search(query: &str, count: Option<u32>) -> Result<u32, Error> {
    match count.unwrap_or(10) {
        _ if query.trim().is_empty() => Err(Error::bad_request("`query` has no words")),
        count @ 1..=50 => Ok(count),
        count => Err(Error::bad_request(format!("`count` is 1 to 50, not {count}"))),
    }
}

pub(crate) fn nothing_under(key: &str) -> String {
    format!("nothing is remembered under `{key}`")
}

/// An entry with all of its value.
pub(crate) fn whole(entry: &Entry) -> String {
    format!("{}\n{}", heading(entry), entry.value)
}

fn heading(entry: &Entry) -> String {
    format!("`{}` (written {}):", entry.key, clock::shown(entry.changed_ms))
}

/// The keys, one a line.
pub(crate) fn list(keys: &[String], prefix: &str) -> String {
    if keys.is_empty() {
        return match prefix {
            "" => "nothing is remembered".to_owned(),
            prefix => format!("no key begins with `{prefix}`"),
        };
    }
    let mut text = keys.iter().take(KEYS).map(String::as_str).collect::<Vec<_>>().join("\n");
    if let Some(more) = keys.len().checked_sub(KEYS).filter(|more| *more > 0) {
        text.push_str(&format!("\n({more} more keys; ask with a longer `prefix`)"));
    }
    text
}

/// Entries that were found, the best first.
pub(crate) fn found(entries: &[Entry], count: u32) -> String {
    if entries.is_empty() {
        return "nothing that is remembered has all of these words; try fewer or others".to_owned();
    }
    let one = |entry: &Entry| match beginning(&entry.value, SHOWN) {
        value if value.len() == entry.value.len() => whole(entry),
        value => format!("{}\n{value}\n(cut; `memory_read` shows all of it)", heading(entry)),
    };
    let mut text = entries.iter().map(one).collect::<Vec<_>>().join("\n\n");
    if entries.len() >= count as usize {
        text.push_str(&format!("\n\n(these are the best {count}; there may be more)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> Entry {
        Entry { key: key.into(), value: value.into(), changed_ms: 1_774_747_800_000 }
    }

    #[test]
    fn an_entry_is_shown_with_the_time_it_was_written() {
        assert_eq!(whole(&entry("seat", "aisle")), "`seat` (written Sun, 29 Mar 2026 01:30:00 GMT):\naisle");
        let never = Entry { changed_ms: u64::MAX, ..entry("seat", "aisle") };
        assert_eq!(whole(&never), "`seat` (written an unknown time):\naisle");
    }

    #[test]
    fn keys_are_counted_in_bytes_as_the_host_does() {
        assert!(checked_key(&"å".repeat(64)).is_ok());
        assert!(checked_key(&"å".repeat(65)).is_err());
        assert!(checked_value(&"x".repeat(16_385)).is_err());
    }

    #[test]
    fn a_long_list_says_how_many_keys_it_left_out() {
        let keys: Vec<String> = (0..502).map(|number| format!("k{number:03}")).collect();
        let text = list(&keys, "");
        assert!(
            text.contains("k499")
                && !text.contains("k500\n")
                && text.ends_with("(2 more keys; ask with a longer `prefix`)")
        );
        assert!(list(&keys[..500], "").ends_with("k499"));
        assert_eq!(list(&[], "x/"), "no key begins with `x/`");
    }

    #[test]
    fn a_long_value_is_cut_in_a_search_and_says_where_the_rest_is() {
        let text = found(&[entry("a", &"å".repeat(2_001)), entry("b", "short")], 2);
        assert_eq!(text.matches('å').count(), 2_000);
        assert!(text.contains("`memory_read` shows all of it") && text.contains("short"));
        assert!(text.ends_with("(these are the best 2; there may be more)"));
        assert!(found(&[], 10).contains("try fewer"));
    }
}
