//! Who decides what is asked in a run, and where they are asked: in their own
//! direct conversations, never in the one that asked where others read it.
//!
//! ```text
//! question (in the ledger) ─→ deciders ─→ `ask-at`, or the direct conversation in which each wrote last ─→ outbox
//!        └─ whoever may decide alone and asked alone is the only one who is asked
//! ```

use crate::change::Topic;
use crate::current_components::Live;
use crate::error::{Error, Result};
use crate::event::{Event, Events};
use cara_assistant::outbound::MessageBody;
use cara_assistant::{Answer, ApprovalSettings, Approver, Asked};
use cara_authority::{ApprovalId, ConversationAddress, Decider, Deciders, PersonId, PersonRole};
use cara_records::{Approval, NewOutbound, Records};
use serde_json::json;

/// Who queues questions in the outbox.
pub(crate) const BY: &str = "approvals";

/// What the configuration calls the owner.
const OWNER: &str = "owner";

/// The longest question that is asked in a message, characters: what platforms take in one message and a person reads.
const LONGEST: usize = 3_500;

/// Somebody whose words begin a run.
pub(crate) struct Asks<'a> {
    pub(crate) person: &'a PersonId,
    pub(crate) role: PersonRole,
    /// Whether others read the conversation.
    pub(crate) in_group: bool,
}

/// The person whom the configuration means: nobody but the owner is called `owner`.
fn meant(id: &PersonId) -> PersonId {
    if id.as_str() == OWNER { PersonId::owner() } else { id.clone() }
}

/// Who may decide what is asked for somebody. Whoever asks in a group does not decide about it, unless it is the owner.
pub(crate) fn deciders(settings: &ApprovalSettings, asks: &Asks<'_>) -> Deciders {
    let mut persons: std::collections::BTreeSet<PersonId> = settings.deciders.iter().map(meant).collect();
    let own = asks.role == PersonRole::Member && !asks.in_group;
    if persons.is_empty() && own {
        persons.insert(asks.person.clone());
    }
    if asks.in_group && asks.role != PersonRole::Owner {
        persons.remove(asks.person);
    }
    if settings.deciders.is_empty() || persons.is_empty() {
        persons.insert(PersonId::owner());
    }
    Deciders { persons, needed: settings.needed }
}

/// The key of the message in which somebody is asked.
pub(crate) fn key(approval: &ApprovalId, person: &PersonId) -> String {
    format!("{approval} {person}")
}

/// Asks those who decide about a run.
pub(crate) struct Asking {
    pub(crate) records: Records,
    pub(crate) live: Live,
    /// Who asks, where nobody else reads the conversation.
    pub(crate) alone: Option<PersonId>,
    /// The group that asks.
    pub(crate) group: Option<ConversationAddress>,
    /// What tells who sits at the run, who is the owner; answers come through `approvals.respond`.
    pub(crate) present: Option<Events>,
    /// Whether the run waits for answers.
    pub(crate) waits: bool,
    /// What changes in the home.
    pub(crate) changes: Events,
}

