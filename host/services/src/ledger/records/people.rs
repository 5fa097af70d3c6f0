//! The registry of people: who is known, in which role, by which addresses.
//!
//! It is asked at every door and at every answer to a request. Names, roles and addresses are sealed, so that who has the
//! file and not the key lets nobody in. The owner is always there, with or without an entry.

use super::Runs;
use super::seal::{Seal, Spot};
use crate::ledger::sql::{As, Number, Sql, query, query_as};
use crate::ledger::{LedgerError, to_sql};
use cara_authority::{PersonAddress, PersonId, PersonRole, Principal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person's id, as the operator chose it.
    pub id: PersonId,
    /// What the person is called; for showing only.
    pub name: String,
    /// What the person is to the assistant.
    pub role: PersonRole,
    /// The addresses by which channels know the person.
    pub addresses: Vec<PersonAddress>,
    /// Since when the person is known, Unix milliseconds.
    pub added_ms: u64,
}

/// What is sealed of a person.
#[derive(Serialize, Deserialize)]
struct About {
    name: String,
    role: PersonRole,
}

/// Why an address is not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is somebody else's.
    #[error("`{address}` is an address of `{person}`\nhint: `cara people unlink {address}` takes it away first")]
    Taken {
        /// The address.
        address: String,
        /// Whose it is.
        person: PersonId,
    },
    /// Nobody has this id.
    #[error("nobody is known as `{0}`\nhint: `cara people list` shows who is; `cara people name {0}` adds somebody")]
    NoSuch(PersonId),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

fn about_spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "persons", column: "about", row }
}

fn lookup(seal: &Seal, address: &PersonAddress) -> [u8; 32] {
    seal.lookup("person address", &[address.to_string().as_bytes()])
}

