//! Makes what the guards would otherwise work out at each start.
//!
//! ```text
//! guards/rules.toml  ─→ regular expressions written out, each with words it cannot match without ─→ rules.rs
//! guards/shapes.toml ─→ one automaton for each class ─→ <class>.dfa, shapes.rs
//! ```

// A build script speaks to cargo on its standard output.
#![allow(clippy::print_stdout)]

mod rules;
mod shapes;

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let read = |name: &str| {
        let path = format!("src/guards/{name}");
        println!("cargo::rerun-if-changed={path}");
        std::fs::read_to_string(path)
    };
    println!("cargo::rerun-if-changed=build");
    std::fs::write(out.join("rules.rs"), rules::written(&read("rules.toml")?)?)?;
    shapes::write(&read("shapes.toml")?, &out)
}
