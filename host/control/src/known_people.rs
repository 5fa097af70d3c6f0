//! People, as they are named by who types.

use crate::configuration::Config;
use crate::error::{ErrorKind, Result, fail};
use crate::near_names::near_name;
use cara_authority::{PersonId, PersonRole, display_safe};
use cara_records::{Person, Records};

/// What the owner is called where a person is typed.
const OWNER: &str = "owner";

/// The person that a text names: `owner`, or an id.
pub(crate) fn person(text: &str) -> Result<PersonId> {
    Ok(if text == OWNER { PersonId::owner() } else { PersonId::parse(text)? })
}

/// Whether everybody whom the configuration has decide, asks somewhere, or gives a budget, is known, and no guest decides.
pub(crate) async fn check(records: &Records, config: &Config, shown: &str) -> Result<()> {
    let settings = &config.approvals;
    for (key, id) in
        settings.deciders.iter().map(|id| ("deciders", id)).chain(settings.ask_at.keys().map(|id| ("ask-at", id)))
    {
        let known = find(records, &person(id.as_str())?).await;
        let known =
            known.map_err(|error| error.kind(ErrorKind::Invalid).context(format!("`{shown}`: `approvals.{key}`")))?;
        if key == "deciders" && known.role == PersonRole::Guest {
            fail!(
                Invalid,
                "`{shown}`: `approvals.deciders` has `{id}`, a guest, who decides nothing\n\
                 hint: `cara people name {id} --role member` makes a member of them"
            );
        }
    }
    for id in config.budget.person.keys() {
        let known = find(records, &person(id.as_str())?).await;
        known.map_err(|error| error.kind(ErrorKind::Invalid).context(format!("`{shown}`: `[budget.person.{id}]`")))?;
    }
    Ok(())
}

/// The person with this id, or an error that says how to find one.
pub(crate) async fn find(records: &Records, id: &PersonId) -> Result<Person> {
    let people = records.people().await?;
    if let Some(known) = people.iter().find(|person| person.id == *id) {
        return Ok(known.clone());
    }
    let near = near_name(id.as_str(), people.iter().map(|person| person.id.as_str()));
    let cure = near.map_or_else(
        || "`cara people list` shows who is; `cara people name ID` adds somebody".to_owned(),
        |near| format!("`{near}`, if you mean that one; `cara people list` shows all"),
    );
    fail!(NotFound, "nobody is known as `{}`\nhint: {cure}", display_safe(id.as_str()))
}
