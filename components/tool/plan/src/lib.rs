//! The to-do list of a turn.
//!
//! Kept in the state under the conversation's id, with the turn it belongs to.

use cara_sdk::tool::{Content, Context, Tool, read_arguments, say, unknown};
use cara_sdk::{Error, clock};
use serde::Deserialize;

mod list;
mod store;

use list::{Item, List, Status};

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
                changed(&context, |now| {
                    *now = list.clone();
                    Ok(())
                })
            }
            "plan_update" => {
                let Update { index, status } = read_arguments(&arguments)?;
                changed(&context, |now| now.update(index, status))
            }
            "plan_show" => say(store::read(&context.session, &context.run)?.list.shown()),
            other => Err(unknown(other)),
        }
    }
}

/// Changes the list and says what it then is. When another call was faster, the change is made to what that one wrote.
fn changed(context: &Context, change: impl Fn(&mut List) -> Result<(), Error>) -> Result<Vec<Content>, Error> {
    for _ in 0..5 {
        let mut found = store::read(&context.session, &context.run)?;
        change(&mut found.list)?;
        if store::write(&context.session, &context.run, &found, clock::now_ms())? {
            return say(found.list.shown());
        }
    }
    Err(Error::other("other calls changed the list at the same time; try again"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;
    use cara_sdk::testing::MockHost;

    fn call(run: &str, name: &str, arguments: &str) -> Result<String, Error> {
        let context = Context { session: "s".into(), run: run.into(), time_zone: None, language: None };
        match Plan::call(name.into(), arguments.into(), context)?.remove(0) {
            Content::Text(text) => Ok(text),
            other => panic!("{other:?}"),
        }
    }

    const LIST: &str = r#"{"items":[{"text":"look","status":"open"},{"text":"think","status":"open"}]}"#;

    #[test]
    fn a_list_lasts_for_its_turn_and_the_next_begins_with_none() {
        MockHost::new().run(|| {
            call("r1", "plan_set", LIST).unwrap();
            let after = call("r1", "plan_update", r#"{"index":2,"status":"done"}"#).unwrap();
            assert_eq!(after, "1. [ ] look\n2. [x] think");
            assert_eq!(call("r1", "plan_show", "{}").unwrap(), after);
            let error = call("r2", "plan_update", r#"{"index":2,"status":"done"}"#).unwrap_err();
            assert!(error.message.contains("there is no list yet"), "{}", error.message);
        });
    }

    #[test]
    fn a_change_made_at_the_same_time_is_not_lost() {
        let mock = MockHost::new();
        mock.run(|| call("r1", "plan_set", LIST)).unwrap();
        let mock = mock.before_put(|| drop(call("r1", "plan_update", r#"{"index":1,"status":"done"}"#).unwrap()));
        let after = mock.run(|| call("r1", "plan_update", r#"{"index":2,"status":"doing"}"#)).unwrap();
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
            let error = call("r", name, arguments).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadRequest, "{name} {arguments}");
        }
    }
}
