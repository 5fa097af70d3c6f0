//! Software of other makes, installed from PyPI and npm into the target
//! folder.
//!
//! A lane of its own: with `CARA_FOREIGN=1` it is installed, each at one version (CI does). Without it each test says that it
//! was skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

/// Whose turn it is with each folder: tests run side by side, and it is made once.
static TURNS: Mutex<BTreeMap<String, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

/// Whether the lane is on; says so where it is not.
pub(super) fn is_on() -> bool {
    let on = std::env::var_os("CARA_FOREIGN").is_some();
    if !on {
        println!("skipped\nhint: run it with CARA_FOREIGN=1 to install software from PyPI and npm");
    }
    on
}

/// Runs a program that has to succeed; what it printed.
#[track_caller]
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}", told[0], told[1]);
    told[0].clone()
}

/// The folder of this name, made by `install` unless it has exactly these packages already.
fn folder(name: &str, packages: &[&str], install: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = folder.join("installed");
    let turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    if !std::fs::read_to_string(&done).is_ok_and(|what| what == packages.join(" ")) {
        install(&folder);
        std::fs::write(done, packages.join(" ")).unwrap();
    }
    folder
}

/// The folder with the programs of packages from PyPI.
pub(super) fn python(name: &str, packages: &[&str]) -> PathBuf {
    let install = |folder: &Path| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages));
    };
    folder(name, packages, install).join("bin")
}

/// The folder with packages from npm.
pub(super) fn node(name: &str, packages: &[&str]) -> PathBuf {
    folder(name, packages, |folder| {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
        let mut command = Command::new("npm");
        run(command.args(["install", "--silent", "--no-audit", "--no-fund"]).args(packages).current_dir(folder));
    })
}

/// A script of this folder.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}
