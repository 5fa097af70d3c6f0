//! What a door costs: one use case in process and through the socket, as a
//! call and as a whole command.

use crate::Counts;
use crate::daemon::Daemon;
use crate::process::{cara, command, first_byte};
use crate::samples::{in_turns, timed_in_turns};
use crate::table::{Aim, Row, Unit};
use anyhow::{Context, Result, anyhow};
use cara_control::{Application, BuiltIn, Embedded, HomeFiles, HomeLock, Options, Role, sessions};
use cara_gateway::{Client, Listener, account_router};
use cara_services::egress::KnownSecrets;
use cara_services::files;
use cara_services::home::Home;
use std::path::Path;
use std::sync::Arc;

/// What a door may add to a call, seconds.
const MORE: f64 = 0.003;

/// What is asked for, and by which command.
const COMMAND: [&str; 3] = ["sessions", "list", "--json"];

/// The application over a home of its own.
pub(crate) fn application(folder: &Path) -> Result<(Arc<Application>, Home)> {
    let home = Home::locate(Some(folder.as_os_str().to_owned()))?;
    let embedded = |built_in: &cara_bundle::Embedded| Embedded {
        id: built_in.id,
        wasm: built_in.wasm,
        manifest: built_in.manifest,
        digest: built_in.digest,
        bundle: built_in.bundle_json,
    };
    let components = cara_bundle::components().iter().map(embedded).collect();
    let lock = HomeLock::take(&home).map_err(told)?.context("somebody holds a home that was just made")?;
    let options = Options {
        lock,
        built_in: BuiltIn::new(components, cara_bundle::public_key()).map_err(told)?,
        store: None,
        known: KnownSecrets::new(),
        command: "cara-bench".into(),
        role: Role::Command,
    };
    Ok((Application::open(options).map_err(told)?, home))
}

pub(crate) fn told(error: cara_control::Error) -> anyhow::Error {
    anyhow!("{error}")
}

/// Asks for the list of conversations.
async fn list(client: &Client) -> Result<()> {
    let called = client.call(&sessions::ListSessions { limit: 20 }, &mut |_| {}).await;
    called.map(drop).map_err(Into::into)
}

/// A call, with client and holder in one process, so that nothing but the way differs.
pub(crate) async fn call(counts: Counts) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let (application, home) = application(folder.path())?;
    let router = account_router(application.clone());
    let listener = Listener::open(home.socket(), router.clone()).map_err(told)?;
    let (here, there) = (Client::InProcess(router), Client::Socket(home.socket()));
    let (ours, floor) = timed_in_turns(counts.samples, || list(&there), || list(&here)).await?;
    listener.close().await;
    application.close().await;
    let name = "door: a call through the socket".into();
    Ok(vec![Row { name, against: "the same call in process", ours, floor, unit: Unit::Time, aim: Aim::More(MORE) }])
}

/// A command, with a holder to ask and without one.
pub(crate) fn whole(counts: Counts) -> Result<Vec<Row>> {
    let (cara, held, free) = (cara()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let run = |home: &Path| {
        let mut command = command(&cara, home);
        command.args(COMMAND);
        Ok(first_byte(command)?.0)
    };
    // What only looks makes no home.
    files::ensure_private_dir(&free.path().join("cara"))?;
    let _daemon = Daemon::start(&cara, held.path())?;
    let (ours, floor) = in_turns(counts.starts, || run(held.path()), || run(free.path()))?;
    let name = format!("door: `cara {}` through the socket", COMMAND.join(" "));
    let against = "the same command holding the home itself";
    Ok(vec![Row { name, against, ours, floor, unit: Unit::Time, aim: Aim::More(MORE) }])
}
