//! `cara plugin`: what is installed, who signed it, what it may do.

mod author;
mod develop;
mod install;
pub(super) mod keys;
mod manage;

use crate::boot::Cara;
use crate::cli::Plugin;
use crate::remarks::limits;
use crate::{choose, layout, show};
use anyhow::Result;
use cara_authority::authority::Fact;
use cara_authority::{ComponentId, Grants};
use cara_kernel::Checked;
use cara_packages::lock::{Entry, Pinned};
use serde::Serialize;
use std::process::ExitCode;

/// Runs the command.
pub(crate) async fn run(cara: &Cara, plugin: Plugin) -> Result<ExitCode> {
    match plugin {
        Plugin::List { json } => list(cara, json).await?,
        Plugin::Inspect { id, json } => inspect(cara, &ComponentId::parse(&id)?, json).await?,
        Plugin::Review { what, against, json } => return manage::review(cara, &what, against.as_ref(), json).await,
        Plugin::New { kind, name, lang } => develop::new(kind, lang, &name)?,
        Plugin::Refresh { folder } => develop::refresh(&folder)?,
        Plugin::Build(build) => drop(develop::build(&build).await?),
        Plugin::Dev { build, consent } => develop::dev(cara, &build, &consent).await?,
        Plugin::Test { folder, json } => return author::test(cara, &folder, json).await,
        Plugin::Check { file, json } => return author::check(cara, &file, json).await,
        Plugin::Install(install) => install::install(cara, install).await?,
        Plugin::Update(update) => install::update(cara, update).await?,
        Plugin::Rollback { id } => manage::rollback(cara, &id).await?,
        Plugin::Enable { id } => manage::switch(cara, &id, true).await?,
        Plugin::Disable { id } => manage::switch(cara, &id, false).await?,
        Plugin::Remove { id, state } => manage::remove(cara, &id, state).await?,
        Plugin::Search { words, index, json } => manage::search(cara, &words, &index, json).await?,
        Plugin::Push { file, to, user } => manage::push(cara, &file, &to, user).await?,
        Plugin::Keygen { name, file, trust } => keys::keygen(cara, &name, file.as_deref(), &trust).await?,
        Plugin::Pubkey { key } => show::line(keys::key(cara, &key).await?.public().to_pem().trim_end()),
        Plugin::Sign(sign) => keys::sign(cara, &sign).await?,
        Plugin::Verify { file, json } => keys::verify(cara, &file, json)?,
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
    /// What it came from; none when it is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// A newer version that asks for more and waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<String>,
    /// Why it cannot be used, when it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

async fn row(cara: &Cara, checked: &Checked) -> Result<Row> {
    let (manifest, package) = (checked.manifest(), checked.package());
    let granted = cara.ledger.granted(manifest.id()).await?;
    let installed = cara.installed()?;
    let entry = installed.lock.0.get(manifest.id());
    let pinned = entry.and_then(|entry| entry.active.as_ref());
    Ok(Row {
        id: manifest.id().to_string(),
        version: manifest.version().to_string(),
        kinds: checked.interfaces().kinds().iter().map(ToString::to_string).collect(),
        signer: package.signer_name().to_owned(),
        digest: package.digest().to_string(),
        summary: manifest.summary().to_owned(),
        granted: granted.iter().map(ToString::to_string).collect(),
        from: pinned.map(|pinned| pinned.from.clone()),
        waiting: entry.and_then(|entry| entry.waiting.as_ref()).map(|pinned| pinned.version.to_string()),
        problem: None,
    })
}

/// One that is installed and cannot be used: what `cara.lock` knows of it.
fn unusable(id: &ComponentId, entry: Option<&Entry>, problem: &str) -> Row {
    let active = entry.and_then(|entry| entry.active.as_ref());
    let of = |text: fn(&Pinned) -> String| active.map(text).unwrap_or_default();
    Row {
        id: id.to_string(),
        version: of(|active| active.version.to_string()),
        kinds: Vec::new(),
        signer: of(|active| active.signer.clone()),
        digest: of(|active| active.digest.to_string()),
        summary: String::new(),
        granted: Vec::new(),
        from: active.map(|active| active.from.clone()),
        waiting: None,
        problem: Some(problem.to_owned()),
    }
}

async fn list(cara: &Cara, json: bool) -> Result<()> {
    let mut rows = Vec::new();
    let installed = cara.installed()?;
    for checked in installed.usable.values() {
        rows.push(row(cara, checked).await?);
    }
    for (id, problem) in &installed.broken {
        let entry = installed.lock.0.get(id);
        rows.push(match cara.plugins.built_in(id).filter(|_| entry.is_none_or(|entry| entry.active.is_none())) {
            Some(checked) => Row { problem: Some(problem.clone()), ..row(cara, checked).await? },
            None => unusable(id, entry, problem),
        });
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    if json {
        show::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let cells = rows.into_iter().map(|row| {
        let powers = if row.granted.is_empty() { "-".to_owned() } else { row.granted.len().to_string() };
        let told = match (&row.problem, &row.waiting) {
            (Some(problem), _) => layout::cut(problem.lines().next().unwrap_or_default(), 40),
            (None, Some(waiting)) => format!("{waiting} waits: `cara plugin update {}`", row.id),
            (None, None) => layout::cut(&row.summary, 40),
        };
        vec![row.id, row.version, row.kinds.join(", "), row.signer, powers, told]
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
    /// What it can do, computed from binary and manifest.
    can: Vec<String>,
    limits: Vec<(&'static str, String)>,
    manifest: String,
}

async fn inspect(cara: &Cara, id: &ComponentId, json: bool) -> Result<()> {
    let checked = &*cara.checked(id)?;
    let settings = choose::asking(cara, checked, &[])?;
    let (manifest, package, interfaces) = (checked.manifest(), checked.package(), checked.interfaces());
    let overrides = cara.config.component.get(id).map(|config| config.limits.clone()).unwrap_or_default();
    let asks = manifest.requested(&settings).iter().map(ToString::to_string).collect();
    let grants = Grants::intersect(manifest, interfaces, &[], settings, &overrides);
    // What a model reads stands below, in the manifest.
    let can =
        |(fact, _): &(&Fact, &str)| !(fact.text.contains("` tells the model: ") || fact.text.contains("` takes "));
    let inspection = Inspection {
        row: row(cara, checked).await?,
        key: package.signer().to_string(),
        bytes: package.bytes().len(),
        imports: interfaces.imports().map(str::to_owned).collect(),
        exports: interfaces.exports().map(str::to_owned).collect(),
        asks,
        can: checked.authority().facts().filter(can).map(|(fact, _)| fact.to_string()).collect(),
        limits: limits(grants.limits()),
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
    several("can", &inspection.can);
    several("asks", &inspection.asks);
    several("granted", &row.granted);
    let limits: Vec<String> = inspection.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    field("limits", &limits.join(", "));
    show::line("manifest");
    for line in inspection.manifest.lines() {
        show::line(&format!("  {line}"));
    }
}
