//! The list of each conversation in the component's state.

use cara_sdk::Error;
use cara_sdk::state;
use cara_sdk::types::Refusal;
use serde::{Deserialize, Serialize};

use crate::list::List;

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
pub(crate) fn read(session: &str, run: &str) -> Result<Found, Error> {
    let Some(entry) = state::get(session)? else {
        return Ok(Found { list: List::default(), revision: 0 });
    };
    let stored: Option<Stored> = serde_json::from_slice(&entry.value).ok();
    let list = stored.filter(|stored| stored.run == run).map(|stored| stored.list);
    Ok(Found { list: list.unwrap_or_default(), revision: entry.revision })
}

/// Writes the list; false when another call wrote since it was read. Makes room once when there is none.
pub(crate) fn write(session: &str, run: &str, found: &Found, now_ms: u64) -> Result<bool, Error> {
    let stored = Stored { run: run.to_owned(), changed_ms: now_ms, list: found.list.clone() };
    let value = serde_json::to_vec(&stored).map_err(|error| Error::other(error.to_string()))?;
    let mut put = state::put(session, &value, Some(found.revision));
    if matches!(put, Err(Refusal::Limit(_))) {
        make_room(session)?;
        put = state::put(session, &value, Some(found.revision));
    }
    match put {
        Ok(_) => Ok(true),
        Err(Refusal::Conflict) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Drops the older half of the lists of other conversations.
fn make_room(session: &str) -> Result<(), Error> {
    let mut others = Vec::new();
    for key in state::keys("")?.into_iter().filter(|key| key != session) {
        let stored: Option<Stored> = state::get(&key)?.and_then(|entry| serde_json::from_slice(&entry.value).ok());
        others.push((stored.map_or(0, |stored| stored.changed_ms), key));
    }
    others.sort();
    others.truncate(others.len().div_ceil(2));
    for (_, key) in others {
        state::delete(&key, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::list::{Item, Status};
    use cara_sdk::testing::MockHost;

    fn put(session: &str, now_ms: u64) -> Result<bool, Error> {
        let mut found = read(session, "r")?;
        found.list = List::checked(vec![Item { text: "x".repeat(100), status: Status::Open }])?;
        write(session, "r", &found, now_ms)
    }

    #[test]
    fn when_there_is_no_room_the_oldest_lists_go_and_the_own_stays() {
        let mock = MockHost::new();
        let size = mock.run(|| {
            assert!(put("own", 0).unwrap());
            for number in 1..=5 {
                assert!(put(&format!("s{number:02}"), number).unwrap());
            }
            let keys = state::keys("").unwrap();
            keys.iter().map(|key| key.len() + state::get(key).unwrap().unwrap().value.len()).sum()
        });
        // Written again it is a little longer, and there is no room for that.
        let mock = mock.state_bytes(size);
        assert!(mock.run(|| put("own", 10)).unwrap());
        assert_eq!(mock.run(|| state::keys("")).unwrap(), ["own", "s04", "s05"]);
    }

    #[test]
    fn what_cannot_be_read_is_replaced() {
        let mock = MockHost::new().state("s", "not JSON");
        mock.run(|| {
            assert_eq!(read("s", "r").unwrap().list, List::default());
            assert!(put("s", 1).unwrap());
        });
        assert_eq!(mock.run(|| read("s", "r")).unwrap().list.shown().lines().count(), 1);
    }

    #[test]
    fn a_refusal_that_is_no_conflict_is_told() {
        let error = MockHost::new().state_bytes(10).run(|| put("s", 1)).unwrap_err();
        assert!(error.message.contains("at most 10 bytes"), "{}", error.message);
    }
}
