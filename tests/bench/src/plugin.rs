//! The life of a stranger's plugin: what reviewing, installing and swapping it
//! take, and what each costs in memory.
//!
//! An install is fetching, verifying, comparing and compiling; `verify` is all but the last, as a process of its own, and
//! wasmtime alone compiling the same file is the floor of the whole.

use crate::Counts;
use crate::bare::Bare;
use crate::process::{self, cara, command, first_byte};
use crate::samples::{in_turns, timed};
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result};
use cara_harness::with_manifest;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What a stranger offers under other names: a tool without a network.
const COMPONENT: &str = "time";

/// Plugins beside each other where their memory is measured.
const MANY: usize = 10;

/// A home that trusts a stranger, and the stranger's key.
struct Stranger {
    home: TempDir,
    cara: PathBuf,
    code: Vec<u8>,
}

impl Stranger {
    fn new() -> Result<Self> {
        let embedded = cara_bundle::components().iter().find(|embedded| embedded.id == COMPONENT);
        let embedded = embedded.with_context(|| format!("no component `{COMPONENT}` comes with the program"))?;
        let stranger = Self { home: tempfile::tempdir()?, cara: cara()?, code: embedded.wasm.to_vec() };
        let home = stranger.home.path();
        std::fs::create_dir(home.join("cara"))?;
        std::fs::write(home.join("cara/config.toml"), "[vault]\nstore = \"file\"\n")?;
        let public = stranger.run(&["plugin", "keygen", "acme", "--file", "acme.pem"])?;
        std::fs::write(home.join("acme.pub"), public)?;
        stranger.run(&["trust", "add", "acme", "acme.pub", "--may", "*"])?;
        Ok(stranger)
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = command(&self.cara, self.home());
        command.args(arguments);
        Ok(first_byte(command)?.1)
    }

    fn timed(&self, arguments: &[&str]) -> Result<f64> {
        timed(|| self.run(arguments).map(drop))
    }

    /// A signed file: the component under another id, with tools of other names.
    fn offers(&self, id: &str, version: &str) -> Result<String> {
        let tool = id.replace('-', "_");
        let manifest = cara_signing::Package::read(self.code.clone())?.manifest().to_owned();
        let manifest = manifest
            .replacen("id = \"time\"", &format!("id = \"{id}\""), 1)
            .replacen("version = \"0.1.0\"", &format!("version = \"{version}\""), 1)
            .replace("name = \"time_", &format!("name = \"{tool}_"));
        let file = format!("{id}-{version}.wasm");
        std::fs::write(self.home().join(&file), with_manifest(&self.code, &manifest).bytes())?;
        self.run(&["plugin", "sign", &file, "--key", "./acme.pem"])?;
        Ok(file)
    }
}

/// All of it.
pub(crate) fn measure(counts: Counts) -> Result<Vec<Row>> {
    let (stranger, bare) = (Stranger::new()?, Bare::new()?);
    let file = stranger.offers("first", "1.0.0")?;
    let bytes = std::fs::read(stranger.home().join(&file))?;
    let size = bytes.len() / 1000;
    let row =
        |name: String, against, (ours, floor)| Row { name, against, ours, floor, unit: Unit::Time, aim: Aim::None };
    let nothing = || process::nothing(stranger.home());
    let mut rows = Vec::new();

    let verified = in_turns(counts.starts, || stranger.timed(&["plugin", "verify", &file]), nothing)?;
    rows.push(row(format!("plugin: verify a file ({size} KB)"), "/bin/true", verified));
    let reviewed = in_turns(counts.starts, || stranger.timed(&["plugin", "review", &file]), nothing)?;
    rows.push(row(format!("plugin: review a file ({size} KB)"), "/bin/true", reviewed));

    // Each has another id, so none finds code that was compiled before.
    let next = Cell::new(0);
    let install = || {
        let id = format!("plugin-{}", next.replace(next.get() + 1));
        let file = stranger.offers(&id, "1.0.0")?;
        stranger.timed(&["plugin", "install", &file, "--yes"])
    };
    let installed = in_turns(counts.cold, install, || timed(|| bare.compile(&bytes).map(drop)))?;
    rows.push(row(format!("plugin: install a file ({size} KB)"), "wasmtime alone: compile it", installed));

    for version in ["1.0.0", "1.1.0"] {
        let file = stranger.offers("swapped", version)?;
        stranger.run(&["plugin", "install", &file, "--yes"])?;
    }
    let swapped = in_turns(counts.starts, || stranger.timed(&["plugin", "rollback", "swapped"]), nothing)?;
    rows.push(row("plugin: swap two versions".into(), "/bin/true", swapped));
    rows.push(memory(counts)?);
    Ok(rows)
}

/// With many installed, beside none.
fn memory(counts: Counts) -> Result<Row> {
    let (many, none) = (Stranger::new()?, Stranger::new()?);
    for number in 0..MANY {
        let file = many.offers(&format!("plugin-{number}"), "1.0.0")?;
        many.run(&["plugin", "install", &file, "--yes"])?;
    }
    let peak = |stranger: &Stranger| process::peak(&stranger.cara, &process::ASK, stranger.home());
    let (ours, floor) = in_turns(counts.cold, || peak(&many), || peak(&none))?;
    let name = format!("plugin: peak of one answer with {MANY} installed");
    Ok(Row { name, against: "the same without them", ours, floor, unit: Unit::Memory, aim: Aim::None })
}
