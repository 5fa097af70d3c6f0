//! Commands of who runs cara: over what is kept,
//! what is asked and what is allowed.

use super::word;
use cara_authority::{ApprovalId, ComponentId, Label, PersonId, Provenance, RuleId, SessionId, ToolName};
use cara_control::explain::ExplainRun;
use cara_control::inbox::{InboundId, InboundState};
use cara_control::outbox::{OutboundId, OutboundState};
use cara_control::people::GivenRole;
use cara_control::sessions::Format;
use cara_control::usage::Grouping;
use cara_control::{AGENT, CONSOLE};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List conversations: those that are pinned first, and of either kind the one that changed last.
    List {
        /// Every conversation.
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show a conversation: its runs, and every message with where it came from.
    Show {
        /// The session.
        id: SessionId,
    },
    /// Write a conversation out as text or data. Attached files are listed, not contained.
    Export {
        /// The session.
        id: SessionId,
        /// How it is written.
        #[arg(long, default_value = "json", value_parser = word::<Format>())]
        format: Format,
        /// A new file (0600) in place of stdout; one that exists is not replaced.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete a conversation with all that is in it. There is no way back.
    Delete {
        /// The session.
        id: SessionId,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Begin a new conversation with the messages of another one.
    Fork {
        /// The session.
        id: SessionId,
        /// The last message that is taken along; all when left out. `cara sessions show` has the numbers.
        #[arg(long, value_name = "PLACE")]
        upto: Option<u64>,
    },
    /// Give a conversation another title.
    Rename {
        /// The session.
        id: SessionId,
        /// The title.
        title: String,
    },
    /// Pin a conversation: it comes first in lists, and no time ends or removes it.
    Pin {
        /// The session.
        id: SessionId,
    },
    /// Let go of a conversation that is pinned.
    Unpin {
        /// The session.
        id: SessionId,
    },
    /// Search titles, and what was said in your own conversations, for all the words.
    Search {
        /// The words; case and accents do not matter, and a word stands for all that begin with it.
        #[arg(required = true)]
        words: Vec<String>,
        /// At most so many conversations.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50))]
        limit: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// List who is known: you, members and guests.
    List,
    /// Show somebody with all addresses, and how much is kept about them.
    Show {
        /// The person; `owner` is you.
        id: String,
    },
    /// Add somebody, or change their name or role.
    Name {
        /// The id, which you choose: lower-case letters, digits and `-`. It is never changed.
        id: String,
        /// What they are called; for showing only. The id unless given.
        name: Option<String>,
        /// What they are: as before when left out, and guest for somebody new.
        #[arg(long, value_parser = word::<GivenRole>())]
        role: Option<GivenRole>,
    },
    /// Link an address to somebody: who writes from there is them from now on.
    Link {
        /// The person; `owner` is you.
        id: String,
        /// `CHANNEL:ACCOUNT:USER`, by the platform's unchanging id of the user.
        address: String,
    },
    /// Take an address away from whoever has it.
    Unlink {
        /// The address.
        address: String,
    },
    /// Forget somebody, with everything that is kept about them. There is no way back.
    Forget {
        /// The person.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Write everything that is kept about somebody into a file, as one JSON document.
    Export {
        /// The person; `owner` is you.
        id: String,
        /// A new file (0600) in place of stdout.
        file: Option<PathBuf>,
        /// Replace the file where there is one.
        #[arg(long, requires = "file")]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OfPerson {
    /// Of somebody else than you.
    #[arg(long, value_name = "ID", default_value = "owner", hide_default_value = true)]
    pub(crate) person: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// List what is remembered, by key.
    List {
        #[command(flatten)]
        of: OfPerson,
    },
    /// Show an entry whole, with where it came from.
    Show {
        /// The key.
        key: String,
        #[command(flatten)]
        of: OfPerson,
    },
    /// Search for entries that have all the words; the best comes first.
    Search {
        /// The words.
        #[arg(required = true)]
        words: Vec<String>,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50))]
        limit: u32,
        #[command(flatten)]
        of: OfPerson,
    },
    /// Forget an entry. There is no way back.
    Forget {
        /// The key.
        key: String,
        #[command(flatten)]
        of: OfPerson,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Show what was done; the newest comes first.
    Show {
        /// At most so many events.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Only events of this kind: `grant`, `approval-decided`, …
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
    },
    /// Check that no event was changed, removed or reordered. Exit code 1 when one was.
    Verify {
        /// Compare with the anchors in a file, too: an older copy of the ledger, a shorter or another one is named.
        #[arg(long, value_name = "PATH")]
        anchor: Option<PathBuf>,
    },
    /// Keep the head of the audit log elsewhere, signed: there an older copy of the ledger is told by it.
    Anchor {
        /// A file outside the home, to which a line is added; without `--file` and `--url`, what the configuration names.
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        /// A URL to which the line is sent.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// A transparency log, a Rekor, whose proof stands in the file. What it gets is public for ever.
        #[arg(long, value_name = "URL", requires = "file")]
        log: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Show where the ledger is, which versions of its tables it has, and what is lost on the way back from each.
    Show,
    /// Take the ledger back to an older version, for an older cara that does not know the newest.
    Downgrade {
        /// The version; the one before the newest when left out.
        #[arg(long, value_name = "N")]
        to: Option<u32>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List the requests that wait for an answer.
    List,
    /// Show a request whole: every byte of it, escaped.
    Show {
        /// The request.
        id: ApprovalId,
    },
    /// Allow a request, once.
    Allow {
        /// The request.
        id: ApprovalId,
        /// And store the rule that `show` names, so that the like is not asked again.
        #[arg(long)]
        always: bool,
    },
    /// Deny a request.
    Deny {
        /// The request.
        id: ApprovalId,
        /// Why; the model is told.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List the stored rules that answer in your place.
    Rules,
    /// Remove a stored rule.
    Forget {
        /// The rule; `cara approvals rules` shows them.
        rule: RuleId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Inbox {
    /// List the messages that came; the newest comes first.
    List {
        /// Only those of this state.
        #[arg(long, value_parser = word::<InboundState>())]
        state: Option<InboundState>,
        /// At most so many messages.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show a message whole.
    Show {
        /// The message.
        id: InboundId,
    },
    /// Have a message that was settled answered once more.
    Replay {
        /// The message.
        id: InboundId,
    },
    /// Keep a message that waits from being answered.
    Drop {
        /// The message.
        id: InboundId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Outbox {
    /// List the messages that were not sent, and why; the newest comes first.
    List {
        /// Only those of this state.
        #[arg(long, value_parser = word::<OutboundState>())]
        state: Option<OutboundState>,
        /// At most so many messages.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show a message whole.
    Show {
        /// The message.
        id: OutboundId,
    },
    /// Send a message that is dead, unknown or dropped. One that is unknown may arrive twice.
    Retry {
        /// The message.
        id: OutboundId,
    },
    /// Keep a message from being sent.
    Drop {
        /// The message.
        id: OutboundId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Explain the policy decision for a call.
    Explain(Box<PolicyExplain>),
    /// Show the rules in force, the defaults and what labels demand.
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyExplain {
    /// The tool.
    pub(crate) tool: ToolName,

    /// Its arguments, JSON; checked like those of a model.
    pub(crate) arguments: Option<String>,

    /// What the run has seen: sources and `private`, joined by `+`, such as `owner+web+private`.
    #[arg(long, value_name = "LABEL", default_value = "owner", value_parser = Label::parse)]
    pub(crate) seen: Label,

    /// The agent.
    #[arg(long, value_name = "NAME", default_value = AGENT)]
    pub(crate) agent: String,

    /// The channel.
    #[arg(long, value_name = "NAME", default_value = CONSOLE)]
    pub(crate) channel: String,

    /// The person whose conversation it is; the one at this terminal when left out.
    #[arg(long, value_name = "ID")]
    pub(crate) sender: Option<PersonId>,

    /// How the destination came about. When left out: `configured` if the configuration names it, else `model`.
    #[arg(long, value_name = "HOW", value_parser = word::<Provenance>())]
    pub(crate) provenance: Option<Provenance>,
}

#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// By what it is summed up.
    #[arg(long, default_value = "day", value_parser = word::<Grouping>())]
    pub(crate) by: Grouping,

    /// How many days back, today included; days are those of UTC.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) since: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The run, or `last`.
    #[arg(value_parser = ExplainRun::named)]
    pub(crate) run: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List the tools of all installed components, and whether a model is offered them.
    List,
    /// Switch the tools of components on: grants what their manifests ask.
    Enable {
        /// The components.
        #[arg(required = true)]
        components: Vec<ComponentId>,
    },
    /// Switch the tools of components off: takes all their grants away.
    Disable {
        /// The components.
        #[arg(required = true)]
        components: Vec<ComponentId>,
    },
}
