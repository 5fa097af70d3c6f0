//! A session: the conversation of one person,
//! as the ledger keeps it and as a model is shown it.

use crate::audience::{Audience, Speaker};
use crate::event::Failure;
use crate::part::{Message, Part};
use crate::prompt::{Estimate, Summary};
use crate::reading::Reading;
use cara_authority::{Label, PersonId, RunId, SessionId};
use cara_kernel::bindings::types::Blob;
use cara_records as ledger;
use cara_records::{Records, Role};
use cara_services::ledger::LedgerError;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many messages are read from the ledger at once.
const PAGE: u32 = 500;

/// The largest attached text that a model is given to read, bytes.
const READ_TEXT: usize = 256 * 1024;

/// The longest title made of a person's first words, characters.
const TITLE: usize = 60;

/// Participants and place of a session.
#[derive(Debug, Clone)]
pub struct SessionContext {
    /// Whose session it is.
    pub person: PersonId,
    /// The channel it is on.
    pub channel: String,
    /// The agent that answers.
    pub agent: String,
    /// The operator's instructions to it.
    pub system: Option<String>,
    /// How it reads what strangers wrote.
    pub reading: Reading,
    /// Who reads the answers.
    pub audience: Audience,
    /// Who speaks now; none where it is the person of the session.
    pub speaker: Option<Speaker>,
    /// Whether it has a memory.
    pub remembers: bool,
}

impl SessionContext {
    /// A conversation of one person alone.
    pub fn direct(person: PersonId, channel: &str, agent: &str) -> Self {
        let (channel, agent) = (channel.to_owned(), agent.to_owned());
        let audience = Audience::Person(person.clone());
        Self {
            person,
            channel,
            agent,
            system: None,
            reading: Reading::default(),
            audience,
            speaker: None,
            remembers: true,
        }
    }

    /// In a group, what was said before is another person's to whoever speaks now. What is private to others than those who
    /// read stays with the run that saw it: no later answer is made of it unasked.
    fn make_foreign(&self, message: &mut Message) {
        let speaks = self.speaker.as_ref().and_then(|speaker| speaker.person.as_ref());
        let own = speaks.is_some_and(|person| message.speaker.as_ref().is_some_and(|of| of.is(person)));
        for part in &mut message.parts {
            if self.audience.is_group() && !own {
                part.label = part.label.of_another();
            }
            if !self.audience.others(&part.label).is_empty() {
                part.hold_back();
            }
        }
    }
}

/// A conversation in memory.
pub struct Session {
    id: SessionId,
    pub(crate) context: SessionContext,
    pub(crate) messages: Vec<Message>,
    /// The last place in the ledger; messages without an answer have one there and are not in memory.
    last: u64,
    pub(crate) summary: Option<Summary>,
    /// What the person attached and has not been sent yet.
    pub(crate) attached: Vec<Part>,
    /// Bytes of what was attached since the session was opened.
    pub(crate) blobs: BTreeMap<String, Blob>,
    pub(crate) estimate: Estimate,
    /// Whether the person wants a summary before the next answer.
    pub(crate) compact_next: bool,
    /// What following links may have told since a person was last asked about it, bits.
    pub(crate) followed: u64,
}

impl Session {
    /// Begins one; its title is the person's first words.
    pub async fn begin(records: &Records, context: SessionContext, first: &str) -> Result<Self, Failure> {
        let title = title(first);
        let SessionContext { person, channel, agent, .. } = &context;
        let id = records.begin_session(person, channel, agent, &title).await.map_err(lost)?;
        Ok(Self::empty(id, context))
    }

    /// The same under an id that the caller chose; where a conversation of that id began before, it goes on.
    pub async fn begin_as(
        id: SessionId,
        records: &Records,
        context: SessionContext,
        first: &str,
    ) -> Result<Self, Failure> {
        if let Some(begun) = Self::open(records, &id, context.clone()).await? {
            return Ok(begun);
        }
        let SessionContext { person, channel, agent, .. } = &context;
        let begun = records.begin_session_as(&id, person, channel, agent, &title(first)).await;
        begun.map_err(lost)?;
        Ok(Self::empty(id, context))
    }

    /// Opens one with everything that was said in it. Somebody else's is as if it did not exist.
    pub async fn open(records: &Records, id: &SessionId, context: SessionContext) -> Result<Option<Self>, Failure> {
        let Some(stored) = records.session(id).await.map_err(lost)? else { return Ok(None) };
        if stored.person != context.person {
            return Ok(None);
        }
        let mut session = Self::empty(id.clone(), context);
        session.context.channel = stored.channel;
        session.reload(records, None).await?;
        Ok(Some(session))
    }

    fn empty(id: SessionId, context: SessionContext) -> Self {
        let (messages, attached) = (Vec::new(), Vec::new());
        let (blobs, estimate) = (BTreeMap::new(), Estimate::default());
        Self {
            id,
            context,
            messages,
            last: 0,
            summary: None,
            attached,
            blobs,
            estimate,
            compact_next: false,
            followed: 0,
        }
    }

