//! The values that may not be seen: everything that is stored, in every form.
//!
//! Values under eight bytes can be spent, but are not looked for: they would be found everywhere by chance. The
//! automaton keeps its own copy of the values it looks for, which is dropped, not wiped, when the set changes. Nothing
//! of it is ever written down.

use super::encodings;
use super::scanner::{Patterns, Scanner};
use crate::vault::SecretValue;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Shorter values are not looked for.
pub const SHORTEST: usize = 8;

/// The secrets of this process, or of one request in it. Cloning shares them.
#[derive(Clone)]
pub struct KnownSecrets(Arc<Mutex<Values>>);

#[derive(Default)]
struct Values {
    known: Vec<Arc<SecretValue>>,
    search: Option<Arc<Patterns>>,
    /// Sets that know all that this one does.
    wider: Vec<Weak<Mutex<Values>>>,
}

impl KnownSecrets {
    /// Knows nothing yet.
    #[must_use]
    #[allow(clippy::new_without_default)] // Two sets would each miss what the other knows: make it where it is seen.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// A set that knows all that this one knows and learns, and what it is told itself, which this one does not hear.
    #[must_use]
    pub fn wider(&self) -> Self {
        let mut values = self.values();
        let wider = Self(Arc::new(Mutex::new(Values { known: values.known.clone(), ..Values::default() })));
        values.wider.retain(|set| set.strong_count() > 0);
        values.wider.push(Arc::downgrade(&wider.0));
        wider
    }

    /// Looks for a value from now on. Knowing it already changes nothing.
    pub fn register(&self, value: &Arc<SecretValue>) {
        self.register_all(std::iter::once(value));
    }

