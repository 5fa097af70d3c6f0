//! A to-do list, and how a model sees it.

use cara_sdk::Error;
use serde::{Deserialize, Serialize};

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Open,
    Doing,
    Done,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) text: String,
    pub(crate) status: Status,
}

/// What there is to do, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct List(Vec<Item>);

/// The most items of a list.
const ITEMS: usize = 30;

/// The most characters of an item.
const TEXT: usize = 200;

impl List {
    /// A list of these items, each on one line.
    pub(crate) fn checked(mut items: Vec<Item>) -> Result<Self, Error> {
        if items.len() > ITEMS {
            let number = items.len();
            return Err(Error::bad_request(format!("a list has at most {ITEMS} items, this one has {number}")));
        }
        for (index, item) in items.iter_mut().enumerate() {
            item.text = item.text.split_whitespace().collect::<Vec<_>>().join(" ");
            match item.text.chars().count() {
                1..=TEXT => {}
                0 => return Err(Error::bad_request(format!("item {} has no text", index + 1))),
                length => {
                    let text = format!("item {} has {length} characters, at most {TEXT} are kept", index + 1);
                    return Err(Error::bad_request(text));
                }
            }
        }
        Ok(Self(items))
    }

    /// Changes the status of the item with this number, from 1.
    pub(crate) fn update(&mut self, index: usize, status: Status) -> Result<(), Error> {
        let number = self.0.len();
        match index.checked_sub(1).and_then(|index| self.0.get_mut(index)) {
            Some(item) => item.status = status,
            None if number == 0 => {
                return Err(Error::bad_request("there is no list yet in this turn; write one with `plan_set`"));
            }
            None => return Err(Error::bad_request(format!("there is no item {index}; they are 1 to {number}"))),
        }
        Ok(())
    }

    /// The list for reading.
    pub(crate) fn shown(&self) -> String {
        if self.0.is_empty() {
            return "the list is empty".to_owned();
        }
        let sign = |status| match status {
            Status::Open => ' ',
            Status::Doing => '>',
            Status::Done => 'x',
        };
        let one = |(index, item): (usize, &Item)| format!("{}. [{}] {}", index + 1, sign(item.status), item.text);
        self.0.iter().enumerate().map(one).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn item(text: &str) -> Item {
        Item { text: text.into(), status: Status::Open }
    }

    #[test]
    fn an_item_is_one_line_whatever_is_in_it() {
        let list = List::checked(vec![item(" a\n2. [x] b "), item("c")]).unwrap();
        assert_eq!(list.shown(), "1. [ ] a 2. [x] b\n2. [ ] c");
        assert_eq!(List::default().shown(), "the list is empty");
    }

    #[test]
    fn what_is_too_much_or_nothing_is_refused() {
        assert!(List::checked(vec![item("a"); 30]).is_ok());
        assert!(List::checked(vec![item("a"); 31]).unwrap_err().message.contains("31"));
        assert!(List::checked(vec![item("a"), item("\u{a0}")]).unwrap_err().message.contains("item 2"));
        assert!(List::checked(vec![item(&"å".repeat(200))]).is_ok());
        assert!(List::checked(vec![item(&"å".repeat(201))]).is_err());
    }

    #[test]
    fn an_item_that_does_not_exist_is_an_error_that_says_which_do() {
        let mut list = List::checked(vec![item("a"), item("b")]).unwrap();
        list.update(2, Status::Doing).unwrap();
        assert_eq!(list.shown(), "1. [ ] a\n2. [>] b");
        for index in [0, 3, usize::MAX] {
            assert!(list.update(index, Status::Done).unwrap_err().message.contains("1 to 2"));
        }
    }
}