    /// Reads everything anew; what belongs to the run that is taken up is as its own process had it.
    pub(crate) async fn reload(&mut self, records: &Records, taken_up: Option<&RunId>) -> Result<(), Failure> {
        self.messages.clear();
        self.followed = records.followed(&self.id).await.map_err(lost)?;
        let runs = records.runs(&self.id).await.map_err(lost)?;
        let unanswered: Vec<RunId> = runs
            .into_iter()
            .filter(|run| {
                matches!(
                    run.state,
                    ledger::RunState::Failed | ledger::RunState::Cancelled | ledger::RunState::Interrupted
                )
            })
            .map(|run| run.id)
            .collect();
        let mut from = 1;
        let mut all = Vec::new();
        loop {
            let page = records.messages(&self.id, from, PAGE).await.map_err(lost)?;
            let Some(last) = page.last() else { break };
            from = last.place + 1;
            all.extend(page);
        }
        // A message that got no answer, and did nothing, would only be asked twice.
        self.last = from - 1;
        let alone = |run: &RunId| all.iter().filter(|message| message.run.as_ref() == Some(run)).count() == 1;
        let skipped: Vec<RunId> = unanswered.into_iter().filter(|run| alone(run)).collect();
        for message in all {
            if !message.run.as_ref().is_some_and(|run| skipped.contains(run)) {
                let is_before = taken_up.is_none() || message.run.as_ref() != taken_up;
                let mut message = read(message)?;
                if is_before {
                    self.context.make_foreign(&mut message);
                }
                self.messages.push(message);
            }
        }
        let summary = records.summary(&self.id).await.map_err(lost)?;
        self.summary = summary.map(|summary| Summary::read(summary.upto_place, &summary.body, summary.label));
        self.make_summary_foreign();
        Ok(())
    }

    fn make_summary_foreign(&mut self) {
        if let Some(summary) = self.summary.as_mut().filter(|_| self.context.audience.is_group()) {
            summary.label = summary.label.of_another();
        }
    }

    /// From now on this agent answers here, with these instructions. The channel stays.
    pub fn answered_by(&mut self, context: SessionContext) {
        let channel = std::mem::take(&mut self.context.channel);
        self.context = SessionContext { channel, ..context };
        self.messages.iter_mut().for_each(|message| self.context.make_foreign(message));
        self.make_summary_foreign();
    }

    /// Has everything but the newest messages summed up before the next answer.
    pub fn compact(&mut self) {
        self.compact_next = true;
    }

    /// Tokens that the next prompt takes, about.
    pub fn tokens(&self) -> u32 {
        let upto = self.summary.as_ref().map_or(0, |summary| summary.upto);
        let open = self.messages.iter().filter(|message| message.place > upto);
        let said: u32 = open.map(|message| self.estimate.message(message)).sum();
        let more = [self.context.system.as_ref(), self.summary.as_ref().map(|summary| &summary.text)];
        said + more.into_iter().flatten().map(|text| self.estimate.text(text.len())).sum::<u32>()
    }

    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Whose it is.
    pub fn person(&self) -> &PersonId {
        &self.context.person
    }

    /// The messages, oldest first; those that a summary stands for as well.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// What stands for the first messages.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// What a model that is shown it now has seen.
    pub fn seen(&self) -> Label {
        let upto = self.summary.as_ref().map_or(0, |summary| summary.upto);
        let open = self.messages.iter().filter(|message| message.place > upto);
        let open = open.map(|message| message.label_shown(self.context.reading));
        open.chain(self.summary.as_ref().map(|summary| summary.label.clone())).collect()
    }

    /// The place that the next message will have.
    pub(crate) fn next_place(&self) -> u64 {
        self.last + 1
    }

    /// Takes what came into the ledger as the next message.
    pub(crate) fn push(&mut self, role: Role, parts: Vec<Part>) {
        self.last += 1;
        let speaker = if role == Role::User { self.context.speaker.clone() } else { None };
        self.messages.push(Message { place: self.last, role, parts, speaker });
    }