    /// Looks for all of these from now on: what is stored, as soon as the vault is open.
    pub fn register_all<'a>(&self, all: impl IntoIterator<Item = &'a Arc<SecretValue>>) {
        let mut values = self.values();
        for value in all {
            if value.expose().len() >= SHORTEST && !values.known.contains(value) {
                values.known.push(Arc::clone(value));
                values.search = None;
                values.wider.iter().filter_map(Weak::upgrade).for_each(|set| Self(set).register(value));
            }
        }
    }

    /// Stops looking for a value, after it was removed or rotated.
    pub fn forget(&self, value: &SecretValue) {
        let mut values = self.values();
        values.known.retain(|known| **known != *value);
        values.search = None;
    }

    /// Puts `[secret]` in the place of every known value; for logs, errors and whatever else is shown.
    pub fn scrub_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(search) = self.search().filter(|search| search.any(text.as_bytes())) else {
            return Cow::Borrowed(text);
        };
        let (scrubbed, _) = Scanner::new(search).push(Bytes::copy_from_slice(text.as_bytes()), true);
        Cow::Owned(String::from_utf8_lossy(&scrubbed).into_owned())
    }

    /// The same with what every wider set knows that is still held: for what belongs to no request, such as the log.
    pub fn scrub_text_of_all(&self, text: &str) -> String {
        let sets: Vec<_> = self.values().wider.iter().filter_map(Weak::upgrade).map(Self).collect();
        let all = sets.iter().chain([self]);
        all.fold(text.to_owned(), |text, set| set.scrub_text(&text).into_owned())
    }

    /// What is looked for now; `None` when nothing is. Built when it is first asked for after a change.
    pub(in crate::egress) fn search(&self) -> Option<Arc<Patterns>> {
        let mut values = self.values();
        if values.search.is_none() && !values.known.is_empty() {
            let forms = values.known.iter().flat_map(|value| encodings::all(value.expose()));
            values.search = Some(Arc::new(Patterns::new(forms)));
        }
        values.search.clone()
    }

    fn values(&self) -> std::sync::MutexGuard<'_, Values> {
        // A panic in here leaves the list whole: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownSecrets({} values)", self.values().known.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn known(values: &[&str]) -> KnownSecrets {
        let known = KnownSecrets::new();
        for value in values {
            known.register(&Arc::new(SecretValue::new(value.as_bytes().to_vec()).unwrap()));
        }
        known
    }

    /// What `encodeURIComponent` and its like leave, one more and one less.
    const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    const COMPONENT: &AsciiSet = &URL.remove(b'!').remove(b'*').remove(b'(');
    const LITTLE: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'+');

    /// What common encoders make of a text.
    fn encoded(text: &str) -> Vec<(&'static str, String)> {
        let each = |escape: &dyn Fn(char) -> Option<String>| -> String {
            text.chars().map(|c| escape(c).unwrap_or_else(|| c.to_string())).collect()
        };
        let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect::<String>();
        let json = |text: &str| {
            let quoted = serde_json::to_string(text).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        };
        // Python's `json.dumps`, Go's `SetEscapeHTML(true)`, PHP's `json_encode`.
        let ascii =
            |text: &str| text.chars().map(|c| if c.is_ascii() { c.into() } else { units(c) }).collect::<String>();
        let markup = |c: char| "<>&'\"+".contains(c);
        let named = |c: char| {
            Some(
                match c {
                    '&' => "&amp;",
                    '<' => "&lt;",
                    '>' => "&gt;",
                    '"' => "&quot;",
                    '\'' => "&#39;",
                    '/' => "&sol;",
                    '+' => "&plus;",
                    '=' => "&equals;",
                    _ => return None,
                }
                .to_owned(),
            )
        };
        let percent = utf8_percent_encode(text, URL).to_string();
        vec![
            ("serde_json", json(text)),
            ("json.dumps", ascii(&json(text))),
            ("php json_encode", ascii(&json(text)).replace('/', "\\/")),
            ("go json", each(&|c| markup(c).then(|| units(c)).or_else(|| (c == '\\').then(|| "\\\\".into())))),
            ("json, every character, upper case", each(&|c| Some(units(c).to_uppercase().replace('U', "u")))),
            ("json in json", json(&json(text))),
            ("encodeURIComponent", utf8_percent_encode(text, COMPONENT).to_string()),
            (
                "percent, lower case",
                text.bytes()
                    .map(|b| match b {
                        b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
                        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
                        b => format!("%{b:02x}"),
                    })
                    .collect(),
            ),
            ("form", percent.replace("%20", "+")),
            ("percent, as little as may be", utf8_percent_encode(text, LITTLE).to_string()),
            ("percent, every byte", text.bytes().map(|b| format!("%{b:02x}")).collect()),
            ("percent twice", utf8_percent_encode(&percent, URL).to_string()),
            ("html", each(&named)),
            ("html, decimal", each(&|c| (!c.is_alphanumeric()).then(|| format!("&#{};", u32::from(c))))),
            ("html, hexadecimal", each(&|c| (!c.is_alphanumeric()).then(|| format!("&#x{:X};", u32::from(c))))),
            ("html, every character", each(&|c| Some(format!("&#x{:x};", u32::from(c))))),
            ("python repr", each(&|c| "\\'".contains(c).then(|| format!("\\{c}")))),
            (
                "javascript \\x",
                each(&|c| (c.is_ascii() && !c.is_alphanumeric()).then(|| format!("\\x{:02X}", u32::from(c)))),
            ),
            ("hex", hex::encode(text)),
            ("hex, upper case", hex::encode_upper(text)),
            ("base64", STANDARD.encode(text)),
            ("base64 of more", STANDARD.encode(format!("user:{text}!"))),
            ("base64 of more", STANDARD.encode(format!("x{text}"))),
            ("base64url", URL_SAFE.encode(format!("us{text}"))),
            ("base64url", URL_SAFE_NO_PAD.encode(text)),
            ("base64 in json of php", STANDARD.encode(text).replace('/', "\\/")),
            ("base64 in a query", utf8_percent_encode(&STANDARD.encode(text), URL).to_string()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn a_value_is_found_whatever_an_encoder_makes_of_it(
            value in r#"([a-zA-Z0-9+/=_.~:&%?"'<> é-]|\\[a-z0-9&%]){8,40}"#,
            some in prop::collection::vec(0_usize..4, 80),
        ) {
            let known = known(&[&value]);
            let mut all = encoded(&value);
            // Only some of its characters, each in its own way.
            let ways: [fn(char) -> String; 4] = [
                |c| c.to_string(),
                |c| format!("&#{};", u32::from(c)),
                |c| c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04X}")).collect(),
                |c| utf8_percent_encode(&c.to_string(), NON_ALPHANUMERIC).to_string(),
            ];
            // An encoder that uses backslashes does not leave one as it is.
            let way = |c, way: usize| ways[if c == '\\' { way.max(1) } else { way }](c);
            all.push(("mixed", value.chars().zip(&some).map(|(c, some)| way(c, *some)).collect()));
            for (encoder, text) in all {
                let shown = known.scrub_text(&format!("{{\"k\":\"{text}\"}}")).into_owned();
                prop_assert!(shown.contains("[secret]"), "{}: {}", encoder, shown);
            }
        }
    }

    #[test]
    fn what_stands_before_a_value_does_not_hide_it() {
        let known = known(&["41ab/cdefgh", "nothing+else"]);
        for text in ["100%41ab/cdefgh", "C:\\nothing+else", "&#41ab/cdefgh", "\\u0041ab/cdefgh"] {
            assert!(known.scrub_text(text).contains("[secret]"), "{text}");
        }
    }

    #[test]
    fn a_text_loses_every_form_of_a_value() {
        let known = known(&["sk-live/3~secret?value", "another value"]);
        let text = "a sk-live/3~secret?value b another%20value c another+value d YW5vdGhlciB2YWx1ZQ== e sk-live\\/3~secret\\u003fvalue f";
        assert_eq!(known.scrub_text(text), "a [secret] b [secret] c [secret] d [secret]Q== e [secret] f");
    }

    #[test]
    fn a_text_without_a_value_is_not_copied() {
        assert!(matches!(known(&["sk-live/3~secret"]).scrub_text("nothing of it: sk-live"), Cow::Borrowed(_)));
        assert!(matches!(known(&[]).scrub_text("anything"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_wider_set_hears_what_the_narrower_one_learns_and_not_the_other_way_round() {
        let value = |text: &str| Arc::new(SecretValue::new(text.as_bytes().to_vec()).unwrap());
        let narrow = known(&["of the home"]);
        let wide = narrow.wider();
        wide.register(&value("of a request"));
        narrow.register(&value("learned later"));
        let text = "of the home, of a request, learned later";
        assert_eq!(wide.scrub_text(text), "[secret], [secret], [secret]");
        assert_eq!(narrow.scrub_text(text), "[secret], of a request, [secret]");
        assert_eq!(narrow.scrub_text_of_all(text), "[secret], [secret], [secret]");
        drop(wide);
        assert_eq!(narrow.scrub_text_of_all(text), "[secret], of a request, [secret]");
    }

    #[test]
    fn short_values_are_not_looked_for_and_forgotten_ones_no_longer() {
        let known = known(&["seven77", "eight888"]);
        assert_eq!(known.scrub_text("seven77 eight888"), "seven77 [secret]");
        known.forget(&SecretValue::new(b"eight888".to_vec()).unwrap());
        assert_eq!(known.scrub_text("eight888"), "eight888");
    }
}
