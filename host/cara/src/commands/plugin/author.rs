//! `cara plugin check`: what the author of a component wants to know.

use crate::boot::Cara;
use crate::candidate::{Candidate, reference};
use crate::conformance;
use crate::{layout, show};
use anyhow::{Result, anyhow};
use cara_services::files;
use cara_signing::Package;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// `cara plugin check`.
pub(super) async fn check(cara: &Cara, file: &Path, as_json: bool) -> Result<ExitCode> {
    let shown = file.display().to_string();
    let bytes = files::read_capped(file, Package::MAX_BYTES as u64)?;
    let package = Package::read(bytes.ok_or_else(|| anyhow!("`{shown}` does not exist"))?)?;
    let candidate = Candidate::stored(package, String::new(), reference(&file.to_string_lossy())?)?;
    let tried = conformance::check(cara.plugins.engine().0, &candidate).await?;
    let faults = tried.iter().filter(|tried| tried.fault.is_some()).count();
    if as_json {
        layout::json(&json!({ "id": candidate.id().as_str(), "faults": faults, "tried": tried }))?;
    } else {
        for tried in &tried {
            let (mark, told) = match (&tried.fault, &tried.answered) {
                (Some(fault), _) => ("\u{2717}", fault.as_str()),
                (None, answered) => ("\u{2713}", answered.as_deref().unwrap_or_default()),
            };
            layout::hang(&format!("{mark} "), &tried.what);
            layout::hang("  ", &layout::cut(told, 200));
        }
        match faults {
            0 => show::note(&format!("`{}` stands all {} calls", candidate.id(), tried.len())),
            _ => show::note(&format!("`{}` broke in {faults} of {} calls", candidate.id(), tried.len())),
        }
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
