//! Python: componentize-py, installed by pip into an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use super::{Project, contract};
use crate::error::BuildError;
use crate::program::run;
use crate::world::{self, Requests};

/// What makes the component when the project names nothing in `dependency-groups.build`.
const MAKER: &str = "componentize-py==0.25.1";

/// How Python comes to a machine.
const PYTHON: &str = "install Python 3.11 or newer, with venv and pip";

/// Builds the project to a component without a manifest.
pub(super) fn build(project: &Project<'_>, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let source = source(project.folder)?;
    let description = description(project.folder)?;
    let folder = project.target.join("python");
    let wit = contract::write(&folder, &world::of(project.manifest, Requests::Code))?;
    let makers = listed(&description, "dependency-groups", "build");
    let makers = if makers.is_empty() { vec![MAKER.to_owned()] } else { makers };
    let programs = environment(&folder, &makers, progress)?;
    let packages = packages(&folder, &programs, &listed(&description, "project", "dependencies"), progress)?;

    let maker = || {
        let mut maker = Command::new(programs.join("componentize-py"));
        maker.args(["--quiet", "--wit-path"]).arg(&wit).args(["--world", world::WORLD]);
        // What it reads gets no cache beside it, and what it says is about the project, not about itself.
        maker.current_dir(&folder).env("PYTHONDONTWRITEBYTECODE", "1");
        maker.env_remove("VIRTUAL_ENV").env_remove("RUST_BACKTRACE");
        maker
    };
    progress("writing target/bindings, for editors");
    let bindings = project.folder.join("target/bindings");
    remove(&bindings)?;
    run(maker().arg("bindings").arg(&bindings), PYTHON)?;
    progress("making the component, with its interpreter");
    let output = folder.join("component.wasm");
    let mut command = maker();
    command.args(["componentize", "app", "--output"]).arg(&output).arg("--python-path").arg(source);
    for path in [Some(project.folder.join(".cara/sdk")).filter(|path| path.is_dir()), packages].into_iter().flatten() {
        command.arg("--python-path").arg(path);
    }
    run(&mut command, PYTHON)?;
    std::fs::read(&output).map_err(BuildError::read(&output))
}

/// The folder of `app.py`, the module that the component begins with.
fn source(folder: &Path) -> Result<PathBuf, BuildError> {
    let folders = [folder.join("src"), folder.to_owned()];
    let found = folders.into_iter().find(|folder| folder.join("app.py").is_file());
    let cure = "the class `Tool` or `Provider` that the host calls belongs there";
    found.ok_or_else(|| BuildError::NoEntry { file: folder.join("src/app.py"), cure })
}

/// What pyproject.toml says; nothing when there is none.
fn description(folder: &Path) -> Result<Table, BuildError> {
    let file = folder.join("pyproject.toml");
    if !file.is_file() {
        return Ok(Table::new());
    }
    let text = std::fs::read_to_string(&file).map_err(BuildError::read(&file))?;
    text.parse().map_err(|error: toml::de::Error| BuildError::Description { file, problem: error.message().to_owned() })
}

/// A list of requirements in it (PEP 508).
fn listed(description: &Table, table: &str, key: &str) -> Vec<String> {
    let list = description.get(table).and_then(|table| table.get(key)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The programs of an environment in which `makers` are installed.
fn environment(folder: &Path, makers: &[String], progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    let venv = folder.join("venv");
    let programs = venv.join(if cfg!(windows) { "Scripts" } else { "bin" });
    if stamped(&venv, makers) {
        return Ok(programs);
    }
    progress(&format!("installing {}", makers.join(", ")));
    let python = if cfg!(windows) { "python" } else { "python3" };
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv), PYTHON)?;
    run(pip(&programs).args(makers), PYTHON)?;
    stamp(&venv, makers)?;
    Ok(programs)
}

/// A folder with what the component carries beside its own modules, if it carries anything.
fn packages(
    folder: &Path,
    programs: &Path,
    wanted: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<Option<PathBuf>, BuildError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let packages = folder.join("packages");
    if !stamped(&packages, wanted) {
        progress(&format!("installing {}", wanted.join(", ")));
        remove(&packages)?;
        // Wheels only: what must be compiled is for this machine, and does not run in the sandbox.
        let mut pip = pip(programs);
        pip.args(["--only-binary=:all:", "--no-compile", "--target"]).arg(&packages).args(wanted);
        run(&mut pip, PYTHON)?;
        stamp(&packages, wanted)?;
    }
    Ok(Some(packages))
}

fn pip(programs: &Path) -> Command {
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip
}

/// Whether exactly this was installed here, to the end.
fn stamped(folder: &Path, what: &[String]) -> bool {
    std::fs::read_to_string(folder.join("installed")).is_ok_and(|stamp| stamp == what.join("\n"))
}

fn stamp(folder: &Path, what: &[String]) -> Result<(), BuildError> {
    super::put(&folder.join("installed"), what.join("\n").as_bytes()).map(drop)
}

fn remove(folder: &Path) -> Result<(), BuildError> {
    if folder.is_dir() { std::fs::remove_dir_all(folder).map_err(BuildError::written(folder)) } else { Ok(()) }
}
