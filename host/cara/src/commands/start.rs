//! `cara start`, `status`, `stop`: the cara daemon.

use super::credentials;
use crate::cli::Start;
use crate::door::Door;
use crate::error::told;
use crate::output::{Output, Show, layout, show, when};
use anyhow::{Context, Result, bail};
use cara_control::anchoring::AnchorState;
use cara_control::config::Configuration;
use cara_control::logs::Kept;
use cara_control::reachable::Reachable;
use cara_control::status::{ShowStatus, Status, StopHolder};
use cara_control::{Application, Done, HomeFiles, Role, asked};
use cara_gateway::Gateway;
use cara_services::vault::StoreKind;
use std::io::Read;
use std::process::{ChildStderr, Command, ExitCode, Stdio};
use std::time::Duration;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a process in the background may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long runs that go on are waited for when the process is to end.
const DRAIN: Duration = Duration::from_secs(30);

/// The most bytes that are read of what a process in the background says before it ends.
const SAID: u64 = 64 * 1024;

/// The exit code of `cara status` when no daemon runs, also where another command holds the home.
const NOT_RUNNING: u8 = 3;

/// What is said of a vault whose password the daemon does not have.
const LOCKED: &str = "the vault is locked; `cara secrets unlock` opens it";

/// Runs the daemon until somebody stops it.
pub(crate) async fn start(door: &Door, start: &Start, kept: Kept) -> Result<()> {
    if let Some(pid) = door.holder().await {
        let holds = door.call(ShowStatus {}).await?;
        let (command, since, ending) = (&holds.command, when::minute(holds.since_ms), holds.role.ending());
        bail!("process {pid} (`{command}`) has been running with this home since {since}\nhint: {ending}");
    }
    let listen = asked(&start.listen).map_err(told)?;
    if start.detach {
        return detached(door, kept.filter(), &start.listen).await;
    }
    let Some(application) = door.hold().await? else {
        bail!("another process began with this home meanwhile\nhint: `cara status` shows which");
    };
    let ended = ended(application.stopping())?;
    kept.open(&application.home().logs())?;
    let gateway = Gateway::open(&application, cara_gateway::router(application.clone()), listen).await.map_err(told)?;
    tracing::info!(pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "the daemon runs");
    show::note(&format!(
        "the cara daemon runs with the home `{}`; Ctrl-C stops it",
        application.home().path().display()
    ));
    application.keep_anchoring();
    application.drive_channels();
    application.reachable().iter().for_each(say_reachable);
    let listens = application.reachable().is_some_and(|reachable| !reachable.listening.is_empty());
    credentials::first(door, listens).await;
    say_locked(application.is_vault_locked().await.unwrap_or(false));
    if let Some(problem) = application.configuration().problem {
        tracing::warn!(error = %problem, "the configuration cannot be used");
        show::note(&problem.to_string());
    }
    let mut interrupt = ended.await;
    tracing::info!("the daemon stops");
    gateway.drain();
    // Whoever wants to begin a run is refused from here on.
    let (busy, most) = (application.busy(), DRAIN.as_secs());
    if busy > 0 {
        let runs = if busy == 1 { "run" } else { "runs" };
        show::note(&format!("waits for {busy} {runs}, at most {most} s; Ctrl-C again stops at once"));
    }
    tokio::select! {
        () = drained(&application, gateway) => {
            show::note("the cara daemon stopped");
            return Ok(());
        }
        () = tokio::time::sleep(DRAIN) => {}
        _ = interrupt.recv() => show::end_echo(),
    }
    tracing::warn!("runs that go on are left");
    show::note("runs that go on are left; they are resumed when their conversations are opened");
    Ok(())
}

/// Waits for the end of runs, then of what follows them, then of connections.
async fn drained(application: &Application, gateway: Gateway) {
    application.idle().await;
    application.events().end();
    gateway.close().await;
}

/// Says where a daemon listens, and how a client knows that it is the one.
fn say_reachable(reachable: &Reachable) {
    show::note(&format!("it listens at {}", at(reachable)));
    reachable.problems.iter().for_each(|problem| show::note(problem));
    if let Some(shown) = &reachable.certificate {
        show::note(&format!("its certificate has the SHA-256 fingerprint {}", shown.fingerprint));
    }
}

/// Says that nothing in the vault can be used yet.
fn say_locked(locked: bool) {
    if locked {
        show::note(LOCKED);
    }
}

fn at(reachable: &Reachable) -> String {
    if reachable.listening.is_empty() { "the socket alone".to_owned() } else { reachable.listening.join(", ") }
}

/// Hears of Ctrl-C.
#[cfg(unix)]
type Interrupt = tokio::signal::unix::Signal;
#[cfg(not(unix))]
type Interrupt = tokio::signal::windows::CtrlC;

/// Hears of signals and of `cara stop` from here on, and waits for one of them; then Ctrl-C is heard of further.
fn ended(stopping: &CancellationToken) -> Result<impl Future<Output = Interrupt>> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    #[cfg(not(unix))]
    let (mut interrupt, mut terminate) = (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_close()?);
    Ok(async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => show::end_echo(),
        }
        stopping.cancel();
        interrupt
    })
}

