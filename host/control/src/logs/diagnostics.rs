//! Diagnostics of this process: beside what it prints, and in the log of `cara
//! start`, with known secrets taken out of every line.

use super::Kept;
use crate::error::{Result, error};
use cara_services::egress::KnownSecrets;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// What is kept unless a filter is given.
const USUAL: &str = "info";

/// Shows a line beside what the process prints.
pub type Aside = fn(&str);

/// Switches diagnostics on: to `aside` with a filter, and to `kept` always. Without both there are none.
///
/// # Errors
///
/// The text is no filter, or diagnostics are on already.
pub fn start(filter: Option<&str>, kept: Option<&Kept>, known: &KnownSecrets, aside: Aside) -> Result<()> {
    let filter = filter.filter(|filter| !filter.is_empty());
    if filter.is_none() && kept.is_none() {
        return Ok(());
    }
    let shown = filter.unwrap_or(USUAL);
    let wanted = EnvFilter::try_new(shown).map_err(|why| {
        error!(Invalid, "`{shown}` is no log filter: {why}\nhint: a level such as `debug`, or `component=debug`")
    })?;
    let writer = |kept: Option<&Kept>| Scrubbing { known: known.clone(), kept: kept.cloned(), aside };
    let beside = filter.map(|_| fmt::layer().with_writer(writer(None)).with_ansi(false));
    let file = kept.map(|kept| {
        let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        layer.with_writer(writer(Some(kept)))
    });
    let begun = tracing_subscriber::registry().with(wanted).with(beside).with(file).try_init();
    begun.map_err(|why| error!(Internal, "diagnostics cannot be switched on: {why}"))
}

/// The longest value in a line, bytes: an error with its cause and its cure. Foreign text in it was cut by who put it there.
const LONGEST: usize = 2_048;

/// The longest line that is shown, bytes.
const WIDEST: usize = 16 * 1024;

/// The longest name of a field, bytes.
const LONGEST_NAME: usize = 128;

/// The fields that each line has; so many others are shown, with what is in them.
const OWN: [&str; 4] = ["timestamp", "level", "target", "message"];
const OTHERS: usize = 64;

/// A text in which nothing moves a cursor, turns the direction of writing, or begins a line.
fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for letter in text.replace("\nhint: ", "; hint: ").chars() {
        let before = shown.len();
        match letter {
            '"' | '\'' | '\\' => shown.push(letter),
            _ => shown.extend(letter.escape_debug()),
        }
        if shown.len() > most {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

/// A line beside what is printed: one line, whatever stands in it.
fn plain(line: &str) -> String {
    let line = line.strip_suffix('\n').unwrap_or(line);
    shown(line, WIDEST) + "\n"
}

/// A value, each text in it safe to show; `left` says how many values there is room for.
fn safe(value: Value, left: &mut usize) -> Value {
    match value {
        Value::String(text) => shown(&text, LONGEST).into(),
        Value::Array(all) => all.into_iter().map_while(|value| is_left(left).then(|| safe(value, left))).collect(),
        Value::Object(fields) => Value::Object(safe_fields(fields, left)),
        plain => plain,
    }
}

fn safe_fields(fields: Map<String, Value>, left: &mut usize) -> Map<String, Value> {
    let one = |(name, value): (String, Value)| is_left(left).then(|| (shown(&name, LONGEST_NAME), safe(value, left)));
    fields.into_iter().map_while(one).collect()
}

/// Whether there is room for one more, which takes it.
fn is_left(left: &mut usize) -> bool {
    let is = *left > 0;
    *left = left.saturating_sub(1);
    is
}

/// A line of the log, each text in it safe to show.
fn object(line: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return json!({ "message": shown(line, LONGEST) }).to_string() + "\n";
    };
    let (own, others): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(name, _)| OWN.contains(&name.as_str()));
    let mut safe = safe_fields(others, &mut { OTHERS });
    safe.append(&mut safe_fields(own, &mut { OTHERS }));
    Value::Object(safe).to_string() + "\n"
}

/// Writes lines without known secrets: into the log, or beside what is printed.
#[derive(Clone)]
struct Scrubbing {
    known: KnownSecrets,
    kept: Option<Kept>,
    aside: Aside,
}

impl<'a> MakeWriter<'a> for Scrubbing {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line { to: self.clone(), bytes: Vec::new() }
    }
}

/// One line, written when it is complete, so that a secret cannot hide in two halves.
struct Line {
    to: Scrubbing,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.bytes);
        let line = self.to.known.scrub_text_of_all(&line);
        match &self.to.kept {
            None => (self.to.aside)(&plain(&line)),
            Some(kept) => {
                if let Some(error) = kept.write(object(&line).as_bytes()) {
                    (self.to.aside)(&format!("the log cannot be written: {error}\n"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_text_in_a_line_begins_another_or_changes_how_it_is_read() {
        let hostile = "a\n2026-11-28T00:00:00Z ERROR forged\r\u{1b}[2J\u{202e}b\u{200b}\u{85}\u{2028}";
        let told = json!({ "message": hostile, "number": 3, "level": "INFO" }).to_string() + "\n";
        let line = object(&told);
        let fields: Map<String, Value> = serde_json::from_str(&line).unwrap();
        let message = fields["message"].as_str().unwrap();
        assert_eq!(message, r"a\n2026-11-28T00:00:00Z ERROR forged\r\u{1b}[2J\u{202e}b\u{200b}\u{85}\u{2028}");
        assert_eq!((&fields["number"], line.lines().count()), (&Value::from(3), 1));
        let beside = plain(&format!("INFO {hostile}\n"));
        assert_eq!((beside.lines().count(), beside.ends_with('\n')), (1, true));
        assert!(beside.chars().all(|letter| letter == '\n' || !letter.is_control()) && !beside.contains('\u{202e}'));
        let long = json!({ "message": "é".repeat(100_000) }).to_string();
        let cut: Map<String, Value> = serde_json::from_str(&object(&long)).unwrap();
        assert!(cut["message"].as_str().unwrap().len() <= LONGEST + '…'.len_utf8());
        let cure = object(&json!({ "error": "it is wrong\nhint: `do` it" }).to_string());
        assert!(cure.contains("it is wrong; hint: `do` it"), "{cure}");
        // Names as well, and what is inside of a value.
        let nested = json!({ "level": "INFO", "a": [hostile, { hostile: [hostile] }], hostile: 1 });
        let line = object(&nested.to_string());
        assert!(line.trim_end().chars().all(|letter| !letter.is_control()) && !line.contains('\u{202e}'), "{line}");
        let fields: Map<String, Value> = serde_json::from_str(&line).unwrap();
        let shown = json!(message);
        assert_eq!((&fields["a"][0], &fields["a"][1][message], &fields[message]), (&shown, &json!([shown]), &json!(1)));
        // However many there are, a line is bounded, and says when and how bad.
        let fields: Map<String, Value> = (0..10_000).map(|number| (format!("a{number}"), json!([1, 2]))).collect();
        let mut many = json!({ "level": "WARN", "timestamp": "now", "0": vec!["x".repeat(3_000); 1_000], "a": fields });
        many["b".repeat(100_000)] = json!(1);
        let line = object(&many.to_string());
        assert!(line.len() < OTHERS * (LONGEST + LONGEST_NAME + 32), "{}", line.len());
        assert!(line.contains(r#""level":"WARN""#) && line.contains(r#""timestamp":"now""#), "{line}");
        assert!(object("no object\n").contains("no object") && object("no\nobject").lines().count() == 1);
    }
}
