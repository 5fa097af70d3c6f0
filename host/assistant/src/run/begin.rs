//! How a run begins: with a message of a person, or where a dead process
//! left off.

use super::Run;
use crate::assistant::{Assistant, RunContext};
use crate::event::{Ending, Failure};
use crate::input::Input;
use crate::language_model::LanguageModel;
use crate::part::{Part, Role};
use crate::session::{Session, lost, stored_of};
use cara_authority::RunId;
use cara_records::Records;
use std::sync::Arc;

impl Assistant {
    /// Answers what the person hands in.
    pub async fn run(
        &self,
        session: &mut Session,
        language_model: &Arc<dyn LanguageModel>,
        input: Input,
        run_context: RunContext,
    ) -> Result<Ending, Failure> {
        let id = Records::fresh_run().map_err(lost)?;
        self.run_as(id, session, language_model, input, run_context).await
    }

    /// The same under an id that the caller chose; one that was used before is an error.
    pub async fn run_as(
        &self,
        id: RunId,
        session: &mut Session,
        language_model: &Arc<dyn LanguageModel>,
        input: Input,
        run_context: RunContext,
    ) -> Result<Ending, Failure> {
        let (said, found) = self.examined(input);
        let mut parts = std::mem::take(&mut session.attached);
        parts.extend(said);
        let message = stored_of(Role::User, &parts, session.context.speaker.as_ref());
        self.keep_model(session, language_model).await?;
        let inbound = run_context.reply.as_ref().map_or(&run_context.taken[..], |reply| &reply.inbound[..]);
        let of = (run_context.person.as_ref(), run_context.charged.as_ref());
        let begun = self.records.begin_run_for(&id, session.id(), &self.process, &message, of, inbound).await;
        begun.map_err(lost)?;
        session.push(Role::User, parts);
        let run = Run::new(self, session, language_model, id, run_context)?;
        run.note("message", found).await?;
        run.go().await
    }

    /// The parts of a message, each with the label that it has once the guards have looked at it, and the rules that it met.
    pub(super) fn examined(&self, input: Input) -> (Vec<Part>, Vec<String>) {
        let mut found = Vec::new();
        let mut examine = |mut part: Part| {
            let (label, rules) = self.guards.label_of(part.readable(), part.label.clone());
            part.label = label;
            found.extend(rules);
            part
        };
        let parts = input.into_parts().into_iter().map(&mut examine).collect();
        (parts, found)
    }

    /// The conversation goes on with this model, whether or not it answers.
    async fn keep_model(&self, session: &Session, language_model: &Arc<dyn LanguageModel>) -> Result<(), Failure> {
        let (component, model) = (language_model.component(), language_model.model());
        self.records.set_model(session.id(), component, model).await.map_err(lost)
    }

    /// Goes on with the run that a dead process left in this session, if there is one. Effects that may have happened
    /// are not repeated.
    pub async fn resume(
        &self,
        session: &mut Session,
        language_model: &Arc<dyn LanguageModel>,
        run_context: RunContext,
    ) -> Option<Result<Ending, Failure>> {
        let run = match session.unfinished(&self.records).await {
            Ok(run) => run?,
            Err(failure) => return Some(Err(failure)),
        };
        match self.records.take_run(&run.id, &run.process, &self.process).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(lost(error))),
        }
        let resumed = async {
            self.keep_model(session, language_model).await?;
            session.reload(&self.records, Some(&run.id)).await?;
            Run::new(self, session, language_model, run.id, run_context)?.take_up().await
        };
        Some(resumed.await)
    }
}
