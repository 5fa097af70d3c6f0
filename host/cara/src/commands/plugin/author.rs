//! `cara plugin check` and `test`: what an author wants to know.

use crate::output::{Output, columns, layout, show};
use anyhow::{Context as _, Result, anyhow, bail};
use cara_authority::ComponentId;
use cara_devkit::script::{self, Script};
use cara_devkit::{Subject, conformance};
use cara_kernel::{Kernel, PoolSize};
use cara_services::files;
use cara_signing::Package;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// The largest manifest that is read.
const MANIFEST_BYTES: u64 = 256 * 1024;

/// `cara plugin test`.
pub(super) async fn test(folder: &Path, output: Output) -> Result<ExitCode> {
    let package = built(folder)?;
    let scripts = scripts(&folder.join("tests"))?;
    let subject = Subject::load(&kernel()?, &package).await?;
    let (mut played, mut failed) = (Vec::new(), 0);
    for (file, script) in &scripts {
        for test in &script.tests {
            let findings = match script::play(&subject, test).await {
                Ok(findings) => findings,
                Err(error) => vec![format!("it could not be played: {error:#}")],
            };
            failed += usize::from(!findings.is_empty());
            if !output.json {
                layout::hang(if findings.is_empty() { "\u{2713} " } else { "\u{2717} " }, &test.name);
                for line in findings.iter().flat_map(|finding| finding.lines()) {
                    layout::hang("    ", &columns::cut(line, 2000));
                }
            }
            played.push(json!({ "file": file, "name": test.name, "findings": findings }));
        }
    }
    if output.json {
        layout::json(&json!({ "id": package.id().as_str(), "failed": failed, "tests": played }))?;
    } else {
        match failed {
            0 => show::note(&format!("`{}` passed {} tests", package.id(), played.len())),
            _ => show::note(&format!("`{}` failed {failed} of {} tests", package.id(), played.len())),
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The files of tests in a folder, read and checked.
fn scripts(folder: &Path) -> Result<Vec<(String, Script)>> {
    let mut scripts = Vec::new();
    for name in files::names(folder)?.into_iter().filter(|name| name.ends_with(".toml")) {
        let bytes = files::read_capped(&folder.join(&name), script::MAX_BYTES)?.unwrap_or_default();
        let text = String::from_utf8(bytes).with_context(|| format!("`tests/{name}` is not UTF-8"))?;
        let script: Script = toml::from_str(&text).with_context(|| format!("`tests/{name}` cannot be read"))?;
        if let Some(test) = script.tests.iter().find(|test| !test.expects()) {
            bail!(
                "the test `{}` of `tests/{name}` expects nothing\nhint: add `answer`, `contains` or `error`",
                test.name
            );
        }
        scripts.push((name, script));
    }
    if scripts.is_empty() {
        bail!("there are no tests in `{}`\nhint: write some, see docs/plugin-tests.md", folder.display());
    }
    Ok(scripts)
}

/// What a project says of itself, as far as it is needed.
#[derive(Deserialize)]
struct Named {
    id: ComponentId,
}

/// What was built from a project.
fn built(folder: &Path) -> Result<Package> {
    let shown = folder.join("component.toml");
    let manifest = files::read_capped(&shown, MANIFEST_BYTES)?;
    let missing = || anyhow!("`{}` does not exist\nhint: name the folder of a component's project", shown.display());
    let text = String::from_utf8(manifest.ok_or_else(missing)?).context("the manifest is not UTF-8")?;
    // The rest may come from the code; it is in what was built.
    let id = toml::from_str::<Named>(&text).with_context(|| format!("`{}` cannot be read", shown.display()))?.id;
    read(&folder.join("dist").join(format!("{id}.wasm")))
}

fn read(file: &Path) -> Result<Package> {
    let bytes = files::read_capped(file, Package::MAX_BYTES as u64)?;
    let missing = || anyhow!("`{}` does not exist\nhint: `cara plugin build` makes it", file.display());
    Ok(Package::read(bytes.ok_or_else(missing)?)?)
}

/// `cara plugin check`.
pub(super) async fn check(file: &Path, output: Output) -> Result<ExitCode> {
    let package = read(file)?;
    let tried = conformance::check(&kernel()?, &package).await?;
    let faults = tried.iter().filter(|tried| tried.fault.is_some()).count();
    if output.json {
        layout::json(&json!({ "id": package.id().as_str(), "faults": faults, "tried": tried }))?;
    } else {
        for tried in &tried {
            let (mark, told) = match (&tried.fault, &tried.answered) {
                (Some(fault), _) => ("\u{2717}", fault.as_str()),
                (None, answered) => ("\u{2713}", answered.as_deref().unwrap_or_default()),
            };
            layout::hang(&format!("{mark} "), &tried.what);
            layout::hang("  ", &columns::cut(told, 200));
        }
        match faults {
            0 => show::note(&format!("`{}` stands all {} calls", package.id(), tried.len())),
            _ => show::note(&format!("`{}` broke in {faults} of {} calls", package.id(), tried.len())),
        }
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A sandbox for one component.
fn kernel() -> Result<Kernel> {
    Kernel::new(PoolSize::default()).map_err(|error| anyhow!("the sandbox cannot be started: {error:#}"))
}
