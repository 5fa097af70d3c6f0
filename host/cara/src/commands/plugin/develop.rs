//! `cara plugin new`, `build` and `dev`: from nothing to a component in use.

use super::install::{self, absolute};
use crate::cli::{Build, Consent, Install};
use crate::door::Door;
use crate::output::{Output, show};
use anyhow::{Result, bail};
use cara_authority::ComponentId;
use cara_control::plugins::{InspectPlugin, MakeKey, SignPlugin, signature_path};
use cara_devkit::project::Watched;
use cara_packages::confusables::imitated;
use cara_sdk_new::{Built, Kind, Language, build_in, project, write};
use cara_services::files;
use cara_terminal::spinner::Spinner;
use std::path::Path;
use tokio::task::spawn_blocking;

/// The key that `dev` signs with, and what its owner is called.
const DEV: &str = "dev";
/// `cara plugin new`.
pub(super) fn new(kind: Kind, language: Language, name: &str) -> Result<()> {
    let built_in = || cara_bundle::components().iter().map(|built_in| built_in.id);
    if let Some(other) = imitated(name, built_in()) {
        bail!(
            "`{name}` looks like `{other}`, which is built in: `cara plugin install` would refuse it\n\
             hint: choose another name"
        );
    }
    let files = project(kind, language, name)?;
    write(Path::new(name), &files)?;
    show::note(&format!(
        "`{name}` holds a {kind} in {language}: {} files; its README.md says what is where",
        files.len()
    ));
    if built_in().any(|id| id == name) {
        show::note(&format!("`{name}` is built in: once installed, yours takes its place; another name keeps both"));
    }
    show::note(&format!("next: `cara plugin build {name}`, `cara plugin test {name}`, `cara plugin dev {name}`"));
    Ok(())
}

/// `cara plugin refresh`.
pub(super) fn refresh(folder: &Path) -> Result<()> {
    let changed = cara_sdk_new::refresh(folder)?;
    for path in &changed {
        show::line(path);
    }
    show::note(&match changed.len() {
        0 => "it has the SDK of this cara already".to_owned(),
        1 => "one file of its SDK changed; next: `cara plugin build`, `cara plugin test`".to_owned(),
        count => format!("{count} files of its SDK changed; next: `cara plugin build`, `cara plugin test`"),
    });
    Ok(())
}

/// `cara plugin build`.
pub(super) async fn build(build: &Build) -> Result<Built> {
    let folder = build.folder.clone();
    let target = build.target_dir.clone().unwrap_or_else(|| folder.join("target"));
    let built = spawn_blocking(move || {
        let mut spinner = Spinner::default();
        build_in(&folder, &target, &mut |step| {
            spinner.expect(step);
            spinner.show();
        })
    })
    .await??;
    let size = built.bytes.div_ceil(1024);
    show::note(&format!("`{}` {} is in `{}`, {size} KiB", built.id, built.version, built.file.display()));
    Ok(built)
}

/// `cara plugin dev`: ends with Ctrl-C.
pub(super) async fn dev(door: &Door, output: Output, how: &Build, consent: &Consent) -> Result<()> {
    // Watched before it is built: what changes meanwhile is built again.
    let mut watched = Watched::new(&how.folder)?;
    // Heard from here on: one that comes between a build and the wait is not lost.
    let mut interrupted = tokio::spawn(tokio::signal::ctrl_c());
    loop {
        if let Err(error) = once(door, output, how, consent).await {
            show::error(error.as_ref());
        }
        show::note("waiting for a file to change; Ctrl-C ends");
        tokio::select! {
            more = watched.changes() => if !more { return Ok(()) },
            ended = &mut interrupted => return Ok(ended??),
        }
    }
}

/// Builds, signs and installs.
async fn once(door: &Door, output: Output, how: &Build, consent: &Consent) -> Result<()> {
    let built = build(how).await?;
    let id = ComponentId::parse(&built.id)?.to_string();
    let file = absolute(&built.file)?;
    // The key of this home's own developments, made when it is first needed, and trusted for this one component.
    let key = door.call(MakeKey { name: DEV.to_owned(), trust: vec![id.clone()], existing: true }).await?;
    if key.vault.is_some() {
        show::note(&format!("made the key `{DEV}`, which this home signs its own developments with"));
        show::note(&format!("`{DEV}` may sign `{id}` here; `cara trust remove {DEV}` takes it back"));
    }
    let signed = door.call(SignPlugin { name: DEV.to_owned(), file: file.clone() }).await?;
    files::write_private_atomic(&signature_path(&built.file), signed.bundle.as_bytes())?;
    let from = door.call(InspectPlugin { id: id.clone() }).await.ok().and_then(|inspected| inspected.row.from);
    if from.is_some_and(|from| from == file) {
        return install::one_update(door, output, &id, consent).await;
    }
    install::install(door, output, Install { from: file, consent: consent.clone(), allow_downgrade: false }).await
}
