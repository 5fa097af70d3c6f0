//! The list of each conversation in the component's state.

use cara_sdk::Error;
use cara_sdk::state::{self, Entry};
use cara_sdk::types::Refusal;
use serde::{Deserialize, Serialize};

use crate::list::List;

/// The state, as a component or a test has it.
pub(crate) trait Store {
    fn get(&mut self, key: &str) -> Result<Option<Entry>, Refusal>;
    fn put(&mut self, key: &str, value: &[u8], expected: u64) -> Result<u64, Refusal>;
    fn delete(&mut self, key: &str) -> Result<(), Refusal>;
    fn keys(&mut self) -> Result<Vec<String>, Refusal>;
}

/// The state the host keeps.
pub(crate) struct Host;

impl Store for Host {
    fn get(&mut self, key: &str) -> Result<Option<Entry>, Refusal> {
        state::get(key)
    }
    fn put(&mut self, key: &str, value: &[u8], expected: u64) -> Result<u64, Refusal> {
        state::put(key, value, Some(expected))
    }
    fn delete(&mut self, key: &str) -> Result<(), Refusal> {
        state::delete(key, None)
    }
    fn keys(&mut self) -> Result<Vec<String>, Refusal> {
        state::keys("")
    }
}

/// What is stored under a conversation's id.
#[derive(Serialize, Deserialize)]
struct Stored {
    run: String,
    changed_ms: u64,
    list: List,
}

/// A list, and the revision it was read at.
pub(crate) struct Found {
    pub(crate) list: List,
    revision: u64,
}

/// The list of a conversation's turn. That of another turn, or what cannot be read, counts as an empty one.
pub(crate) fn read(store: &mut impl Store, session: &str, run: &str) -> Result<Found, Error> {
    let Some(entry) = store.get(session)? else {
        return Ok(Found { list: List::default(), revision: 0 });
    };
    let stored: Option<Stored> = serde_json::from_slice(&entry.value).ok();
    let list = stored.filter(|stored| stored.run == run).map(|stored| stored.list);
    Ok(Found { list: list.unwrap_or_default(), revision: entry.revision })
}

/// Writes the list; false when another call wrote since it was read. Makes room once when there is none.
pub(crate) fn write(
    store: &mut impl Store,
    session: &str,
    run: &str,
    found: &Found,
    now_ms: u64,
) -> Result<bool, Error> {
    let stored = Stored { run: run.to_owned(), changed_ms: now_ms, list: found.list.clone() };
    let value = serde_json::to_vec(&stored).map_err(|error| Error::other(error.to_string()))?;
    let mut put = store.put(session, &value, found.revision);
    if matches!(put, Err(Refusal::Limit(_))) {
        make_room(store, session)?;
        put = store.put(session, &value, found.revision);
    }
    match put {
        Ok(_) => Ok(true),
        Err(Refusal::Conflict) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Drops the older half of the lists of other conversations.
fn make_room(store: &mut impl Store, session: &str) -> Result<(), Error> {
    let mut others = Vec::new();
    for key in store.keys()?.into_iter().filter(|key| key != session) {
        let stored: Option<Stored> = store.get(&key)?.and_then(|entry| serde_json::from_slice(&entry.value).ok());
        others.push((stored.map_or(0, |stored| stored.changed_ms), key));
    }
    others.sort();
    others.truncate(others.len().div_ceil(2));
    for (_, key) in others {
        store.delete(&key)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod memory {
    //! A state in memory, with the rules of `wit/state.wit`.

    use super::*;
    use std::collections::BTreeMap;

    type Before = Box<dyn FnOnce(&mut Memory)>;

    #[derive(Default)]
    pub(crate) struct Memory {
        pub(crate) entries: BTreeMap<String, Entry>,
        pub(crate) most: Option<usize>,
        pub(crate) before: Option<Before>,
    }

    impl Memory {
        /// Does this before the next write, as a call made at the same time would.
        pub(crate) fn before_next_write(&mut self, what: impl FnOnce(&mut Self) + 'static) {
            self.before = Some(Box::new(what));
        }
    }

    impl Store for Memory {
        fn get(&mut self, key: &str) -> Result<Option<Entry>, Refusal> {
            Ok(self.entries.get(key).cloned())
        }
        fn put(&mut self, key: &str, value: &[u8], expected: u64) -> Result<u64, Refusal> {
            if let Some(before) = self.before.take() {
                before(self);
            }
            let revision = self.entries.get(key).map_or(0, |entry| entry.revision);
            if revision != expected {
                return Err(Refusal::Conflict);
            }
            let others: usize =
                self.entries.iter().filter(|(other, _)| *other != key).map(|(_, entry)| entry.value.len()).sum();
            if self.most.is_some_and(|most| others + value.len() > most) {
                return Err(Refusal::Limit("full".into()));
            }
            self.entries.insert(key.to_owned(), Entry { value: value.to_vec(), revision: revision + 1 });
            Ok(revision + 1)
        }
        fn delete(&mut self, key: &str) -> Result<(), Refusal> {
            self.entries.remove(key);
            Ok(())
        }
        fn keys(&mut self) -> Result<Vec<String>, Refusal> {
            Ok(self.entries.keys().cloned().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::memory::Memory;
    use super::*;
    use crate::list::{Item, Status};

    fn put(store: &mut Memory, session: &str, now_ms: u64) -> Result<bool, Error> {
        let mut found = read(store, session, "r")?;
        found.list = List::checked(vec![Item { text: "x".repeat(100), status: Status::Open }])?;
        write(store, session, "r", &found, now_ms)
    }

    #[test]
    fn when_there_is_no_room_the_oldest_lists_go_and_the_own_stays() {
        let mut store = Memory::default();
        assert!(put(&mut store, "own", 0).unwrap());
        for number in 1..=5 {
            assert!(put(&mut store, &format!("s{number:02}"), number).unwrap());
        }
        store.most = Some(store.entries.values().map(|entry| entry.value.len()).sum());
        // Written again it is a little longer, and there is no room for that.
        assert!(put(&mut store, "own", 10).unwrap());
        let keys: Vec<&str> = store.entries.keys().map(String::as_str).collect();
        assert_eq!(keys, ["own", "s04", "s05"]);
        assert_eq!(store.entries["own"].revision, 2);
    }

    #[test]
    fn what_cannot_be_read_is_replaced() {
        let mut store = Memory::default();
        store.entries.insert("s".into(), Entry { value: b"not JSON".to_vec(), revision: 7 });
        assert_eq!(read(&mut store, "s", "r").unwrap().list, List::default());
        assert!(put(&mut store, "s", 1).unwrap());
        assert_eq!(store.entries["s"].revision, 8);
    }

    #[test]
    fn a_refusal_that_is_no_conflict_is_told() {
        let mut store = Memory { most: Some(10), ..Memory::default() };
        assert_eq!(put(&mut store, "s", 1).unwrap_err().message, "full");
    }
}
