//! Checked texts: read by `FromStr`, written by `Display`, and so by serde.

/// Gives a type what `#[serde(try_from = "String", into = "String")]` asks for.
macro_rules! text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = <$type as std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
pub(crate) use text;