    /// Puts messages of before there, which somebody else kept; durable when it returns.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub async fn seed(&mut self, records: &Records, messages: Vec<(Role, Vec<Part>)>) -> Result<(), Failure> {
        let kept: Vec<_> = messages.iter().map(|(role, parts)| stored(*role, parts)).collect();
        records.seed_session(&self.id, &kept).await.map_err(lost)?;
        messages.into_iter().for_each(|(role, parts)| self.push(role, parts));
        Ok(())
    }

    /// Attaches a file to the person's next message.
    pub async fn attach(&mut self, records: &Records, blob: Blob, label: Label) -> Result<String, Failure> {
        let new = ledger::NewAttachment {
            media_type: blob.media_type.clone(),
            name: blob.name.clone().unwrap_or_default(),
            content: blob.data.clone(),
            label: label.clone(),
        };
        let id = records.attach(&self.id, &new).await.map_err(lost)?;
        self.hold(id.clone(), blob, label);
        Ok(id)
    }

    /// A file that is kept goes with the person's next message.
    fn hold(&mut self, id: String, blob: Blob, label: Label) {
        let body = crate::part::Body::Attachment {
            id: id.clone(),
            media_type: blob.media_type.clone(),
            name: blob.name.clone(),
        };
        self.attached.push(Part { label: label.clone(), body });
        // A model is sent images and sounds as they are; of other files only those that are text, as text.
        if blob.data.len() <= READ_TEXT
            && let Ok(text) = std::str::from_utf8(&blob.data)
        {
            self.attached.push(Part { label, body: crate::part::Body::Text { text: text.to_owned() } });
        }
        self.blobs.insert(id, blob);
    }

    /// Attaches files again that were kept with the session and have not been sent; those that are gone are left out.
    pub async fn attach_again(&mut self, records: &Records, files: &[String]) -> Result<(), Failure> {
        for id in files {
            if let Some(kept) = records.attachment(&self.id, id).await.map_err(lost)? {
                let ledger::Attached { attachment, content } = kept;
                let name = Some(attachment.name).filter(|name| !name.is_empty());
                let blob = Blob { media_type: attachment.media_type, name, data: content };
                self.hold(id.clone(), blob, attachment.label);
            }
        }
        Ok(())
    }

    /// The last run of the session that did not end, and was left by a process.
    pub(crate) async fn unfinished(&self, records: &Records) -> Result<Option<ledger::Run>, Failure> {
        let runs = records.runs(&self.id).await.map_err(lost)?;
        Ok(runs.into_iter().rfind(|run| run.state == ledger::RunState::Running))
    }
}

/// The person's first words as a title.
pub fn title(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    let mut title: String = line.chars().take(TITLE).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    if title.is_empty() { "untitled".into() } else { title }
}

fn read(message: ledger::Message) -> Result<Message, Failure> {
    let mut parts: Vec<Part> = serde_json::from_value(message.body)
        .map_err(|error| Failure::own("ledger", format!("message {} cannot be read: {error}", message.place)))?;
    // The ledger's own label is the sum; a part never has less than what was joined to the whole later.
    if !crate::part::label_of(&parts).includes(&message.label)
        && message.role == Role::Assistant
        && let Some(first) = parts.first_mut()
    {
        first.label = first.label.join(&message.label);
    }
    let speaker = message.speaker.and_then(|speaker| serde_json::from_value(speaker).ok());
    Ok(Message { place: message.place, role: message.role, parts, speaker })
}

/// Parts as the ledger keeps them.
pub(crate) fn stored(role: Role, parts: &[Part]) -> ledger::NewMessage {
    stored_of(role, parts, None)
}

/// The same of somebody who speaks.
pub(crate) fn stored_of(role: Role, parts: &[Part], speaker: Option<&Speaker>) -> ledger::NewMessage {
    let body = serde_json::to_value(parts).unwrap_or(Value::Null);
    let speaker = speaker.and_then(|speaker| serde_json::to_value(speaker).ok());
    ledger::NewMessage { role, body, label: crate::part::label_of(parts), speaker }
}

/// The ledger failed: nothing goes on without it.
pub(crate) fn lost(error: LedgerError) -> Failure {
    Failure::own("ledger", error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::part::Body;
    use cara_authority::Source;

    fn said(by: Option<&str>, label: Label) -> Message {
        let person = by.map(|by| PersonId::parse(by).unwrap());
        let speaker = by.map(|by| Speaker { person, name: None, address: format!("chat:main:{by}") });
        let parts = vec![Part { label, body: Body::Text { text: "words".into() } }];
        Message { place: 1, role: Role::User, parts, speaker }
    }

    #[test]
    fn in_a_group_words_of_others_are_others_and_what_was_private_is_gone() {
        let owner = Label::of(Source::Owner);
        let group = SessionContext {
            audience: Audience::Group,
            speaker: said(Some("anna"), owner.clone()).speaker,
            ..SessionContext::direct(PersonId::parse("group:1").unwrap(), "chat", "main")
        };
        let foreign = |context: &SessionContext, mut message: Message| {
            context.make_foreign(&mut message);
            (message.parts[0].label.clone(), message.words())
        };
        assert_eq!(foreign(&group, said(Some("anna"), owner.clone())).0, owner);
        for other in [said(Some("ben"), owner.clone()), said(None, owner.clone())] {
            assert_eq!(foreign(&group, other).0, Label::of(Source::OtherPerson));
        }
        for private in [said(Some("anna"), owner.private()), said(None, Label::of(Source::Tool).private())] {
            let (label, words) = foreign(&group, private);
            assert!(!label.is_private() && !words.contains("words"), "{words}");
        }
        // Alone, all of it is one person's, but what is private to another.
        let anna = PersonId::parse("anna").unwrap();
        let direct = SessionContext::direct(anna.clone(), "chat", "main");
        let own = owner.private_to(&anna);
        assert_eq!(foreign(&direct, said(None, own.clone())), (own, "words".to_owned()));
        assert!(foreign(&direct, said(None, owner.private_to(&anna).private())).1.starts_with("[private"));
    }
}
