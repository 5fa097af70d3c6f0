//! Which session a message of a channel belongs to, and what becomes of one
//! that comes while another is answered.

use crate::audience::Audience;
use crate::lasting::{Days, Span, TimeOfDay};
use cara_authority::{ConversationAddress, PersonId};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What belongs to one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All that one person says in direct conversations, wherever; each group has its own.
    Person,
    /// A conversation, with all its threads.
    Conversation,
    /// A thread of a conversation, and what is in none.
    #[default]
    Thread,
}

/// What becomes of a message that comes while its sender's last one is answered. What somebody else says always waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhileBusy {
    /// It waits for its turn.
    #[default]
    Wait,
    /// The model is told of it before its next step.
    Steer,
    /// The answer that is under way is given up for it.
    Interrupt,
}

/// What is answered in groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Groups {
    /// Nothing.
    Off,
    /// What names the assistant.
    #[default]
    Mentioned,
    /// Everything.
    All,
}

/// What becomes of messages of people whom the registry does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strangers {
    /// They are not taken in; the log says who wrote.
    #[default]
    Ignore,
    /// They are answered with the rights of guests.
    Guest,
}

/// How messages of channels become sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SessionSettings {
    /// What belongs to one session; `thread` unless set.
    pub scope: Scope,
    /// What becomes of a message that comes while another is answered; `wait` unless set.
    pub while_busy: WhileBusy,
    /// What is answered in groups; `mentioned` unless set.
    pub groups: Groups,
    /// Whether each group has a memory of its own; none unless set.
    pub group_memory: bool,
    /// What becomes of messages of people whom nobody named; `ignore` unless set.
    pub strangers: Strangers,
    /// A message that comes after such a silence begins a session anew; none does unless set.
    pub idle: Option<Span>,
    /// The first message after this time of day, in the zone of the machine, begins a session anew; none does unless set.
    pub daily_at: Option<TimeOfDay>,
    /// How long a session is kept that nobody uses and that is not pinned; for ever unless set.
    pub keep: Option<Days>,
}

impl SessionSettings {
    /// Whether a message that came at `received_ms` belongs to a new session, where the last change of the one before was at
    /// `changed_ms`. Days begin in this zone.
    pub fn is_over(&self, changed_ms: u64, received_ms: u64, zone: &TimeZone) -> bool {
        let is_idle = self.idle.is_some_and(|idle| received_ms.saturating_sub(changed_ms) >= idle.ms());
        let began = self.daily_at.and_then(|at| at.last_before(received_ms, zone));
        is_idle || began.is_some_and(|began| changed_ms < began)
    }

    /// Until when a session is kept that changed last at `changed_ms` and is not pinned; for ever unless set.
    pub fn kept_until(&self, changed_ms: u64) -> Option<u64> {
        self.keep.map(|keep| changed_ms.saturating_add(keep.ms()))
    }

    /// Sessions that did not change since then are not kept any more; none unless set.
    pub fn kept_since(&self, now_ms: u64) -> Option<u64> {
        self.keep.and_then(|keep| now_ms.checked_sub(keep.ms()))
    }
}

impl Scope {
    /// One text for all messages that belong to one session: no two sessions have the same.
    pub fn key(self, address: &ConversationAddress, audience: &Audience) -> String {
        let whole = address.without_thread();
        // No person's id has a space in it.
        match (self, audience) {
            (Self::Person, Audience::Person(person)) => format!("person {person}"),
            (Self::Conversation, Audience::Person(person)) => format!("conversation {person} {whole}"),
            (Self::Thread, Audience::Person(person)) => format!("thread {person} {address}"),
            (Self::Conversation | Self::Person, Audience::Group) => format!("group-conversation {whole}"),
            (Self::Thread, Audience::Group) => format!("group-thread {address}"),
        }
    }
}

