//! What a credential lets its person do, where more than the use case itself
//! is asked for.

use crate::answering::Respondent;
use crate::application::Application;
use crate::error::{Error, ErrorKind, Result, error, fail};
use crate::names::AGENT;
use cara_authority::{Principal, RunId, Scope, SessionId, display_safe};

/// Refuses whoever was not let in for this.
///
/// # Errors
///
/// What was shown is not for this use.
pub fn require(by: &Principal, scope: Scope, what: &str) -> Result<()> {
    if by.has(scope) {
        return Ok(());
    }
    let text = format!(
        "{what} needs the scope `{scope}`, which this credential does not have\nhint: `cara token create NAME --scope {scope}` \
         makes one that has it"
    );
    Err(Error::new(ErrorKind::Refused, text))
}

/// Whether somebody hears what is not of their own conversations: messages to the terminal, and notes of the home.
pub fn hears_everything(by: &Principal) -> bool {
    by.has(Scope::Read) && by.allowance().agents.is_none()
}

/// Refuses whoever came with a credential: what they change here would let its thief in again, keep its owner out, or hide
/// that.
pub(crate) fn without_credential(by: &Principal, what: &str, cure: &str) -> Result<()> {
    if by.credential().is_none() {
        return Ok(());
    }
    fail!(Refused, "no credential changes {what}\nhint: {cure} at the daemon's machine does")
}

/// Refuses an agent that whoever asks may not talk to.
///
/// # Errors
///
/// What was shown is for other agents.
pub fn agent(by: &Principal, agent: &str) -> Result<()> {
    if by.may_talk_to(agent) {
        return Ok(());
    }
    fail!(Refused, "this credential is not for the agent `{agent}`\nhint: `cara token list` shows for which it is")
}

/// The refusal of what grants something to a component, or changes where it connects.
pub(crate) fn only_admin(what: &str) -> Error {
    error!(
        Refused,
        "{what}: naming them grants what they ask, for which this credential has no scope\nhint: `cara chat`, or a \
         credential with the scope `admin`, can"
    )
}

/// Refuses a conversation with an agent that whoever asks may not talk to.
pub(crate) async fn session(application: &Application, by: &Principal, id: &str) -> Result<()> {
    if by.allowance().agents.is_none() {
        return Ok(());
    }
    let session = application.records().await?.session(&SessionId::parse(id)?).await?;
    let none = || error!(NotFound, "there is no session `{}`\nhint: `cara sessions list` shows them", display_safe(id));
    agent(by, &session.ok_or_else(none)?.agent)
}

/// The same for a run in such a conversation.
pub(crate) async fn run(application: &Application, by: &Principal, id: &str) -> Result<()> {
    if by.allowance().agents.is_none() {
        return Ok(());
    }
    let id = RunId::parse(id)?;
    let in_session = match application.active_runs.run_or_ended(&id) {
        Some(active) => Some(active.session.clone()),
        None => application.records().await?.run(&id).await?.map(|run| run.session),
    };
    match in_session {
        Some(of) => session(application, by, of.as_str()).await,
        // There is nothing of it to be told or stopped.
        None => Ok(()),
    }
}

/// Refuses answers in another way than the operator set up, to whoever may not operate.
pub(crate) fn respondent(by: &Principal, respondent: &Respondent) -> Result<()> {
    agent(by, respondent.agent.as_deref().unwrap_or(AGENT))?;
    let brings = !respondent.settings.is_empty() || !respondent.environment.0.is_empty();
    if brings && !by.has(Scope::Admin) {
        return Err(only_admin("settings and variables of a run"));
    }
    if respondent.system.is_some() {
        require(by, Scope::Operate, "system")?;
    }
    Ok(())
}
