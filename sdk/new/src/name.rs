//! The name of a project, which becomes the id of its component.

use cara_signing::{BadName, ComponentId};

use crate::words::Kind;

/// The longest a tool's name may be, as the contract says.
const TOOL_NAME: usize = 64;

/// What the names of the example's tools add to the project's: `_greet` and `_title`.
const SUFFIX: usize = "_greet".len();

/// Why no project has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is no component id.
    #[error(transparent)]
    Id(#[from] BadName),
    /// The names of its tools would be longer than the contract allows.
    #[error("`{name}` is too long for the names of its tools\nhint: use at most {most} characters")]
    Long {
        /// The name.
        name: String,
        /// How long it may be.
        most: usize,
    },
}

/// A checked name.
#[derive(Debug)]
pub(crate) struct Name(ComponentId);

impl Name {
    pub(crate) fn parse(kind: Kind, text: &str) -> Result<Self, NameError> {
        let id: ComponentId = text.parse()?;
        let most = TOOL_NAME - SUFFIX;
        if kind == Kind::Tool && text.len() > most {
            return Err(NameError::Long { name: text.to_owned(), most });
        }
        Ok(Self(id))
    }

    /// As it is.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// With `_` for `-`, as the names of tools and variables are written.
    pub(crate) fn snake(&self) -> String {
        self.as_str().replace('-', "_")
    }
}