/// Sealed with whose it is: an address cannot be given to somebody else in the file.
fn with_address<T>(lookup: &[u8], person: &PersonId, with: impl FnOnce(Spot<'_>) -> T) -> T {
    with(Spot { table: "person_addresses", column: "address", row: &[&hex::encode(lookup), person.as_str()] })
}

impl Runs {
    /// The principal that an address stands for, to a door whose channel authenticated it; nobody when it is not linked.
    pub async fn principal(&self, address: &PersonAddress, door: &str) -> Result<Option<Principal>, LedgerError> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let lookup = lookup(&self.seal, address);
        let query =
            query_as::<(As<PersonId>, Vec<u8>)>("SELECT person, address FROM person_addresses WHERE lookup = $1");
        let Some((person, sealed)) = sql.one(query.bind(&lookup[..])).await? else { return Ok(None) };
        with_address(&lookup, &person.0, |spot| self.seal.open(spot, sealed))?;
        let role = self.roles(sql).await?.get(&person.0).copied();
        Ok(role.map(|role| Principal::of_address(person.0, role, door)))
    }

    /// The roles of all who are known now.
    pub(super) async fn roles(&self, sql: &mut Sql<'_>) -> Result<BTreeMap<PersonId, PersonRole>, LedgerError> {
        let people = self.read_people(sql).await?;
        Ok(people.into_iter().map(|person| (person.id, person.role)).collect())
    }

    /// Everybody who is known, the owner first.
    pub async fn people(&self) -> Result<Vec<Person>, LedgerError> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let mut people = self.read_people(sql).await?;
        let query = query_as::<(Vec<u8>, As<PersonId>, Vec<u8>)>(
            "SELECT lookup, person, address FROM person_addresses ORDER BY linked_ms, lookup",
        );
        for (lookup, person, sealed) in sql.all(query).await? {
            let address: String = with_address(&lookup, &person.0, |spot| self.seal.open_json(spot, sealed))?;
            if let (Some(of), Ok(address)) =
                (people.iter_mut().find(|known| known.id == person.0), PersonAddress::parse(&address))
            {
                of.addresses.push(address);
            }
        }
        Ok(people)
    }

    async fn read_people(&self, sql: &mut Sql<'_>) -> Result<Vec<Person>, LedgerError> {
        let query = query_as::<(As<PersonId>, Vec<u8>, Number)>(
            "SELECT id, about, added_ms FROM persons ORDER BY added_ms, id",
        );
        let owner = PersonId::owner();
        let (name, addresses) = ("owner".to_owned(), Vec::new());
        let mut people = vec![Person { id: owner.clone(), name, role: PersonRole::Owner, addresses, added_ms: 0 }];
        for (id, about, added_ms) in sql.all(query).await? {
            let about: About = self.seal.open_json(about_spot(&[id.0.as_str()]), about)?;
            if id.0 == owner {
                (people[0].name, people[0].added_ms) = (about.name, added_ms.0);
            } else {
                let (name, role, addresses) = (about.name, about.role, Vec::new());
                people.push(Person { id: id.0, name, role, addresses, added_ms: added_ms.0 });
            }
        }
        Ok(people)
    }

    /// Adds a person, or gives a known one another name and role; with an event. The owner stays the owner.
    pub async fn name_person(&self, id: &PersonId, name: &str, role: PersonRole, by: &str) -> Result<(), LedgerError> {
        let role = if *id == PersonId::owner() { PersonRole::Owner } else { role.min(PersonRole::Member) };
        let about = About { name: name.to_owned(), role };
        let about = self.seal.seal_json(about_spot(&[id.as_str()]), &about)?;
        let mut change = self.ledger.change().await?;
        let query = query(
            "INSERT INTO persons (id, about, added_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET about = excluded.about",
        );
        let query = query.bind(id.as_str()).bind(about).bind(to_sql(self.ledger.now_ms()));
        change.sql().execute(query).await?;
        change.event("person-named", id.as_str(), json!({ "role": role, "by": by })).await?;
        change.commit().await
    }

    /// Links an address to a person, with an event; twice is as good as once.
    pub async fn link_address(&self, id: &PersonId, address: &PersonAddress, by: &str) -> Result<(), LinkError> {
        let text = address.to_string();
        let lookup = lookup(&self.seal, address);
        let sealed = with_address(&lookup, id, |spot| self.seal.seal_json(spot, &text))?;
        let mut change = self.ledger.change().await?;
        let sql = &mut change.sql();
        if !self.roles(sql).await?.contains_key(id) {
            return Err(LinkError::NoSuch(id.clone()));
        }
        let known = query_as::<(As<PersonId>,)>("SELECT person FROM person_addresses WHERE lookup = $1");
        match sql.one(known.bind(&lookup[..])).await? {
            Some((person,)) if person.0 == *id => return Ok(()),
            Some((person,)) => return Err(LinkError::Taken { address: text, person: person.0 }),
            None => {}
        }
        let now_ms = to_sql(self.ledger.now_ms());
        if *id == PersonId::owner() {
            let about = About { name: "owner".to_owned(), role: PersonRole::Owner };
            let about = self.seal.seal_json(about_spot(&[id.as_str()]), &about)?;
            let query =
                query("INSERT INTO persons (id, about, added_ms) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING");
            sql.execute(query.bind(id.as_str()).bind(about).bind(now_ms)).await?;
        }
        let query = query("INSERT INTO person_addresses (lookup, person, address, linked_ms) VALUES ($1, $2, $3, $4)");
        sql.execute(query.bind(&lookup[..]).bind(id.as_str()).bind(sealed).bind(now_ms)).await?;
        change.event("address-linked", id.as_str(), json!({ "address": text, "by": by })).await?;
        change.commit().await?;
        Ok(())
    }

    /// Takes an address away from whoever has it, with an event; says whose it was.
    pub async fn unlink_address(&self, address: &PersonAddress, by: &str) -> Result<Option<PersonId>, LedgerError> {
        let lookup = lookup(&self.seal, address);
        let mut change = self.ledger.change().await?;
        let query = query_as::<(As<PersonId>,)>("DELETE FROM person_addresses WHERE lookup = $1 RETURNING person");
        let Some((person,)) = change.sql().one(query.bind(&lookup[..])).await? else { return Ok(None) };
        let detail = json!({ "address": address.to_string(), "by": by });
        change.event("address-unlinked", person.0.as_str(), detail).await?;
        change.commit().await?;
        Ok(Some(person.0))
    }

    /// Removes a person from the registry within a change that removes what is kept about them; with an event. The owner
    /// stays.
    pub async fn remove_person(
        &self,
        change: &mut crate::ledger::Change<'_>,
        id: &PersonId,
        by: &str,
    ) -> Result<bool, LedgerError> {
        let query = query("DELETE FROM persons WHERE id = $1").bind(id.as_str());
        let gone = *id != PersonId::owner() && change.sql().execute(query).await? > 0;
        if gone {
            change.event("person-removed", id.as_str(), json!({ "by": by })).await?;
        }
        Ok(gone)
    }
}
