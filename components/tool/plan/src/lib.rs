//! The to-do list of a turn.
//!
//! Kept in the state under the conversation's id, with the turn it belongs to.

use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, clock};
use serde::Deserialize;

mod list;
mod store;

use list::{Item, List, Status};
use store::{Host, Store};

/// The component.
#[derive(Debug)]
pub struct Plan;

cara_sdk::export_tool!(Plan);

#[derive(Deserialize)]
struct Set {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Update {
    index: usize,
    status: Status,
}

impl Tool for Plan {
    fn call(name: String, arguments: String, context: Context) -> Result<Vec<Content>, Error> {
        match name.as_str() {
            "plan_set" => {
                let list = List::checked(read_arguments::<Set>(&arguments)?.items)?;
                changed(&mut Host, &context, clock::now_ms, |now| {
                    *now = list.clone();
                    Ok(())
                })
            }
            "plan_update" => {
                let Update { index, status } = read_arguments(&arguments)?;
                changed(&mut Host, &context, clock::now_ms, |now| now.update(index, status))
            }
            "plan_show" => say(store::read(&mut Host, &context.session, &context.run)?.list.shown()),
            other => Err(unknown(other)),
        }
    }
}

/// Changes the list and says what it then is. When another call was faster, the change is made to what that one wrote.
fn changed(
    store: &mut impl Store,
    context: &Context,
    now_ms: impl Fn() -> u64,
    change: impl Fn(&mut List) -> Result<(), Error>,
) -> Result<Vec<Content>, Error> {
    for _ in 0..5 {
        let mut found = store::read(store, &context.session, &context.run)?;
        change(&mut found.list)?;
        if store::write(store, &context.session, &context.run, &found, now_ms())? {
            return say(found.list.shown());
        }
    }
    Err(Error::other("other calls changed the list at the same time; try again"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::memory::Memory;
    use cara_sdk::ErrorKind;

    fn context(run: &str) -> Context {
        Context { session: "s".into(), run: run.into(), time_zone: None, language: None }
    }

    fn set(store: &mut Memory, run: &str, texts: &[&str]) -> String {
        let items = texts.iter().map(|text| Item { text: (*text).into(), status: Status::Open }).collect();
        let list = List::checked(items).unwrap();
        told(changed(
            store,
            &context(run),
            || 1,
            |now| {
                *now = list.clone();
                Ok(())
            },
        ))
    }

    fn told(answer: Result<Vec<Content>, Error>) -> String {
        match answer.unwrap().remove(0) {
            Content::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_lasts_for_its_turn_and_the_next_begins_with_none() {
        let mut store = Memory::default();
        set(&mut store, "r1", &["look", "think"]);
        let after = told(changed(&mut store, &context("r1"), || 2, |list| list.update(2, Status::Done)));
        assert_eq!(after, "1. [ ] look\n2. [x] think");
        let error = changed(&mut store, &context("r2"), || 3, |list| list.update(2, Status::Done)).unwrap_err();
        assert!(error.message.contains("there is no list yet"), "{}", error.message);
    }

    #[test]
    fn a_change_made_at_the_same_time_is_not_lost() {
        let mut store = Memory::default();
        set(&mut store, "r1", &["look", "think"]);
        store.before_next_write(|store| {
            told(changed(store, &context("r1"), || 2, |list| list.update(1, Status::Done)));
        });
        let after = told(changed(&mut store, &context("r1"), || 2, |list| list.update(2, Status::Doing)));
        assert_eq!(after, "1. [x] look\n2. [>] think");
    }

    #[test]
    fn arguments_that_do_not_fit_are_a_bad_request_before_the_state_is_asked() {
        let long = format!(r#"{{"items":[{{"text":"{}","status":"open"}}]}}"#, "å".repeat(201));
        for (name, arguments) in [
            ("plan_set", "{}"),
            ("plan_set", r#"{"items":[{"text":"a","status":"maybe"}]}"#),
            ("plan_set", r#"{"items":[{"text":" ","status":"open"}]}"#),
            ("plan_set", &long),
            ("plan_update", r#"{"index":-1,"status":"done"}"#),
            ("plan_update", r#"{"index":1}"#),
        ] {
            let error = Plan::call(name.into(), arguments.into(), context("r")).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{name} {arguments}");
        }
    }
}
