//! Why a component could not be tried, each with its cure.

use crate::testnet::TestnetError;
use cara_authority::Refusal;
use cara_authority::approval::NotApproved;
use cara_authority::capability::BadCapability;
use cara_authority::settings::BadSetting;
use cara_kernel::LoadError;
use cara_sdk_sign::SecretKeyError;
use cara_signing::{BadName, PatternError, TrustError, VerifyError};
use std::io;
use thiserror::Error;
use tokio::task::JoinError;

/// Why a component could not be loaded, or a test not be played. What the component itself does wrong is a finding.
#[derive(Debug, Error)]
pub enum DevkitError {
    /// No key of the moment.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
    /// The pattern that the key is trusted for.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The key of the moment cannot be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The package does not verify.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The package is not a component that this host can run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A part of the work panicked.
    #[error("a part of the test ended early: {0}\nhint: this is an error of cara: report it with the component")]
    Task(#[from] JoinError),
    /// No folder for the state of a component.
    #[error("no folder can be made for the test's state: {0}\nhint: make room, or set `TMPDIR` to a folder of yours")]
    Folder(#[source] io::Error),
    /// No scripted network.
    #[error(transparent)]
    Testnet(#[from] TestnetError),
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] BadName),
    /// A setting does not fit.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// What is withheld is no capability.
    #[error(transparent)]
    Capability(#[from] BadCapability),
    /// What is withheld was not asked for.
    #[error("it does not ask for `{withheld}`, which cannot be withheld\nhint: it asks for {requested}")]
    NotRequested {
        /// The capability, as the test has it.
        withheld: String,
        /// The capabilities that the manifest requests.
        requested: String,
    },
    /// The call is refused by the policy.
    #[error("{0}\nhint: a test plays only calls that a person may allow")]
    NotApproved(#[from] NotApproved),
    /// The state of the component cannot be read or written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tool of a test does not exist.
    #[error("it has no tool `{tool}`\nhint: it has {known}")]
    UnknownTool {
        /// The tool, as the test has it.
        tool: String,
        /// The tools of the manifest.
        known: String,
    },
    /// A test calls nothing, or two things.
    #[error("a test has either `tool` or `prompt`\nhint: make two tests of it, or add the one that is missing")]
    Call,
    /// A request has no method or URL.
    #[error("`{0}` is no request\nhint: write `GET https://api.example.com/path`")]
    Request(String),
    /// A request has two bodies.
    #[error("a request has either `has-body` or `has-json`\nhint: remove one of them")]
    RequestBody,
    /// A reply has two bodies.
    #[error("a reply has either `body` or `json`\nhint: remove one of them")]
    ReplyBody,
    /// A reply has a status that HTTP does not have.
    #[error("`{0}` is no status of HTTP\nhint: write one from 100 to 999, such as `429`")]
    Status(u16),
    /// A header has characters that no header has.
    #[error(
        "`{header}` is no header: {source}\nhint: use visible ASCII characters, and none but `-` and letters in a name"
    )]
    Header {
        /// The header, as the test has it.
        header: String,
        /// The rule of HTTP that it breaks.
        source: http::Error,
    },
}

/// Names for a hint, or that there are none.
pub(crate) fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
