//! The functions of the host, answered by the `MockHost` the test is in.
//!
//! One module for each interface, with the names and signatures that `wit-bindgen` gives its imports.

use super::{Inner, within};
use crate::types::Refusal;

/// Calls `act` with the double, unless it refuses this interface.
fn ask<T>(interface: &str, act: impl FnOnce(&mut Inner) -> Result<T, Refusal>) -> Result<T, Refusal> {
    within(interface, |inner| match inner.refusals.get(interface) {
        Some(refusal) => Err(refusal.clone()),
        None => act(inner),
    })
}

fn unavailable<T>(found: Option<T>, what: &str, hint: &str) -> Result<T, Refusal> {
    found.ok_or_else(|| Refusal::Unavailable(format!("the `MockHost` has no {what}\nhint: give it one with `{hint}`")))
}

pub(crate) fn sleep_ms(milliseconds: u64) {
    within("clock.sleep", |inner| inner.now_ms = inner.now_ms.saturating_add(milliseconds));
}

pub(crate) mod clock {
    use super::*;
    pub(crate) fn now_ms() -> u64 {
        within("clock", |inner| inner.now_ms)
    }
}

pub(crate) mod log {
    use super::*;
    use crate::log::Level;
    pub(crate) fn write(level: Level, message: &str, fields: &[(String, String)]) {
        let line = crate::testing::Line { level, message: message.to_owned(), fields: fields.to_vec() };
        within("log", |inner| inner.lines.push(line));
    }
}

pub(crate) mod settings {
    use super::*;
    pub(crate) fn get(key: &str) -> Option<String> {
        within("settings", |inner| inner.settings.get(key).cloned())
    }
}

pub(crate) mod secrets {
    use super::*;
    pub(crate) fn available(name: &str) -> Result<(), Refusal> {
        ask("secrets", |inner| {
            let missing = || Refusal::Unavailable(format!("no value is stored for the secret `{name}`"));
            inner.secrets.contains(name).then_some(()).ok_or_else(missing)
        })
    }
    pub(crate) fn sign(name: &str, _: &[u8]) -> Result<Vec<u8>, Refusal> {
        available(name)?;
        let next = within("secrets.sign", |inner| inner.signatures.pop_front());
        unavailable(next, "signature", "MockHost::signature")
    }
}

pub(crate) mod turn {
    use super::*;
    use crate::turn::Event;
    pub(crate) fn emit(events: &[Event]) -> Result<(), Refusal> {
        ask("turn", |inner| {
            inner.events.extend_from_slice(events);
            Ok(())
        })
    }
}

pub(crate) mod state {
    use super::*;
    use crate::state::Entry;

    const VALUE: usize = 256 * 1024;

    fn checked(key: &str) -> Result<(), Refusal> {
        match key.len() {
            1..=256 => Ok(()),
            _ => Err(Refusal::Invalid("a key of the state is 1 to 256 bytes".to_owned())),
        }
    }

    fn expect(inner: &Inner, key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        let revision = inner.state.get(key).map_or(0, |entry| entry.revision);
        if expected.is_none_or(|expected| expected == revision) { Ok(()) } else { Err(Refusal::Conflict) }
    }

    pub(crate) fn get(key: &str) -> Result<Option<Entry>, Refusal> {
        checked(key)?;
        ask("state", |inner| Ok(inner.state.get(key).cloned()))
    }

    pub(crate) fn put(key: &str, value: &[u8], expected: Option<u64>) -> Result<u64, Refusal> {
        checked(key)?;
        // Outside of the borrow: what it does asks the double, too.
        if let Some(before) = within("state", |inner| inner.before_put.pop_front()) {
            before();
        }
        ask("state", |inner| {
            expect(inner, key, expected)?;
            let others = inner.state.iter().filter(|(other, _)| *other != key);
            let others: usize = others.map(|(other, entry)| other.len() + entry.value.len()).sum();
            if value.len() > VALUE {
                return Err(Refusal::Limit(format!("a value of the state is at most {VALUE} bytes")));
            }
            if others + key.len() + value.len() > inner.state_bytes {
                return Err(Refusal::Limit(format!("the state is at most {} bytes", inner.state_bytes)));
            }
            inner.revision += 1;
            inner.state.insert(key.to_owned(), Entry { value: value.to_vec(), revision: inner.revision });
            Ok(inner.revision)
        })
    }

