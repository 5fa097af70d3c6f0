//! A TOML value with its place, so that what is wrong with it names its line.
//!
//! Read by hand from the parsed document: the same through `serde` made the component nearly twice as large.

use cara_sdk::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of the script.
#[derive(Clone, Copy)]
pub(super) struct Node<'s> {
    source: &'s str,
    start: usize,
    value: &'s DeValue<'s>,
}

/// A table of which every key is known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'s> {
    source: &'s str,
    table: &'s DeTable<'s>,
}

/// An error about the script, with the line of the byte at `start`.
pub(super) fn wrong(source: &str, start: usize, why: &str) -> Error {
    let before = source.as_bytes().iter().take(start);
    let line = before.filter(|&&byte| byte == b'\n').count() + 1;
    Error::bad_request(format!("the script cannot be read: line {line}: {why}"))
}

impl<'s> Fields<'s> {
    /// Checks the keys of a table.
    pub(super) fn of(source: &'s str, table: &'s DeTable<'s>, known: &[&str]) -> Result<Self, Error> {
        match table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) {
            None => Ok(Self { source, table }),
            Some(key) => {
                let why = format!("unknown key `{}`, known are {}", key.get_ref().escape_debug(), listed(known));
                Err(wrong(source, key.span().start, &why))
            }
        }
    }

    /// The value of a key, where it has one.
    pub(super) fn get(&self, key: &str) -> Option<Node<'s>> {
        self.table.get(key).map(|value| Node::of(self.source, value))
    }

    /// The value of a key read in some way, where it has one.
    pub(super) fn read<T>(&self, key: &str, read: fn(Node<'s>) -> Result<T, Error>) -> Result<Option<T>, Error> {
        self.get(key).map(read).transpose()
    }
}

impl<'s> Node<'s> {
    fn of(source: &'s str, value: &'s Spanned<DeValue<'s>>) -> Self {
        Self { source, start: value.span().start, value: value.get_ref() }
    }

    /// The value itself.
    pub(super) const fn value(self) -> &'s DeValue<'s> {
        self.value
    }

    /// An error about this value.
    pub(super) fn wrong(self, why: &str) -> Error {
        wrong(self.source, self.start, why)
    }

    /// A table with no other keys than these.
    pub(super) fn table(self, known: &[&str]) -> Result<Fields<'s>, Error> {
        let table = self.value.as_table().ok_or_else(|| self.wrong("this must be a table"))?;
        Fields::of(self.source, table, known)
    }

    /// The items of an array.
    pub(super) fn items(self) -> Result<Vec<Self>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("this must be an array"))?;
        Ok(items.iter().map(|item| Self::of(self.source, item)).collect())
    }

    /// A text.
    pub(super) fn text(self) -> Result<String, Error> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.wrong("this must be a text"))
    }

    /// `true` or `false`.
    pub(super) fn truth(self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.wrong("this must be `true` or `false`"))
    }

    /// A whole number from 0.
    pub(super) fn number(self) -> Result<u64, Error> {
        let number =
            self.value.as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        number.ok_or_else(|| self.wrong("this must be a whole number from 0"))
    }

    /// What one of these names stands for.
    pub(super) fn name<T: Copy>(self, names: &[(&str, T)]) -> Result<T, Error> {
        let text = self.value.as_str();
        let found = names.iter().find(|(name, _)| Some(*name) == text);
        found.map(|&(_, meant)| meant).ok_or_else(|| {
            let names: Vec<&str> = names.iter().map(|&(name, _)| name).collect();
            self.wrong(&format!("this must be one of {}", listed(&names)))
        })
    }

    /// This value as JSON, added to `out`.
    pub(super) fn json(self, out: &mut String) -> Result<(), Error> {
        match self.value {
            DeValue::String(text) => quote(text, out),
            DeValue::Datetime(time) => quote(&time.to_string(), out),
            DeValue::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => out.push_str(&number.to_string()),
                Err(_) => return Err(self.wrong("this number is too large")),
            },
            DeValue::Float(number) => match number.as_str().trim_start_matches('+') {
                text if text.ends_with(['f', 'n']) => return Err(self.wrong("JSON has no such number")),
                text => out.push_str(text),
            },
            DeValue::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    Self::of(self.source, item).json(out)?;
                }
                out.push(']');
            }
            DeValue::Table(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    quote(key.get_ref(), out);
                    out.push(':');
                    Self::of(self.source, value).json(out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("every string is JSON"));
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
