//! Who is let in, and who is not any more; the registry itself is asked in
//! `cara-services`.

use super::Records;
use cara_authority::{PersonAddress, PersonId, PersonRole};
use cara_services::ledger::records::{About, Person, Spot, about_spot, address_lookup, with_address};
use cara_services::ledger::sql::{As, Sql, query, query_as};
use cara_services::ledger::{LedgerError, to_sql};
use serde_json::{Value, json};

/// Why a person is not named.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// Somebody else had this id, and what is marked as theirs would be the new person's.
    #[error("somebody was known as `{0}` and forgotten: an id is one person's for good\nhint: choose another id")]
    Forgotten(PersonId),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
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

impl Records {
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

    /// The role of a person now; nothing of whom the registry does not know.
    pub async fn role(&self, id: &PersonId) -> Result<Option<PersonRole>, LedgerError> {
        let roles = self.roles(&mut self.ledger.reader().await?.sql()).await?;
        Ok(roles.get(id).copied())
    }

    /// Adds a person, or gives a known one another name and role; with an event. The owner stays the owner.
    pub async fn name_person(&self, id: &PersonId, name: &str, role: PersonRole, by: &str) -> Result<(), NameError> {
        let role = if *id == PersonId::owner() { PersonRole::Owner } else { role.min(PersonRole::Member) };
        let about = About { name: name.to_owned(), role };
        let about = self.seal.seal_json(about_spot(&[id.as_str()]), &about)?;
        let mut change = self.ledger.change().await?;
        let had = query_as::<(i64,)>(
            "SELECT CAST(1 AS BIGINT) FROM events WHERE kind = 'person-forgotten' AND subject = $1 LIMIT 1",
        );
        if change.sql().one(had.bind(id.as_str())).await?.is_some() {
            return Err(NameError::Forgotten(id.clone()));
        }
        let query = query(
            "INSERT INTO persons (id, about, added_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET about = excluded.about",
        );
        let query = query.bind(id.as_str()).bind(about).bind(to_sql(self.ledger.now_ms()));
        change.sql().execute(query).await?;
        change.event("person-named", id.as_str(), json!({ "role": role, "by": by })).await?;
        Ok(change.commit().await?)
    }

    /// Links an address to a person, with an event; twice is as good as once.
    pub async fn link_address(&self, id: &PersonId, address: &PersonAddress, by: &str) -> Result<(), LinkError> {
        let text = address.to_string();
        let lookup = address_lookup(&self.seal, address);
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
        change.event("address-linked", id.as_str(), told(address, by)).await?;
        change.commit().await?;
        Ok(())
    }

    /// Takes an address away from whoever has it, with an event; says whose it was.
    pub async fn unlink_address(&self, address: &PersonAddress, by: &str) -> Result<Option<PersonId>, LedgerError> {
        let lookup = address_lookup(&self.seal, address);
        let mut change = self.ledger.change().await?;
        let query = query_as::<(As<PersonId>,)>("DELETE FROM person_addresses WHERE lookup = $1 RETURNING person");
        let Some((person,)) = change.sql().one(query.bind(&lookup[..])).await? else { return Ok(None) };
        change.event("address-unlinked", person.0.as_str(), told(address, by)).await?;
        change.commit().await?;
        Ok(Some(person.0))
    }

    /// The addresses of a person, as they are within a change.
    pub(crate) async fn addresses(&self, sql: &mut Sql<'_>, id: &PersonId) -> Result<Vec<PersonAddress>, LedgerError> {
        let query = query_as::<(Vec<u8>, Vec<u8>)>("SELECT lookup, address FROM person_addresses WHERE person = $1");
        let mut addresses = Vec::new();
        for (lookup, sealed) in sql.all(query.bind(id.as_str())).await? {
            let read = |spot: Spot<'_>| {
                let text: String = self.seal.open_json(spot, sealed)?;
                PersonAddress::parse(&text).map_err(|_| self.seal.tampered(spot))
            };
            addresses.push(with_address(&lookup, id, read)?);
        }
        Ok(addresses)
    }

    /// Removes a person and their addresses from the registry, within a change. The owner stays.
    pub(crate) async fn remove_person(&self, sql: &mut Sql<'_>, id: &PersonId) -> Result<bool, LedgerError> {
        let query = query("DELETE FROM persons WHERE id = $1").bind(id.as_str());
        Ok(*id != PersonId::owner() && sql.execute(query).await? > 0)
    }
}

/// What the audit log says of an address: not whose it is on the platform, for nothing is ever taken out of the log.
fn told(address: &PersonAddress, by: &str) -> Value {
    json!({ "channel": address.channel, "account": address.account, "by": by })
}
