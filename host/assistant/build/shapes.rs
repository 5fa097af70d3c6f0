//! The automata of secrets and personal data.

use regex_automata::MatchKind;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use serde::Deserialize;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

#[derive(Deserialize)]
struct Table {
    shape: Vec<Shape>,
}

#[derive(Deserialize)]
struct Shape {
    class: String,
    pattern: String,
}

/// The classes, in the order of `Class::ALL`.
const CLASSES: [&str; 4] = ["secret", "payment", "identity", "contact"];

/// Writes an automaton for each class, and the Rust that embeds them.
pub(crate) fn write(text: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    let table: Table = toml::from_str(text)?;
    let mut code = String::from("static AUTOMATA: [&Aligned<[u8]>; 4] = [\n");
    for class in CLASSES {
        let of_class = table.shape.iter().filter(|shape| shape.class == class);
        let patterns: Vec<&str> = of_class.map(|shape| shape.pattern.as_str()).collect();
        let automaton = dense::Builder::new()
            .configure(dense::Config::new().match_kind(MatchKind::All).start_kind(StartKind::Anchored).minimize(true))
            .thompson(thompson::Config::new().utf8(false))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_many(&patterns)?;
        let little = std::env::var("CARGO_CFG_TARGET_ENDIAN")? == "little";
        let (bytes, padding) =
            if little { automaton.to_bytes_little_endian() } else { automaton.to_bytes_big_endian() };
        let path = out.join(format!("{class}.dfa"));
        std::fs::write(&path, &bytes[padding..])?;
        writeln!(code, "&Aligned {{ _as: [], bytes: *include_bytes!({path:?}) }},")?;
    }
    code.push_str("];\n");
    Ok(std::fs::write(out.join("shapes.rs"), code)?)
}
