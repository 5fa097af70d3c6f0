//! Decides what a component may do. Pure: no I/O, no async, no clock.
//!
//! It must not know wasmtime, sockets, files or any component by name. A decision is a value with private fields
//! ([`Grants`], [`Destination`], [`SecretGrant`]): the parts of the host that act take the value, so a forgotten
//! check does not compile.
//!
//! ```text
//! imports (binary) ──┬─→ Authority ─→ review, growth of an update, policy: what it can do
//! manifest (signed) ─┤
//! granted (operator) ┴─→ Grants ─→ Destination, SecretGrant, Limits ─→ services act
//! ```

pub mod address;
pub mod approval;
pub mod authority;
pub mod capability;
pub mod destination;
pub mod effect;
pub mod grants;
pub mod id;
pub mod interfaces;
pub mod kind;
pub mod label;
pub mod limits;
pub mod manifest;
pub mod messaging;
pub mod origin;
pub mod pattern;
pub mod policy;
pub mod power;
pub mod principal;
pub mod provenance;
pub mod refusal;
pub mod scope;
pub mod settings;
pub mod tool_call;
pub mod words;

pub use approval::{Approved, Ticket};
pub use authority::{Authority, ToolAuthority};
pub use capability::Capability;
pub use cara_signing::{display_safe, with_causes};
pub use destination::{Destination, Reach, Sender};
pub use effect::Effect;
pub use grants::{ChannelGrant, Grants, SecretGrant};
pub use id::{
    AccountId, ApprovalId, ComponentId, CredentialId, PersonId, RuleId, RunId, SecretName, SessionId, SettingKey,
    ToolName, VariableName,
};
pub use interfaces::Interfaces;
pub use kind::Kind;
pub use label::{Label, Source};
pub use limits::Limits;
pub use manifest::Manifest;
pub use messaging::{ConversationAddress, PersonAddress};
pub use origin::Origin;
pub use policy::{Action, Decision, Policy, Situation};
pub use power::{Power, ServiceGrant};
pub use principal::{Decider, Deciders, Needed, PersonRole, Principal};
pub use provenance::Provenance;
pub use refusal::{Refusal, Rule};
pub use scope::{Allowance, Scope};
pub use settings::Settings;
pub use tool_call::{Binding, ToolCall};
