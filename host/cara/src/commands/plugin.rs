//! `cara plugin`: what is installed, who signed it, what it may do.

mod author;
mod develop;
mod install;
mod keys;
mod review;

use crate::cli::Plugin;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, Show, layout, show};
use crate::text_file;
use anyhow::{Context, Result};
use cara_control::plugins::{
    InspectPlugin, Inspection, ListPlugins, PluginRow, PushPlugin, RemovePlugin, ReviewPlugin, RollBackPlugin,
    SearchHit, SearchPlugins, SetPluginEnabled, VerifiedPlugin, VerifyPlugin, verify,
};
use cara_signing::{TrustStore, TrustedKey};
use cara_terminal::password;
use std::path::Path;
use std::process::ExitCode;

/// The largest key file, bytes.
const LARGEST: u64 = 4 * 1024;

/// Runs a command that works on files alone.
pub(crate) async fn without_home(plugin: Plugin, output: Output) -> Result<ExitCode> {
    match plugin {
        Plugin::New { kind, name, lang } => develop::new(kind, lang, &name)?,
        Plugin::Refresh { folder } => develop::refresh(&folder)?,
        Plugin::Build(build) => drop(develop::build(&build).await?),
        Plugin::Test { folder } => return author::test(&folder, output).await,
        Plugin::Check { file } => return author::check(&file, output).await,
        Plugin::Verify { file, key: Some(key) } => output.emit(&verified_by(&file, &key)?)?,
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks a signature against one key.
fn verified_by(file: &Path, key: &Path) -> Result<VerifiedPlugin> {
    let pem = text_file::read(key, LARGEST)?;
    let mut trust = TrustStore::empty();
    trust.add(TrustedKey::new(pem.parse()?, "this key", vec!["*".parse()?]))?;
    verify(file, &trust).map_err(told)
}

/// Runs the command.
pub(crate) async fn run(door: &Door, output: Output, plugin: Plugin) -> Result<ExitCode> {
    match plugin {
        Plugin::List => drop(door.emit(output, ListPlugins {}).await?),
        Plugin::Inspect { id } => drop(door.emit(output, InspectPlugin { id: id.to_string() }).await?),
        Plugin::Review { what, against } => {
            let against = against.map(|version| version.to_string());
            let what = install::reference(&what)?;
            let review = door.emit(output, ReviewPlugin { what, against }).await?;
            return Ok(if review.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Plugin::Dev { build, consent } => develop::dev(door, output, &build, &consent).await?,
        Plugin::Install(install) => install::install(door, output, install).await?,
        Plugin::Update(update) => install::update(door, output, update).await?,
        Plugin::Rollback { id } => {
            let back = door.call(RollBackPlugin { id: id.to_string() }).await?;
            let words = format!(
                "`{id}` {} is in use from the next call on; `cara plugin rollback {id}` returns to {}",
                back.to, back.from
            );
            output.done(&back, &words)?;
        }
        Plugin::Enable { id } => switch(door, output, id.as_str(), true).await?,
        Plugin::Disable { id } => switch(door, output, id.as_str(), false).await?,
        Plugin::Remove { id, state } => {
            let removed = door.call(RemovePlugin { id: id.to_string(), state }).await?;
            let kept = if state { "" } else { "; what it kept between calls stays (`--state` removes it)" };
            let back = if removed.built_in_is_back { "; what is built in under this id is back" } else { "" };
            output.done(&removed, &format!("removed `{id}`{kept}{back}"))?;
        }
        Plugin::Search { words, index } => {
            let index = index.context(
                "no index is named to search in\nhint: `--index REF` names a file, URL or `oci://` reference; \
                 set CARA_PLUGIN_INDEX to name it once (docs/plugin-index.md)",
            )?;
            let index = install::reference(&index)?;
            drop(door.emit(output, SearchPlugins { words: words.join(" "), index }).await?);
        }
        Plugin::Push { file, to, user } => push(door, output, &file, to, user).await?,
        Plugin::Keygen { name, file, trust } => keys::keygen(door, output, name, file.as_deref(), trust).await?,
        Plugin::Pubkey { key } => keys::pubkey(door, output, &key).await?,
        Plugin::Sign(sign) => keys::sign(door, output, &sign).await?,
        Plugin::Verify { file, .. } => drop(door.emit(output, VerifyPlugin { file: install::absolute(&file)? }).await?),
        Plugin::New { .. } | Plugin::Refresh { .. } | Plugin::Build(_) | Plugin::Test { .. } | Plugin::Check { .. } => {
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn switch(door: &Door, output: Output, id: &str, on: bool) -> Result<()> {
    let switched = door.call(SetPluginEnabled { id: id.to_owned(), on }).await?;
    let state = if on { "on" } else { "off" };
    let words = match switched.changed {
        true => format!("`{id}` is {state} from the next call on"),
        false => format!("`{id}` was {state} already"),
    };
    output.done(&switched, &words)
}

async fn push(door: &Door, output: Output, file: &Path, to: String, user: Option<String>) -> Result<()> {
    let password = user.as_ref().map(|user| password::secret(&format!("Password of {user}: "))).transpose()?;
    let pushed = door.call(PushPlugin { file: install::absolute(file)?, to, user, password }).await?;
    output.print(&pushed, || show::line(&pushed))
}

impl Show for Vec<PluginRow> {
    fn show(&self) {
        let granted = self.iter().any(|row| !row.granted.is_empty());
        let rows = self.iter().map(|row| {
            let told = match (&row.problem, &row.waiting) {
                (Some(problem), _) => problem.lines().next().unwrap_or_default().to_owned(),
                (None, Some(waiting)) => format!("{waiting} waits: `cara plugin update {}`", row.id),
                (None, None) => row.summary.clone(),
            };
            let cells = [row.id.clone(), row.version.clone(), row.kinds.join(", "), row.signer.clone()];
            let granted = granted.then(|| row.granted.len().to_string());
            cells.into_iter().chain(granted).chain([told]).collect::<Vec<_>>()
        });
        let head = ["ID", "VERSION", "KIND", "SIGNER", "GRANTS", "SUMMARY"];
        let head: Vec<&str> = head.into_iter().filter(|name| granted || *name != "GRANTS").collect();
        show::list(&head, &rows.collect::<Vec<_>>());
    }
}

impl Show for Inspection {
    fn show(&self) {
        let Inspection { row, .. } = self;
        let field = |name: &str, value: &str| layout::field(0, name, value);
        let several = |name: &str, values: &[String]| {
            values.iter().enumerate().for_each(|(at, value)| field(if at == 0 { name } else { "" }, value));
            if values.is_empty() {
                field(name, "none");
            }
        };
        field("id", &row.id);
        field("version", &row.version);
        field("summary", &row.summary);
        field("kind", &row.kinds.join(", "));
        field("digest", &row.digest);
        field("size", &format!("{} bytes", self.bytes));
        field("signer", &row.signer);
        field("key", &self.key);
        several("imports", &self.imports);
        several("exports", &self.exports);
        several("can", &self.can);
        several("asks", &self.asks);
        several("granted", &row.granted);
        let limits: Vec<String> = self.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
        field("limits", &limits.join(", "));
        show::line("manifest");
        for line in self.manifest.lines() {
            show::line(&format!("  {line}"));
        }
    }
}

impl Show for Vec<SearchHit> {
    fn show(&self) {
        if self.is_empty() {
            show::note("nothing in the index has all these words");
        }
        for hit in self {
            layout::hang(&format!("{} {}  ", hit.id, hit.version), &hit.summary);
            layout::paragraph(2, &format!("cara plugin install {}", hit.r#ref));
        }
    }
}

impl Show for VerifiedPlugin {
    fn show(&self) {
        let VerifiedPlugin { id, version, signer, .. } = self;
        show::line(&format!("`{id}` {version} is signed by `{signer}`, who is trusted for it"));
    }
}
