//! Quarantined reading: strangers' words are read aside,
//! by a model without tools.

use super::Run;
use super::outcome::Outcome;
use crate::event::Failure;
use crate::guards::output::OutputCheck;
use crate::part::{Body, Part, Role};
use crate::prompt::{aside, said};
use crate::reading::{Findings, INSTRUCTIONS, Reading, links_in};
use crate::values::Values;
use cara_authority::{Label, Source};
use futures_util::stream::{FuturesOrdered, StreamExt};
use std::fmt::Write;

/// The longest answer of a reader, tokens.
const TOKENS: u32 = 3_000;

/// One text to be read aside.
struct Held {
    of: String,
    label: Label,
    what: String,
    text: String,
}

impl Run<'_> {
    /// Reads the results of a round that strangers may have written. The findings are kept in the message with them.
    pub(super) async fn read_results(&mut self, results: &[Outcome]) -> Result<Vec<Part>, Failure> {
        if self.session.context.reading == Reading::Direct {
            return Ok(Vec::new());
        }
        let (place, called) = (self.session.next_place(), self.open_arguments());
        // What a reader picks can tell of all it was told. Once anything private was seen, it is not told the arguments.
        let private = self.seen().is_private();
        let held = results.iter().filter(|result| result.label.is_untrusted()).map(|result| {
            let Outcome { id, name, text, label, .. } = result;
            let arguments = called.iter().find(|(call, _)| call == id).map_or("", |(_, arguments)| arguments);
            Held {
                of: format!("{place}.{id}"),
                label: label.clone(),
                what: if private { name.clone() } else { format!("{name} {arguments}") },
                text: text.clone(),
            }
        });
        self.read_all_aside(held.collect()).await
    }

    /// Reads the files and pasted texts of the message that is being answered.
    pub(super) async fn read_files(&mut self) -> Result<(), Failure> {
        let reading = self.session.context.reading;
        let Some(message) = self.session.messages.iter().rfind(|message| message.role == Role::User) else {
            return Ok(());
        };
        let mut held = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            let of = message.part_name(index);
            let Body::Text { text } = &part.body else { continue };
            if part.is_held_back(message.role, reading) && self.values.in_part(&of).is_none() {
                held.push(Held {
                    of,
                    label: part.label.clone(),
                    what: "a file of the person".into(),
                    text: text.clone(),
                });
            }
        }
        let mut found = self.read_all_aside(held).await?;
        self.readings.append(&mut found);
        Ok(())
    }

    /// Reads several texts at once. From here on their findings have names.
    async fn read_all_aside(&mut self, held: Vec<Held>) -> Result<Vec<Part>, Failure> {
        let first = self.values.next();
        let read: FuturesOrdered<_> =
            (first..).zip(&held).map(|(number, held)| self.read_aside(number, held)).collect();
        let parts: Vec<Result<Part, Failure>> = read.collect().await;
        let parts = parts.into_iter().collect::<Result<Vec<Part>, Failure>>()?;
        self.values.extend(Values::among(parts.iter()));
        Ok(parts)
    }

    async fn read_aside(&self, number: u32, held: &Held) -> Result<Part, Failure> {
        let Held { of, label, what, text } = held;
        let links = links_in(text);
        let mut material = format!("{text}\n\nLinks:\n");
        for (number, link) in (1..).zip(&links) {
            let _ = writeln!(material, "{number} {link}");
        }
        let asked = format!(
            "The person asked:\n{}\n\nThe call: {what}\n\n{}",
            self.asked_by_owner(),
            self.fence.wrap("reading", &material)
        );
        let system = format!("{INSTRUCTIONS}\n\n{}", self.fence.instructions());
        let request =
            aside(self.language_model.model(), Some(system), vec![said(asked)], TOKENS.min(self.answer_tokens()));
        let answer = match self.ask_aside(request).await {
            Ok(answer) => answer,
            Err(failure) if matches!(&*failure.kind, "budget" | "limit" | "ledger") => return Err(failure),
            Err(failure) => {
                tracing::debug!(%failure, "a reader gave no answer");
                String::new()
            }
        };
        let mut findings = Findings::read(number, of.clone(), &answer, &links);
        for fact in &mut findings.facts {
            let mut check = OutputCheck::new(self.assistant.guards.output);
            *fact = check.push(fact) + &check.finish();
        }
        Ok(Part { label: label.join(&Label::of(Source::Model)), body: Body::Read(findings) })
    }

    /// The owner's own words in the message that is being answered.
    fn asked_by_owner(&self) -> String {
        let message = self.session.messages.iter().rfind(|message| message.role == Role::User);
        let parts = message.into_iter().flat_map(|message| &message.parts).filter(|part| !part.label.is_untrusted());
        let words = parts.filter_map(|part| match &part.body {
            Body::Text { text } => Some(text.as_str()),
            _ => None,
        });
        words.collect::<Vec<_>>().join("\n")
    }
}
