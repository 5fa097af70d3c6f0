//! `cara plugin check` and `test`: what an author wants to know.

use crate::output::{Output, columns, layout, show};
use anyhow::{Result, anyhow};
use cara_devkit::{Subject, conformance, project, script};
use cara_kernel::{Kernel, PoolSize};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// `cara plugin test`.
pub(super) async fn test(folder: &Path, output: Output) -> Result<ExitCode> {
    let package = project::built(folder)?;
    let scripts = project::scripts(folder)?;
    let subject = Subject::load(&kernel()?, &package).await?;
    let (mut played, mut failed) = (Vec::new(), 0);
    for (file, script) in &scripts {
        for test in &script.tests {
            let findings = match script::play(&subject, test).await {
                Ok(findings) => findings,
                Err(error) => vec![format!("it could not be played: {error}")],
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

/// `cara plugin check`.
pub(super) async fn check(file: &Path, output: Output) -> Result<ExitCode> {
    let package = project::package(file)?;
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
