//! Who acts, as a door has proved it; and who may decide a request.

use crate::id::{CredentialId, PersonId};
use crate::scope::{Allowance, Scope};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::sync::Arc;

crate::words! {
    /// What a person is to the assistant.
    PersonRole {
        /// Somebody who was let in to talk, with what the operator allows guests.
        Guest = "guest",
        /// Somebody of the household or team.
        Member = "member",
        /// The person whose assistant it is.
        Owner = "owner",
    }
}

/// Having a `Principal` tells you: a door has authenticated this person, this was their role then, and this is what they may
/// do with what they showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    person: PersonId,
    role: PersonRole,
    door: String,
    allowance: Arc<Allowance>,
    credential: Option<CredentialId>,
}

impl Principal {
    /// The owner, where the operating system says that a process is of the account that holds the home.
    pub fn of_account(door: &str) -> Self {
        let (person, role, door) = (PersonId::owner(), PersonRole::Owner, door.to_owned());
        Self { person, role, door, allowance: Arc::new(Allowance::whole()), credential: None }
    }

    /// A person whom the registry of people knows by an address that a channel's account authenticated.
    pub fn of_address(person: PersonId, role: PersonRole, door: &str) -> Self {
        let allowance = Arc::new(Allowance::of(&[Scope::Chat, Scope::Approve]));
        Self { person, role, door: door.to_owned(), allowance, credential: None }
    }

    /// A person who showed a credential that holds.
    pub fn of_credential(
        person: PersonId,
        role: PersonRole,
        door: &str,
        (id, allowance): (CredentialId, Arc<Allowance>),
    ) -> Self {
        Self { person, role, door: door.to_owned(), allowance, credential: Some(id) }
    }

    /// The person.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// The person's role when the door authenticated them.
    pub fn role(&self) -> PersonRole {
        self.role
    }

    /// The door.
    pub fn door(&self) -> &str {
        &self.door
    }

    /// What may be done of what the person may.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Whether what was shown is for this use.
    pub fn has(&self, scope: Scope) -> bool {
        self.allowance.scopes.contains(&scope)
    }

    /// Whether this agent may be talked to.
    pub fn may_talk_to(&self, agent: &str) -> bool {
        self.allowance.agents.as_ref().is_none_or(|agents| agents.contains(agent))
    }

    /// The credential that was shown; none at a door of the account or of a channel.
    pub fn credential(&self) -> Option<&CredentialId> {
        self.credential.as_ref()
    }

    /// The person as one who decides, with where the answer was given.
    pub fn deciding(&self, place: &str) -> Decider {
        Decider { person: self.person.clone(), place: place.to_owned() }
    }
}

/// Having a `Decider` tells you: a door has authenticated the person who answers. Whether that person may decide is asked
/// when the answer is kept: roles may have changed since.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decider {
    person: PersonId,
    place: String,
}

impl Decider {
    /// The person.
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Where the answer was given: `prompt`, `cara approvals`.
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// How many of those who may decide a request have to say yes. One no is a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needed {
    /// One of them.
    #[default]
    Any,
    /// Every one.
    All,
    /// So many of them; all where there are fewer.
    Number(NonZeroU8),
}

/// Who may decide a request, and how many of them have to agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deciders {
    /// Those who may.
    pub persons: BTreeSet<PersonId>,
    /// How many have to agree.
    pub needed: Needed,
}

impl Deciders {
    /// One person alone.
    pub fn only(person: PersonId) -> Self {
        Self { persons: [person].into(), needed: Needed::Any }
    }

    /// Whether those who said yes are enough, given the roles of all who may decide anything now. Nobody's yes counts who may
    /// not decide; a request that nobody may decide is never allowed.
    pub fn are_satisfied(&self, said_yes: &BTreeSet<PersonId>, roles: &BTreeMap<PersonId, PersonRole>) -> bool {
        let able = || self.persons.iter().filter(|person| roles.contains_key(person));
        able().filter(|person| said_yes.contains(person)).count() >= self.needed()
    }

    /// How many have to agree.
    pub fn needed(&self) -> usize {
        let all = self.persons.len();
        let needed = match self.needed {
            Needed::Any => 1,
            Needed::All => all,
            Needed::Number(number) => usize::from(number.get()).min(all),
        };
        needed.max(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn people(names: &[&str]) -> BTreeSet<PersonId> {
        names.iter().map(|name| PersonId::parse(name).unwrap()).collect()
    }

    #[test]
    fn as_many_have_to_agree_as_the_request_names() {
        let roles = people(&["anna", "ben", "cleo"]).into_iter().map(|person| (person, PersonRole::Member)).collect();
        let agree = |of: &[&str], needed, yes: &[&str]| {
            Deciders { persons: people(of), needed }.are_satisfied(&people(yes), &roles)
        };
        let two = Needed::Number(NonZeroU8::new(2).unwrap());
        assert!(agree(&["anna", "ben"], Needed::Any, &["ben"]) && !agree(&["anna"], Needed::Any, &["ben"]));
        assert!(
            agree(&["anna", "ben"], Needed::All, &["ben", "anna"]) && !agree(&["anna", "ben"], Needed::All, &["ben"])
        );
        assert!(
            agree(&["anna", "ben", "cleo"], two, &["ben", "cleo"]) && !agree(&["anna", "ben", "cleo"], two, &["ben"])
        );
        assert!(agree(&["anna"], two, &["anna"]), "all where there are fewer");
        // Who is forgotten, or never was, lets nothing through: not by being missing either.
        assert!(!agree(&["anna", "dora"], Needed::All, &["anna", "dora"]) && !agree(&["dora"], Needed::Any, &["dora"]));
        assert!(!agree(&[], Needed::All, &[]) && !agree(&[], Needed::Any, &["anna"]));
    }
}
