//! Where a marker stands in a text: it alone is replaced, every other byte
//! stays.

use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// The key of the spot stands twice: which one is meant is up to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twice;

/// What is under a key of a query or form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Absent,
    /// The marker stands there, in this place.
    Marked(Range<usize>),
    Other,
}

impl Pair {
    pub(super) fn marked(self) -> Option<Range<usize>> {
        if let Self::Marked(place) = self { Some(place) } else { None }
    }
}

/// Looks for a key in a query or form.
pub(super) fn pair(text: &str, key: &str, marker: &str) -> Result<Pair, Twice> {
    let is = |part: &str, wanted: &str| percent_decode_str(&part.replace('+', " ")).eq(wanted.bytes());
    let (mut at, mut values) = (0, Vec::new());
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is(name, key) {
            values.push(at + pair.len() - value.len()..at + pair.len());
        }
        at += pair.len() + 1;
    }
    let marked = values.iter().find(|place| is(&text[(*place).clone()], marker));
    match (marked, values.len()) {
        (Some(_), 2..) => Err(Twice),
        (Some(place), _) => Ok(Pair::Marked(place.clone())),
        (None, 0) => Ok(Pair::Absent),
        (None, _) => Ok(Pair::Other),
    }
}

/// Looks for the marker as the string at a JSON pointer (RFC 6901), quotes included.
pub(super) fn string(text: &str, pointer: &str, marker: &str) -> Result<Option<Range<usize>>, Twice> {
    let Ok(mut value) = serde_json::from_str::<&RawValue>(text) else { return Ok(None) };
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let found = if let Ok(Members(members)) = serde_json::from_str(value.get()) {
            let mut found = members.into_iter().filter(|(name, _)| *name == step).map(|(_, value)| value);
            let first = found.next();
            if found.next().is_some() {
                return Err(Twice);
            }
            first
        } else {
            let items = serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default();
            // As in RFC 6901, no sign and no leading zero.
            step.parse::<usize>().ok().filter(|at| at.to_string() == step).and_then(|at| items.get(at).copied())
        };
        let Some(found) = found else { return Ok(None) };
        value = found;
    }
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    let marked = serde_json::from_str::<String>(value.get()).is_ok_and(|string| string == marker);
    Ok(marked.then_some(start..start + value.get().len()))
}

/// The members of a JSON object as they stand there, also those of one name.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_string_at_a_pointer_is_found_where_it_stands() {
        let text = " {\"n\": 18446744073709551616.50, \"a/b\":[ 1, {\"k\" : \"\\u004dARK\" ,\"x\":1,\"x\":2}],\"z\":\"MARK\"}\n";
        let place = string(text, "/a~1b/1/k", "MARK").unwrap().unwrap();
        assert_eq!(&text[place], "\"\\u004dARK\"");
        for other in ["/n", "/a~1b/0", "/a~1b/01/k", "/a~1b/+1/k", "/a~1b/2/k", "/a/b", "/z/0", "/nothing"] {
            assert_eq!(string(text, other, "MARK"), Ok(None), "{other}");
        }
        assert_eq!(string("{\"z\":\"MARK\"", "/z", "MARK"), Ok(None), "no JSON");
        assert_eq!(string(&"[".repeat(60_000), "/0", "MARK"), Ok(None), "deep");
    }

    #[test]
    fn a_key_that_stands_twice_on_the_way_is_no_place() {
        for text in [r#"{"a":{"k":"MARK"},"a":{}}"#, r#"{"a":{"k":1,"\u006b":"MARK"}}"#, r#"{"\u0061":1,"a":{"k":2}}"#]
        {
            assert_eq!(string(text, "/a/k", "MARK"), Err(Twice), "{text}");
        }
        assert_eq!(pair("a=1&k=MARK&%6b=2", "k", "MARK"), Err(Twice));
        assert_eq!(pair("a=1&k=3&k=2", "k", "MARK"), Ok(Pair::Other));
        assert_eq!(pair("a=1&k=M%41RK&b", "k", "MARK"), Ok(Pair::Marked(6..12)));
        assert_eq!(pair("a=1&b", "k", "MARK"), Ok(Pair::Absent));
    }
}
