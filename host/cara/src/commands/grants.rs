//! `cara grant`, `revoke`, `grants`: what each component may do.

use crate::boot::Cara;
use crate::cli::{Grant, Revoke};
use crate::when::minute;
use crate::{choose, layout, show};
use anyhow::{Result, bail};
use cara_authority::{Capability, ComponentId};
use serde::Serialize;
use std::process::ExitCode;

/// `cara grant`.
pub(crate) async fn grant(cara: &Cara, grant: Grant) -> Result<ExitCode> {
    let id = &grant.component;
    let checked = cara.checked(id)?;
    let requested = checked.manifest().requested(&choose::asking(cara, &checked, &[])?);
    let capabilities = capabilities(&grant.capability)?;
    if let Some(other) = capabilities.iter().find(|capability| !requested.contains(capability)) {
        let asked: Vec<String> = requested.iter().map(|wish| format!("`{wish}`")).collect();
        let asked = if asked.is_empty() { "nothing".to_owned() } else { asked.join(", ") };
        bail!("component `{id}` does not ask for `{other}`, so it could not use it\nhint: it asks for {asked}");
    }
    choose::refuse_secrets(cara, &checked, &capabilities)?;
    let new = match grant.lasts {
        Some(lasts) => {
            let until = cara.services.clock.now_ms() + u64::try_from(lasts.0.as_millis())?;
            cara.ledger.grant_until(id, &capabilities, "cara grant", until).await?
        }
        None => cara.ledger.grant(id, &capabilities, "cara grant").await?,
    };
    for capability in &capabilities {
        show::note(&match new.contains(capability) {
            true => format!("`{capability}` granted to `{id}`"),
            false => format!(
                "`{id}` has `{capability}` already, for as long or longer; to shorten it, first `cara revoke {id} '{capability}'`"
            ),
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// `cara revoke`.
pub(crate) async fn revoke(cara: &Cara, revoke: Revoke) -> Result<ExitCode> {
    let id = &revoke.component;
    let recorded = cara.ledger.grants().await?.into_iter().filter(|grant| grant.component == *id);
    let capabilities = match revoke.capability.is_empty() {
        true => recorded.map(|grant| grant.capability).collect(),
        false => capabilities(&revoke.capability)?,
    };
    let gone = cara.ledger.revoke(id, &capabilities, "cara revoke").await?;
    if gone.is_empty() {
        bail!("nothing of that was granted to `{id}`\nhint: `cara grants {id}` shows what is");
    }
    for capability in gone {
        show::note(&format!("`{capability}` was taken from `{id}`; it counts from its next call on"));
    }
    Ok(ExitCode::SUCCESS)
}

fn capabilities(texts: &[String]) -> Result<Vec<Capability>> {
    // `http https://host` may come as one word of the shell or as two.
    let joined = texts.join(" ");
    let mut words = joined.split_whitespace().peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let text = match (word, words.peek()) {
            ("http" | "secret" | "environment", Some(next)) => {
                let text = format!("{word} {next}");
                words.next();
                text
            }
            _ => word.to_owned(),
        };
        found.push(Capability::parse(&text)?);
    }
    Ok(found)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    component: String,
    capability: String,
    since_ms: u64,
    expires_ms: Option<u64>,
    holds: bool,
    by: String,
}

/// `cara grants`.
pub(crate) async fn list(cara: &Cara, component: Option<&ComponentId>, json: bool) -> Result<ExitCode> {
    let now_ms = cara.services.clock.now_ms();
    let all = cara.ledger.grants().await?.into_iter();
    let rows = all.filter(|grant| component.is_none_or(|id| grant.component == *id)).map(|grant| Row {
        component: grant.component.to_string(),
        capability: grant.capability.to_string(),
        since_ms: grant.since_ms,
        expires_ms: grant.expires_ms,
        holds: grant.holds(now_ms),
        by: grant.reason.clone(),
    });
    let rows: Vec<Row> = rows.collect();
    if json {
        layout::json(&rows)?;
    } else if rows.is_empty() {
        show::note("nothing is granted");
    } else {
        let cells = rows.into_iter().map(|row| {
            let until = match (row.holds, row.expires_ms) {
                (false, _) => "expired".to_owned(),
                (true, Some(at)) => minute(at),
                (true, None) => "-".to_owned(),
            };
            vec![row.component, row.capability, until, row.by]
        });
        show::table(&["COMPONENT", "MAY", "UNTIL", "BY"], &cells.collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}
