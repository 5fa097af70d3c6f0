//! Enums each of whose cases has a word of its own.

/// A text that is none of the words of its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of the words that can stand here")]
pub struct UnknownWord(
    /// The text, escaped and cut.
    pub String,
);

/// An enum whose cases are written as words: in manifests, in the configuration and in the ledger.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $type:ident { $($(#[$case_meta:meta])* $case:ident = $word:literal,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        $(#[$meta])*
        pub enum $type {
            $($(#[$case_meta])* #[serde(rename = $word)] $case,)*
        }

        impl $type {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$case,)*];

            /// The word, as written in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)*
                }
            }

            /// The one with this word.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == word)
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::words::UnknownWord;
            fn try_from(word: String) -> Result<Self, Self::Error> {
                Self::named(&word).ok_or_else(|| $crate::words::UnknownWord($crate::display_safe(&word)))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
