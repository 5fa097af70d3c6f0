//! `cara audit`: what was done, whether the log is whole, anchors of it.

use crate::cli::Audit;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, Show, columns, layout, show, when};
use anyhow::{Result, anyhow};
use cara_control::anchoring::AnchorAudit;
use cara_control::anchors::MOST;
use cara_control::audit::{AuditRow, CompareAudit, ShowAudit, VerifyAudit};
use cara_control::named_file;
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
        Audit::Verify { anchor } => {
            let verified = match anchor {
                None => door.call(VerifyAudit {}).await?,
                Some(file) => {
                    let anchors = named_file::text(&file, MOST as u64).map_err(told)?;
                    door.call(CompareAudit { anchors }).await?
                }
            };
            match (&verified.problem, output.json) {
                (_, true) => layout::json(&verified)?,
                (None, false) => show::line(&format!("{} events: ok", verified.events.unwrap_or_default())),
                (Some(problem), false) => return Err(anyhow!("{problem}")),
            }
            if let Some(held) = verified.held.filter(|_| !output.json) {
                show::line(&held.told(&when::second(held.at_ms)));
            }
            return Ok(if verified.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Audit::Anchor { file, url, log } => {
            let file = file.map(std::path::absolute).transpose()?.map(|file| file.display().to_string());
            let done = door.call(AnchorAudit { file, url, log }).await?;
            let told = format!("event {} is anchored: {}", done.anchor.seq, done.places.join(", "));
            output.done(&done, &told)?;
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