    pub(crate) fn delete(key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        checked(key)?;
        ask("state", |inner| {
            expect(inner, key, expected)?;
            inner.state.remove(key);
            Ok(())
        })
    }

    pub(crate) fn keys(prefix: &str) -> Result<Vec<String>, Refusal> {
        ask("state", |inner| {
            Ok(inner.state.keys().filter(|key| key.starts_with(prefix)).take(1_000).cloned().collect())
        })
    }
}

pub(crate) mod approvals {
    use super::*;
    use crate::approvals::{Decision, Question};
    pub(crate) fn ask(question: &Question) -> Result<Decision, Refusal> {
        if question.title.chars().count() > 80 || question.detail.len() > 4096 {
            return Err(Refusal::Invalid("a question's title has 80 characters, its detail 4 KiB".to_owned()));
        }
        super::ask("approvals", |inner| {
            inner.questions.push(question.clone());
            Ok(inner.decisions.pop_front().unwrap_or(Decision::Denied(None)))
        })
    }
}

pub(crate) mod attachments {
    use super::*;
    use crate::types::Blob;
    pub(crate) fn get(id: &str) -> Result<Blob, Refusal> {
        ask("attachments", |inner| {
            let none = || Refusal::Invalid(format!("this conversation has no attachment `{id}`"));
            inner.attachments.get(id).cloned().ok_or_else(none)
        })
    }
}

pub(crate) mod configuration {
    use super::*;
    use serde_json::Value;
    pub(crate) fn read(path: &str) -> Result<Option<String>, Refusal> {
        ask("configuration", |inner| {
            let keys = path.split('.').filter(|key| !key.is_empty());
            let found = keys.into_iter().try_fold(&inner.configuration, |value, key| value.get(key));
            Ok(found.filter(|value| **value != Value::Null).map(Value::to_string))
        })
    }
}

pub(crate) mod memory {
    use super::*;
    use crate::memory::Entry;

    pub(crate) fn write(key: &str, value: &str) -> Result<(), Refusal> {
        if !(1..=128).contains(&key.len()) {
            return Err(Refusal::Invalid("a key of the memory is 1 to 128 bytes".to_owned()));
        }
        ask("memory", |inner| {
            if value.len() > 16 * 1024 {
                return Err(Refusal::Limit("a remembered value is at most 16 KiB".to_owned()));
            }
            let entry = Entry { key: key.to_owned(), value: value.to_owned(), changed_ms: inner.now_ms };
            inner.memory.insert(key.to_owned(), entry);
            Ok(())
        })
    }

    pub(crate) fn read(key: &str) -> Result<Option<Entry>, Refusal> {
        ask("memory", |inner| Ok(inner.memory.get(key).cloned()))
    }

    pub(crate) fn delete(key: &str) -> Result<bool, Refusal> {
        ask("memory", |inner| Ok(inner.memory.remove(key).is_some()))
    }

    pub(crate) fn keys(prefix: &str) -> Result<Vec<String>, Refusal> {
        ask("memory", |inner| Ok(inner.memory.keys().filter(|key| key.starts_with(prefix)).cloned().collect()))
    }

    /// By words without case; the host also knows diacritics and ranks, which a test must not lean on.
    pub(crate) fn search(query: &str, most: u32) -> Result<Vec<Entry>, Refusal> {
        ask("memory", |inner| {
            let wanted: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
            let has = |entry: &&Entry| {
                let text = format!("{} {}", entry.key, entry.value).to_lowercase();
                let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
                wanted.iter().all(|wanted| words.iter().any(|word| word.starts_with(wanted.as_str())))
            };
            Ok(inner.memory.values().filter(has).take(most as usize).cloned().collect())
        })
    }
}