impl Asking {
    /// Whom a message asks: whoever asked alone and can decide alone, else everybody who may decide and does not sit at the
    /// run.
    fn asked<'a>(&self, approval: &'a Approval) -> Vec<&'a PersonId> {
        let persons = &approval.deciders.persons;
        let alone = self.alone.as_ref().and_then(|alone| persons.get(alone));
        let sits = |person: &PersonId| self.present.is_some() && *person == PersonId::owner();
        let asked: Vec<&PersonId> = match alone.filter(|_| approval.deciders.needed() == 1) {
            Some(alone) => vec![alone],
            None => persons.iter().collect(),
        };
        asked.into_iter().filter(|person| !sits(person)).collect()
    }

    /// Where somebody is asked.
    async fn address(&self, person: &PersonId) -> Result<Option<ConversationAddress>> {
        let config = self.live.config()?;
        let set = config.approvals.ask_at.iter().find(|(id, _)| meant(id) == *person);
        let address = match set {
            Some((_, address)) => Some(address.clone()),
            None => {
                let known = self.records.people().await?.into_iter().find(|known| known.id == *person);
                self.records.direct_conversation(&known.map(|known| known.addresses).unwrap_or_default()).await?
            }
        };
        let asks = |address: &ConversationAddress| {
            self.group.as_ref().is_some_and(|group| group.without_thread() == address.without_thread())
        };
        Ok(address.filter(|address| !asks(address)))
    }

    async fn tell_one(&self, asked: &Asked) -> Result<()> {
        let Some(approval) = self.records.approval(&ApprovalId::parse(&asked.id)?).await? else { return Ok(()) };
        for person in self.asked(&approval) {
            let Some(address) = self.address(person).await? else {
                tracing::info!(approval = %approval.id, %person, "nobody knows where to ask: `cara approvals` has the question");
                continue;
            };
            let of_person = key(&approval.id, person);
            // What is private to others is not shown in a question about it; what is private to whoever asks is to those who
            // decide for them, and not to those who are asked because something is theirs.
            let whose = asked.seen.people();
            let of_asker = |of: &PersonId| *of == approval.person && !whose.contains(person);
            let may_read = whose.iter().all(|of| of == person || of_asker(of));
            // One that is named only cannot be answered there: it was not shown.
            let (key, text) = match asked.in_message(LONGEST).filter(|_| may_read) {
                Some(text) => (of_person, text),
                None => (format!("{of_person} named"), asked.named(may_read)),
            };
            let (run, label) = (Some(approval.run.clone()), asked.seen.clone());
            let body = json!(MessageBody::text(text));
            let message = NewOutbound { address, by: BY.to_owned(), key, answers: None, run, body, label };
            self.records.enqueue(&message).await.map_err(Error::from)?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Approver for Asking {
    fn waits(&self) -> bool {
        self.waits
    }

    async fn tell(&self, asked: &[Asked]) {
        for asked in asked {
            self.changes.changed(Topic::Approvals, "approvals.asked", Some(&asked.id));
            if let Err(error) = self.tell_one(asked).await {
                tracing::warn!(%error, approval = asked.id, "a question was not sent: `cara approvals` has it");
            }
        }
    }

    async fn ask(&self, asked: &[Asked]) -> (Decider, Vec<Answer>) {
        if let Some(events) = &self.present {
            events.tell(Event::Ask { asked: asked.to_vec() });
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_authority::Needed;

    #[test]
    fn who_decides_is_set_and_nobody_decides_what_they_asked_in_a_group() {
        let who = |settings: &str, person: &str, role, in_group| {
            let (settings, person) = (toml::from_str(settings).unwrap(), PersonId::parse(person).unwrap());
            let deciders = deciders(&settings, &Asks { person: &person, role, in_group });
            let names: Vec<String> = deciders.persons.iter().map(ToString::to_string).collect();
            (names.join(" "), deciders.needed)
        };
        let (any, member, guest, owner) = (Needed::Any, PersonRole::Member, PersonRole::Guest, PersonRole::Owner);
        let unset = |person, role, in_group| who("", person, role, in_group);
        assert_eq!(unset("anna", member, false), ("anna local:owner".into(), any));
        assert_eq!(unset("anna", member, true), ("local:owner".into(), any));
        assert_eq!(unset("gus", guest, false), ("local:owner".into(), any));
        let set = "deciders = ['owner', 'anna', 'ben']\nneeded = 'all'";
        assert_eq!(who(set, "gus", guest, false), ("anna ben local:owner".into(), Needed::All));
        assert_eq!(who(set, "anna", member, true), ("ben local:owner".into(), Needed::All));
        assert_eq!(who(set, "local:owner", owner, true), ("anna ben local:owner".into(), Needed::All));
        assert_eq!(who("deciders = ['anna']\nneeded = 2", "anna", member, true).0, "local:owner");
        assert_eq!(who("deciders = ['anna']", "anna", member, false).0, "anna");
        for bad in ["needed = 0", "needed = 'some'", "deciders = ['a b']", "ask-at = { anna = 'x' }"] {
            assert!(toml::from_str::<ApprovalSettings>(bad).is_err(), "{bad}");
        }
    }
}
