//! `cara plugin`: what is installed, who signed it, what it may do.

use crate::boot::Cara;
use crate::cli::Plugin;
use crate::{choose, show};
use anyhow::Result;
use cara_authority::{ComponentId, Grants};
use cara_kernel::Checked;
use serde::Serialize;
use std::process::ExitCode;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, plugin: Plugin) -> Result<ExitCode> {
    match plugin {
        Plugin::List { json } => list(cara, json).await?,
        Plugin::Inspect { id, json } => inspect(cara, &ComponentId::parse(&id)?, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    id: String,
    version: String,
    kinds: Vec<String>,
    signer: String,
    digest: String,
    summary: String,
    granted: Vec<String>,
}

async fn row(cara: &Cara, checked: &Checked) -> Result<Row> {
    let (manifest, package) = (checked.manifest(), checked.package());
    let granted = cara.ledger.granted(manifest.id()).await?;
    Ok(Row {
        id: manifest.id().to_string(),
        version: manifest.version().to_string(),
        kinds: checked.interfaces().kinds().iter().map(ToString::to_string).collect(),
        signer: package.signer_name().to_owned(),
        digest: package.digest().to_string(),
        summary: manifest.summary().to_owned(),
        granted: granted.iter().map(ToString::to_string).collect(),
    })
}

async fn list(cara: &Cara, json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for checked in cara.installed.values() {
        rows.push(row(cara, checked).await?);
    }
    if json {
        show::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let cells = rows.into_iter().map(|row| {
        let powers = if row.granted.is_empty() { "-".to_owned() } else { row.granted.len().to_string() };
        vec![row.id, row.version, row.kinds.join(", "), row.signer, powers, row.summary]
    });
    show::table(&["ID", "VERSION", "KIND", "SIGNER", "GRANTS", "SUMMARY"], &cells.collect::<Vec<_>>());
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Inspection {
    #[serde(flatten)]
    row: Row,
    key: String,
    bytes: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    asks: Vec<String>,
    limits: Vec<(&'static str, String)>,
    manifest: String,
}

async fn inspect(cara: &Cara, id: &ComponentId, json: bool) -> Result<()> {
    let checked = cara.checked(id)?;
    let settings = choose::settings(cara, checked, &[])?;
    let (manifest, package, interfaces) = (checked.manifest(), checked.package(), checked.interfaces());
    let order = cara.config.component.get(id).map(|config| config.limits.clone()).unwrap_or_default();
    let asks = manifest.wishes(&settings).iter().map(ToString::to_string).collect();
    let grants = Grants::meet(manifest, interfaces, &[], settings, &order);
    let inspection = Inspection {
        row: row(cara, checked).await?,
        key: package.signer().to_hex(),
        bytes: package.bytes().len(),
        imports: interfaces.imports().map(str::to_owned).collect(),
        exports: interfaces.exports().map(str::to_owned).collect(),
        asks,
        limits: grants.limits().shown(),
        manifest: package.manifest().to_owned(),
    };
    if json {
        show::line(&serde_json::to_string_pretty(&inspection)?);
    } else {
        print(&inspection);
    }
    Ok(())
}

fn print(inspection: &Inspection) {
    let Inspection { row, .. } = inspection;
    let field = |name: &str, value: &str| show::line(&format!("{name:10} {value}"));
    let several = |name: &str, values: &[String]| {
        let mut name = name;
        for value in values {
            field(std::mem::take(&mut name), value);
        }
        if values.is_empty() {
            field(name, "none");
        }
    };
    field("id", &row.id);
    field("version", &row.version);
    field("summary", &row.summary);
    field("kind", &row.kinds.join(", "));
    field("digest", &row.digest);
    field("size", &format!("{} bytes", inspection.bytes));
    field("signer", &row.signer);
    field("key", &inspection.key);
    several("imports", &inspection.imports);
    several("exports", &inspection.exports);
    several("asks", &inspection.asks);
    several("granted", &row.granted);
    let limits: Vec<String> = inspection.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    field("limits", &limits.join(", "));
    show::line("manifest");
    for line in inspection.manifest.lines() {
        show::line(&format!("  {line}"));
    }
}