pub(crate) mod messaging {
    use super::*;
    use crate::messaging::{Address, Outbound, Receipt};
    pub(crate) fn send(to: &Address, message: &Outbound) -> Result<Receipt, Refusal> {
        ask("messaging", |inner| {
            // The same key twice sends once.
            let same = |(_, sent): &(Address, Outbound)| sent.idempotency_key == message.idempotency_key;
            let at = inner.messages.iter().position(same).unwrap_or_else(|| {
                inner.messages.push((to.clone(), message.clone()));
                inner.messages.len() - 1
            });
            Ok(Receipt { message_id: format!("message-{}", at + 1) })
        })
    }
}

pub(crate) mod inbox {
    use super::*;
    use crate::inbox::Inbound;
    pub(crate) fn deliver(messages: &[Inbound]) -> Result<(), Refusal> {
        ask("inbox", |inner| {
            for message in messages {
                if !inner.delivered.iter().any(|other| other.message_id == message.message_id) {
                    inner.delivered.push(message.clone());
                }
            }
            Ok(())
        })
    }
}

pub(crate) mod random {
    use super::*;
    /// A sequence that is the same in every test.
    pub(crate) fn get_random_bytes(length: u64) -> Vec<u8> {
        within("random", |inner| {
            let byte = |state: &mut u64| {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (*state >> 56) as u8
            };
            (0..length).map(|_| byte(&mut inner.random)).collect()
        })
    }
}

pub(crate) mod models {
    use super::*;
    use crate::models::{Request, Response};
    pub(crate) fn complete(request: &Request) -> Result<Response, Refusal> {
        ask("models", |inner| {
            inner.asked.push(request.clone());
            unavailable(inner.answers.pop_front(), "answer of a model", "MockHost::answer")
        })
    }
}

pub(crate) mod sessions {
    use super::*;
    use crate::sessions::{Line, Session};
    pub(crate) fn recent(most: u32) -> Result<Vec<Session>, Refusal> {
        ask("sessions", |inner| {
            Ok(inner.sessions.iter().rev().take(most as usize).map(|(session, _)| session.clone()).collect())
        })
    }
    pub(crate) fn read(id: &str, first: u32, most: u32) -> Result<Vec<Line>, Refusal> {
        ask("sessions", |inner| {
            let none = || Refusal::Invalid(format!("the person has no conversation `{id}`"));
            let (_, lines) = inner.sessions.iter().find(|(session, _)| session.id == id).ok_or_else(none)?;
            Ok(lines.iter().filter(|line| line.place >= first).take(most as usize).cloned().collect())
        })
    }
}

pub(crate) mod exec {
    use super::*;
    use crate::exec::{Command, Outcome};
    pub(crate) fn run(command: &Command) -> Result<Outcome, Refusal> {
        ask("exec", |inner| {
            inner.commands.push(command.clone());
            unavailable(inner.outcomes.pop_front(), "outcome of a program", "MockHost::outcome")
        })
    }
}

pub(crate) mod http {
    use super::*;
    use crate::Error;
    use crate::http::url::Url;
    use crate::http::{Incoming, Request};
    use crate::testing::Sent;

    pub(crate) use crate::testing::reply::Body;

    #[track_caller]
    pub(crate) fn send(request: Request, url: &Url<'_>) -> Result<Incoming, Error> {
        let reply = within("http", |inner| {
            let sent = Sent::of(request);
            let (method, address) = (sent.method.clone(), sent.url.clone());
            inner.sent.push(sent);
            match inner.replies.pop_front() {
                Some((wanted, at, reply)) if wanted == method && at == address => reply,
                Some((wanted, at, _)) => panic!("asked {method:?} {address}\nexpected {wanted:?} {at}"),
                None => panic!("asked {method:?} {address}\nhint: script an answer with `MockHost::reply`"),
            }
        });
        reply.open(url.authority)
    }
}
