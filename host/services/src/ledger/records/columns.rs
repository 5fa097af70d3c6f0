//! Columns that hold one of a few words.

/// A text that is none of the words of its column.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a word of this column")]
pub struct UnknownWord(pub(super) String);

/// An enum that the ledger keeps as a word for each case.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $type {
            $($(#[$case_doc])* $case,)*
        }

        impl $type {
            /// Its word in the ledger and in texts.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)*
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::ledger::records::UnknownWord;
            fn try_from(word: String) -> Result<Self, Self::Error> {
                match word.as_str() {
                    $($word => Ok(Self::$case),)*
                    _ => Err($crate::ledger::records::UnknownWord(word)),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(super) use words;
