//! `cara audit`: what was done, and whether the log of it is whole.

use crate::cli::Audit;
use crate::door::Door;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::{Result, anyhow};
use cara_control::audit::{AuditRow, ShowAudit, VerifyAudit};
use std::process::ExitCode;

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, audit: Audit) -> Result<ExitCode> {
    match audit {
        Audit::Show { limit, kind } => {
            let shown = door.call(ShowAudit { limit, kind: kind.clone() }).await?;
            if shown.events.is_empty() && !output.json {
                let kinds: Vec<String> = shown.kinds.iter().map(|kind| format!("`{kind}`")).collect();
                show::note(&match (kind, kinds.is_empty()) {
                    (_, true) => "nothing was done yet".to_owned(),
                    (kind, false) => {
                        format!("no event is of kind `{}`; there are {}", kind.unwrap_or_default(), kinds.join(", "))
                    }
                });
                return Ok(ExitCode::SUCCESS);
            }
            output.emit(&shown.events)?;
        }
        Audit::Verify => {
            let verified = door.call(VerifyAudit {}).await?;
            match (&verified.problem, output.json) {
                (_, true) => layout::json(&verified)?,
                (None, false) => show::line(&format!("{} events: ok", verified.events.unwrap_or_default())),
                (Some(problem), false) => return Err(anyhow!("{problem}")),
            }
            return Ok(if verified.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Show for Vec<AuditRow> {
    fn show(&self) {
        for row in self {
            let subject = columns::cut(&row.subject, columns::WIDTH);
            layout::paragraph(0, &format!("{:>5}  {}  {}  {subject}", row.seq, when::second(row.at_ms), row.kind));
            for (name, value) in row.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                layout::field(7, name, &value);
            }
        }
    }
}
