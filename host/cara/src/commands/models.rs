//! `cara models`: what a provider offers now.

use crate::boot::Cara;
use crate::cli::Models;
use crate::{choose, show};
use anyhow::{Result, anyhow};
use cara_assistant::LanguageModel;
use cara_assistant::text::harmless;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    model: String,
    name: String,
    context_tokens: Option<u32>,
    output_tokens: Option<u32>,
}

/// Runs the command.
pub(crate) async fn run(cara: &Cara, models: Models) -> Result<ExitCode> {
    let provider = choose::provider(cara, &models.provider).await?;
    let offered = provider.models().await.map_err(|failure| match failure.refusals.first() {
        Some(refusal) => anyhow!("{}\n{refusal}", failure.message),
        None => anyhow!(failure.message),
    })?;
    let id = &provider.id;
    let rows = offered.into_iter().map(|model| Row {
        model: format!("{id}:{}", harmless(&model.id)),
        name: harmless(&model.name).into_owned(),
        context_tokens: model.context_tokens,
        output_tokens: model.output_tokens,
    });
    if models.json {
        show::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
        return Ok(ExitCode::SUCCESS);
    }
    let tokens = |count: Option<u32>| count.map_or_else(|| "-".into(), |count| count.to_string());
    let cells = rows.map(|row| vec![row.model, tokens(row.context_tokens), tokens(row.output_tokens), row.name]);
    show::table(&["MODEL", "CONTEXT", "OUTPUT", "NAME"], &cells.collect::<Vec<_>>());
    Ok(ExitCode::SUCCESS)
}