/// Whose the session of a group is: nobody's but the group's.
pub fn group(address: &ConversationAddress) -> PersonId {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(address.without_thread().to_string());
    PersonId::parse(&format!("group:{}", hex::encode(&digest[..16])))
        .expect("hexadecimal digits after a word are an id")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(scope: Scope, address: &str, audience: &Audience) -> String {
        scope.key(&ConversationAddress::parse(address).unwrap(), audience)
    }

    #[test]
    fn a_scope_says_which_messages_belong_together() {
        let anna = Audience::Person(PersonId::parse("anna").unwrap());
        let ben = Audience::Person(PersonId::parse("ben").unwrap());
        let (here, there, thread) = ("a:main:1", "b:main:2", "a:main:1:t");
        let same = |scope, one: (&str, &Audience), other: (&str, &Audience)| {
            key(scope, one.0, one.1) == key(scope, other.0, other.1)
        };
        assert!(
            same(Scope::Person, (here, &anna), (there, &anna)) && !same(Scope::Person, (here, &anna), (here, &ben))
        );
        // A group is nobody's, and no person's words in another place belong to it.
        assert!(!same(Scope::Person, (here, &Audience::Group), (there, &Audience::Group)));
        assert!(!same(Scope::Person, (here, &Audience::Group), (here, &anna)));
        assert!(same(Scope::Conversation, (here, &anna), (thread, &anna)));
        assert!(
            !same(Scope::Thread, (here, &anna), (thread, &anna)) && !same(Scope::Thread, (here, &anna), (there, &anna))
        );
        // Two people are two, also where a channel says of both that they are alone in one conversation.
        assert!(
            !same(Scope::Thread, (here, &anna), (here, &ben))
                && !same(Scope::Conversation, (here, &anna), (here, &ben))
        );
        assert!(same(Scope::Thread, (here, &Audience::Group), (here, &Audience::Group)));
        // No address is written so that its key is another's.
        assert!(!same(Scope::Thread, ("a:main:1%3At", &anna), (thread, &anna)));
    }

    #[test]
    fn a_group_is_one_whatever_the_thread_and_nobody_else() {
        let of = |text: &str| group(&ConversationAddress::parse(text).unwrap());
        assert_eq!(of("a:main:1"), of("a:main:1:t"));
        assert_ne!(of("a:main:1"), of("a:main:2"));
        assert!(of("a:main:1").as_str().starts_with("group:"));
    }

    #[test]
    fn a_session_is_over_once_it_was_quiet_for_long_or_a_day_began() {
        let settings = |text: &str| toml::from_str::<SessionSettings>(text).unwrap();
        let at = |text: &str| u64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap();
        let over = |text: &str, changed, received| settings(text).is_over(at(changed), at(received), &TimeZone::UTC);
        let idle = "idle = \"4h\"";
        assert!(!over(idle, "2026-03-01T08:00:00Z", "2026-03-01T11:59:59Z"));
        assert!(over(idle, "2026-03-01T08:00:00Z", "2026-03-01T12:00:00Z"));
        // What waited while something was said is answered where it was said.
        assert!(!over(idle, "2026-03-01T08:00:00Z", "2026-03-01T01:00:00Z"));
        let daily = "daily-at = \"04:00\"";
        assert!(!over(daily, "2026-03-01T04:00:00Z", "2026-03-02T03:59:59Z"));
        assert!(over(daily, "2026-03-02T03:59:59Z", "2026-03-02T04:00:00Z"));
        assert!(over(daily, "2026-02-01T12:00:00Z", "2026-03-02T03:00:00Z"));
        assert!(!over("", "2020-01-01T00:00:00Z", "2026-03-02T04:00:00Z"));
        assert!(over("idle = \"2d\"\ndaily-at = \"00:00\"", "2026-03-01T23:59:00Z", "2026-03-02T00:00:00Z"));
        let kept = settings("keep = \"90d\"");
        assert_eq!((kept.kept_until(1), kept.kept_since(7_776_000_001)), (Some(7_776_000_001), Some(1)));
        assert_eq!((kept.kept_since(5), settings("").kept_until(5), settings("").kept_since(5)), (None, None, None));
    }
}
