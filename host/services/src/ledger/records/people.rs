//! The registry of people: who is known, in which role, by which addresses.
//!
//! It is asked at every door and at every answer to a request. Names, roles and addresses are sealed, so that who has the
//! file and not the key lets nobody in. The owner is always there, with or without an entry.

use super::Runs;
use super::seal::{Seal, Spot};
use crate::ledger::LedgerError;
use crate::ledger::sql::{As, Number, Sql, query_as};
use cara_authority::{PersonAddress, PersonId, PersonRole, Principal};
use serde::{Deserialize, Serialize};
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
pub struct About {
    /// What the person is called.
    pub name: String,
    /// What the person is to the assistant.
    pub role: PersonRole,
}

/// Where name and role of a person stand.
pub fn about_spot<'a>(row: &'a [&'a str; 1]) -> Spot<'a> {
    Spot { table: "persons", column: "about", row }
}

/// What an address is found by.
pub fn address_lookup(seal: &Seal, address: &PersonAddress) -> [u8; 32] {
    seal.lookup("person address", &[address.to_string().as_bytes()])
}

/// Where an address stands, with whose it is: it cannot be given to somebody else in the file.
pub fn with_address<T>(lookup: &[u8], person: &PersonId, with: impl FnOnce(Spot<'_>) -> T) -> T {
    with(Spot { table: "person_addresses", column: "address", row: &[&hex::encode(lookup), person.as_str()] })
}

impl Runs {
    /// The principal that an address stands for, to a door whose channel authenticated it; nobody when it is not linked.
    pub async fn principal(&self, address: &PersonAddress, door: &str) -> Result<Option<Principal>, LedgerError> {
        let mut reader = self.ledger.reader().await?;
        let sql = &mut reader.sql();
        let lookup = address_lookup(&self.seal, address);
        let query =
            query_as::<(As<PersonId>, Vec<u8>)>("SELECT person, address FROM person_addresses WHERE lookup = $1");
        let Some((person, sealed)) = sql.one(query.bind(&lookup[..])).await? else { return Ok(None) };
        with_address(&lookup, &person.0, |spot| self.seal.open(spot, sealed))?;
        let role = self.roles(sql).await?.get(&person.0).copied();
        Ok(role.map(|role| Principal::of_address(person.0, role, door)))
    }

    /// The principal of an address that nobody linked, where strangers may talk: a guest, who decides nothing.
    pub fn stranger(&self, address: &PersonAddress, door: &str) -> Principal {
        let lookup = hex::encode(&address_lookup(&self.seal, address)[..16]);
        let person = PersonId::parse(&format!("stranger:{lookup}")).expect("hexadecimal digits after a word are an id");
        Principal::of_address(person, PersonRole::Guest, door)
    }

    /// The roles of all who are known now.
    pub async fn roles(&self, sql: &mut Sql<'_>) -> Result<BTreeMap<PersonId, PersonRole>, LedgerError> {
        let people = self.read_people(sql).await?;
        Ok(people.into_iter().map(|person| (person.id, person.role)).collect())
    }

    /// The roles of all who may decide anything: a guest may not.
    pub async fn deciding(&self, sql: &mut Sql<'_>) -> Result<BTreeMap<PersonId, PersonRole>, LedgerError> {
        Ok(self.roles(sql).await?.into_iter().filter(|(_, role)| *role != PersonRole::Guest).collect())
    }

    /// Everybody who is known, the owner first, without their addresses.
    pub async fn read_people(&self, sql: &mut Sql<'_>) -> Result<Vec<Person>, LedgerError> {
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
}
