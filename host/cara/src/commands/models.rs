//! `cara models`: what a provider offers now.

use crate::cli::Models;
use crate::door::Door;
use crate::output::{Output, Show, show};
use anyhow::Result;
use cara_assistant::text::harmless;
use cara_control::models::{ListModels, ModelRow};

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, models: Models) -> Result<()> {
    let environment = door.environment().await?;
    let (model, settings) = (models.provider.named(), models.provider.settings()?);
    door.emit(output, ListModels { model, settings, environment }).await.map(drop)
}

impl Show for Vec<ModelRow> {
    fn show(&self) {
        let tokens = |count: Option<u32>| count.map_or_else(|| "-".into(), |count| count.to_string());
        let cells = self.iter().map(|row| {
            let (model, name) = (harmless(&row.model).into_owned(), harmless(&row.name).into_owned());
            vec![model, tokens(row.context_tokens), tokens(row.output_tokens), name]
        });
        show::table(&["MODEL", "CONTEXT", "OUTPUT", "NAME"], &cells.collect::<Vec<_>>());
    }
}
