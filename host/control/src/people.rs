//! Who is known: adding people, their addresses and roles; showing, giving
//! out and forgetting what is kept about them.

mod export;

pub use cara_records::Kept;
pub use export::{ExportPerson, ExportedCall, ExportedFile, ExportedMessage, ExportedSession, PersonExport};

use crate::application::Application;
use crate::error::{Result, error, fail};
use crate::event::Events;
use crate::known_people::{find, person};
use crate::names::CONSOLE;
use crate::operation::{Operation, Route};
use cara_authority::{ComponentId, PersonAddress, PersonId, PersonRole, Principal, display_safe};
use cara_records::Person;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The longest name, characters.
const NAME: usize = 100;

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PersonRow {
    /// The person's id: of the operator's choice, and never changed.
    pub id: String,
    /// What the person is called; for showing only.
    pub name: String,
    /// What the person is to the assistant.
    pub role: PersonRole,
    /// The addresses by which channels know the person: `channel:account:user`.
    pub addresses: Vec<String>,
    /// Since when the person is known, Unix milliseconds; nothing for an owner without an entry.
    pub added_ms: Option<u64>,
}

impl From<Person> for PersonRow {
    fn from(person: Person) -> Self {
        let Person { id, name, role, addresses, added_ms } = person;
        let addresses = addresses.iter().map(ToString::to_string).collect();
        Self { id: id.to_string(), name, role, addresses, added_ms: (added_ms > 0).then_some(added_ms) }
    }
}

/// Lists everybody who is known, the owner first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListPeople {}

impl Operation for ListPeople {
    type View = Vec<PersonRow>;
    const ROUTE: Route =
        Route::get("people.list", "/control/v1/people", "List who is known, with roles and addresses.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        Ok(application.records().await?.people().await?.into_iter().map(PersonRow::from).collect())
    }
}

/// Somebody with how much is kept about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PersonView {
    /// The person.
    #[serde(flatten)]
    pub person: PersonRow,
    /// How much is kept.
    pub kept: Kept,
}

/// Shows somebody, and how much is kept about them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowPerson {
    /// The person; `owner` is the owner.
    pub id: String,
}

impl Operation for ShowPerson {
    type View = PersonView;
    const ROUTE: Route =
        Route::get("people.show", "/control/v1/people/{id}", "Show a person, and how much is kept about them.");

    async fn run(self, application: &Arc<Application>, _: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (person(&self.id)?, application.records().await?);
        let person = PersonRow::from(find(records, &id).await?);
        Ok(PersonView { person, kept: records.kept_about(&id).await? })
    }
}

/// What a person can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GivenRole {
    /// Somebody of the household or team.
    Member,
    /// Somebody who was let in to talk.
    Guest,
}

impl From<GivenRole> for PersonRole {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Member => Self::Member,
            GivenRole::Guest => Self::Guest,
        }
    }
}

/// Adds a person, or gives a known one another name or role.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamePerson {
    /// The person's id: lower-case letters, digits and `-`, of the operator's choice.
    pub id: String,
    /// One line of 1 to 100 characters; as it was when left out, and the id for somebody new.
    #[serde(default)]
    pub name: Option<String>,
    /// The role; as it was when left out, and guest for somebody new.
    #[serde(default)]
    pub role: Option<GivenRole>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NamedPerson {
    /// The person as they are now.
    #[serde(flatten)]
    pub person: PersonRow,
    /// Whether nobody was known by this id before.
    pub new: bool,
}

impl Operation for NamePerson {
    type View = NamedPerson;
    const ROUTE: Route =
        Route::put("people.name", "/control/v1/people/{id}", "Add a person, or change their name or role.").admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (person(&self.id)?, application.records().await?);
        let owner = id == PersonId::owner();
        if !owner && ComponentId::parse(id.as_str()).is_err() {
            fail!(
                Invalid,
                "`{}` is no id of a person\nhint: use 1 to 63 lower-case letters, digits and `-`; the name comes after it",
                display_safe(id.as_str())
            );
        }
        if owner && self.role.is_some() {
            fail!(Refused, "the owner stays the owner\nhint: leave `--role` out to change the name");
        }
        let name = self.name.as_deref().map(str::trim);
        if name.is_some_and(|name| name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control))
        {
            fail!(Invalid, "that is not a name\nhint: write one line of 1 to {NAME} characters");
        }
        let known = records.people().await?.into_iter().find(|person| person.id == id);
        let role = self.role.map(PersonRole::from).or(known.as_ref().map(|known| known.role));
        let name = name.map(str::to_owned).or_else(|| known.as_ref().map(|known| known.name.clone()));
        let name = name.unwrap_or_else(|| id.to_string());
        records.name_person(&id, &name, role.unwrap_or(PersonRole::Guest), by.door()).await?;
        application.people_changed().await?;
        Ok(NamedPerson { person: find(records, &id).await?.into(), new: known.is_none() })
    }
}

/// Links an address to a person: who writes from there is them from now on.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkAddress {
    /// The address: `channel:account:user`, by the platform's immutable id of the user.
    pub address: String,
    /// The person; `owner` is the owner.
    pub person: String,
}

impl Operation for LinkAddress {
    type View = PersonRow;
    const ROUTE: Route =
        Route::put("people.link", "/control/v1/addresses/{address}", "Link an address to a person.").admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let (id, address) = (person(&self.person)?, PersonAddress::parse(&self.address)?);
        if address.channel == CONSOLE {
            fail!(
                Invalid,
                "`{address}` is whoever has the account that holds the home\nhint: link an address of a channel"
            );
        }
        let records = application.records().await?;
        find(records, &id).await?;
        records.link_address(&id, &address, by.door()).await?;
        Ok(find(records, &id).await?.into())
    }
}

/// Takes an address away from whoever has it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlinkAddress {
    /// The address.
    pub address: String,
}

/// Whose address it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnlinkedAddress {
    /// The id of the person.
    pub person: String,
}

impl Operation for UnlinkAddress {
    type View = UnlinkedAddress;
    const ROUTE: Route =
        Route::delete("people.unlink", "/control/v1/addresses/{address}", "Take an address away from whoever has it.")
            .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let address = PersonAddress::parse(&self.address)?;
        let person = application.records().await?.unlink_address(&address, by.door()).await?;
        let none = || error!(NotFound, "`{address}` is nobody's address\nhint: `cara people list` shows who has which");
        Ok(UnlinkedAddress { person: person.ok_or_else(none)?.to_string() })
    }
}

/// Forgets a person with everything that is kept about them. There is no way back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetPerson {
    /// The person.
    pub id: String,
}

impl Operation for ForgetPerson {
    type View = Kept;
    const ROUTE: Route = Route::delete(
        "people.forget",
        "/control/v1/people/{id}",
        "Forget a person with everything that is kept about them.",
    )
    .admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let (id, records) = (person(&self.id)?, application.records().await?);
        let sessions = records.recent_sessions(Some(&id), u32::MAX).await?;
        let kept = records.forget_person(&id, &application.holder.process, by.door()).await?;
        for session in sessions {
            application.active_runs.forget(&session.id);
        }
        application.people_changed().await?;
        Ok(kept)
    }
}