/// Begins the same program in the background, and waits until it answers.
async fn detached(door: &Door, log: Option<&str>, listen: &[String]) -> Result<()> {
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let mut command = Command::new(program);
    command.arg("start").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.args(log.iter().flat_map(|filter| ["--log", filter]));
    command.args(listen.iter().flat_map(|address| ["--listen", address]));
    command.args((door.surroundings().store == Some(StoreKind::KeyFile)).then_some("--plain-key-file"));
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().context("the process in the background cannot be started")?;
    let stderr = child.stderr.take();
    let saying = tokio::task::spawn_blocking(move || stderr.map(said).unwrap_or_default());
    let began = tokio::time::Instant::now();
    while began.elapsed() < PATIENCE {
        // It answers at its socket before it is known whether it can listen elsewhere.
        if let Some(pid) = door.holder().await
            && let Ok(status) = door.call(ShowStatus {}).await
            && let Some(reachable) = &status.reachable
        {
            show::note(&format!("the cara daemon runs (process {pid}); `cara stop` stops it"));
            say_reachable(reachable);
            credentials::first(door, !reachable.listening.is_empty()).await;
            say_locked(status.vault_locked);
            status.configuration.problem.iter().for_each(|problem| show::note(&problem.to_string()));
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            // What it left behind may hold its stream open.
            let said = tokio::time::timeout(Duration::from_secs(1), saying).await;
            let said = said.ok().and_then(Result::ok).unwrap_or_default();
            if let Some((_, why)) = format!("\n{said}").split_once("\nerror: ") {
                bail!("the process in the background ended at once: {}", why.trim_end());
            }
            bail!("the process in the background ended at once ({status})\nhint: `cara start` shows why");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("the process in the background does not answer\nhint: `cara start` shows what it does")
}

/// What a process says, as far as it is kept; it is read to its end, so that nothing holds the process up.
fn said(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let _ = stderr.by_ref().take(SAID).read_to_end(&mut said);
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    String::from_utf8_lossy(&said).into_owned()
}

/// Shows what the daemon, or the command that works on the home in its place, does.
pub(crate) async fn status(door: &Door, output: Output) -> Result<ExitCode> {
    if door.holder().await.is_none() {
        output.print(&Status::nobody(), || show::note("no cara daemon runs; `cara start --detach` starts one"))?;
        return Ok(ExitCode::from(NOT_RUNNING));
    }
    let status = door.emit(output, ShowStatus {}).await?;
    if status.role == Role::Daemon {
        return Ok(ExitCode::SUCCESS);
    }
    show::note(&format!("no cara daemon runs; `{}` holds the home\nhint: {}", status.command, status.role.ending()));
    Ok(ExitCode::from(NOT_RUNNING))
}

/// Stops the daemon, and waits for its end.
pub(crate) async fn stop(door: &Door, output: Output) -> Result<()> {
    let Some(pid) = door.holder().await else { return output.done(&Done {}, "no cara daemon runs") };
    let stopped = door.call(StopHolder {}).await?;
    let socket = door.surroundings().home.socket();
    let began = tokio::time::Instant::now();
    while cara_gateway::holder(&socket).await == Some(pid) {
        if began.elapsed() > DRAIN + PATIENCE {
            bail!("process {pid} has not ended yet\nhint: `cara status` shows what it still does");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    output.done(&stopped, &format!("the cara daemon (process {pid}) stopped"))
}

impl Show for Status {
    fn show(&self) {
        let field = |name: &str, value: &str| layout::field(0, name, value);
        field("process", &format!("{} (`{}`), version {}", self.pid, self.command, self.version));
        field("home", &self.home);
        field("since", &when::second(self.since_ms));
        self.reachable.iter().for_each(Show::show);
        self.memory_bytes.iter().for_each(|bytes| field("memory", &format!("{:.1} MB", *bytes as f64 / 1e6)));
        let resting = self.components.iter().filter_map(|component| Some((component, component.rests_ms?)));
        let rest = match resting.clone().count() {
            0 => "none resting".to_owned(),
            count => format!("{count} resting"),
        };
        field("components", &format!("{} installed, {} loaded, {rest}", self.installed, self.components.len()));
        for (component, left) in resting {
            let (id, version, seconds) = (&component.id, &component.version, left.div_ceil(1000));
            field("resting", &format!("{id} {version}: for {seconds} s, after repeated faults"));
        }
        for [id, why] in &self.broken {
            field("unusable", &format!("{id}: {}", why.lines().next().unwrap_or_default()));
        }
        for [run, session] in &self.runs {
            field("run", &format!("{run} in session {session}"));
        }
        field("sessions", &self.sessions.to_string());
        field("approvals", &format!("{} waiting", self.approvals_waiting));
        if self.vault_locked {
            field("vault", LOCKED.trim_start_matches("the vault is "));
        }
        if let Some(AnchorState { seq, at_ms, problem }) = &self.anchored {
            let last = seq.zip(*at_ms).map(|(seq, at_ms)| format!("event {seq}, {}", when::second(at_ms)));
            field("anchored", &last.unwrap_or_else(|| "not yet".to_owned()));
            problem.iter().for_each(|problem| field("problem", &problem.to_string().replace("\nhint: ", "; ")));
        }
        match &self.configuration {
            Configuration { problem: Some(problem), .. } => field("config", &problem.message),
            Configuration { from_next_start, .. } if !from_next_start.is_empty() => {
                let keys = from_next_start.join(", ");
                field("config", &format!("in use; {keys} from the next start on"));
            }
            Configuration { .. } => field("config", "in use"),
        }
    }
}

impl Show for Reachable {
    fn show(&self) {
        let field = |name: &str, value: &str| layout::field(0, name, value);
        field("listens", &format!("{}; {} connections", at(self), self.connections));
        if let Some(shown) = &self.certificate {
            let until = when::minute(shown.expires_ms);
            field("certificate", &format!("{}, SHA-256 {}, until {until}", shown.from, shown.fingerprint));
        }
        self.tailscale.iter().for_each(|address| field("tailscale", address));
        if self.announced {
            field("announced", "in the local network");
        }
        self.problems.iter().for_each(|problem| field("problem", &problem.replace("\nhint: ", "; ")));
    }
}
