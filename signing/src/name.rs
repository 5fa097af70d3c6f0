//! Names that are checked once.

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a{} {what}\nhint: {hint}", if what.starts_with('a') { "n" } else { "" })]
pub struct BadName {
    what: &'static str,
    hint: &'static str,
    text: String,
}

impl BadName {
    /// A refused text: what it is not, and what such names are made of.
    #[must_use]
    pub fn new(what: &'static str, hint: &'static str, text: &str) -> Self {
        Self { what, hint, text: crate::display_safe::display_safe(text) }
    }
}

/// Types of names, each with what it is called, what it is made of, and its check.
#[macro_export]
macro_rules! names {
    ($schema:meta; $($(#[$doc:meta])* $type:ident = $what:literal, $hint:expr, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[$schema]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks a name.
            pub fn parse(text: &str) -> Result<Self, $crate::BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err($crate::BadName::new($what, $hint, text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::BadName;
            fn try_from(text: String) -> Result<Self, $crate::BadName> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::BadName;
            fn from_str(text: &str) -> Result<Self, $crate::BadName> {
                Self::parse(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}
