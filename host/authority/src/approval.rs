//! The proof that a tool call may be made.

use crate::policy::{Action, Decision};
use crate::tool_call::{Binding, ToolCall};

/// A person's yes, taken out of the store so that nobody can take it out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The call that the approval was given for.
    pub binding: Binding,
}

/// Why a call may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// The policy does not let it run.
    #[error("the policy does not let this call run")]
    Policy,
    /// The approval was given for something else.
    #[error("the approval was given for another call\nhint: ask again; an approval is good for one call, unchanged")]
    Binding,
}

/// Having an `Approved<ToolCall>` tells you: the policy, or a person who was shown exactly this call, said yes to it.
#[derive(Debug, Clone)]
pub struct Approved<T>(T);

impl Approved<ToolCall> {
    /// A call that the policy lets run without asking.
    pub fn by_policy(call: ToolCall, decision: &Decision) -> Result<Self, NotApproved> {
        if decision.then() == Action::Allow && decision.is_for(&call) {
            Ok(Self(call))
        } else {
            Err(NotApproved::Policy)
        }
    }

    /// A call that a rule of a person answers; not when the labels of the run ask.
    pub fn by_stored_rule(call: ToolCall, decision: &Decision) -> Result<Self, NotApproved> {
        let may = decision.may_be_answered_by_rule() && decision.is_for(&call);
        if may { Ok(Self(call)) } else { Err(NotApproved::Policy) }
    }

    /// A call that a person approved. A denial by the policy stands against it.
    pub fn by_person(call: ToolCall, decision: &Decision, ticket: &Ticket) -> Result<Self, NotApproved> {
        if decision.then() == Action::Deny || !decision.is_for(&call) {
            return Err(NotApproved::Policy);
        }
        if call.binding() == ticket.binding { Ok(Self(call)) } else { Err(NotApproved::Binding) }
    }

    /// The call.
    pub fn call(&self) -> &ToolCall {
        &self.0
    }
}
