//! Anchoring: the head of the audit log goes to a file, a URL, a transparency
//! log; once, or again and again while the daemon runs.
//!
//! ```text
//! head ─→ is the last anchor of the file still in the ledger? ─→ Anchor ─┬→ transparency log ─→ proof ─┐
//!                     no: nothing is anchored, and that is said          ├→ URL                        │
//!                                                                        └→ file, a line more ←────────┘
//! ```

use crate::anchor_settings::AnchorSettings;
pub use crate::anchor_state::AnchorState;
use crate::anchors::{self, Anchor, LogProof, Newest};
use crate::application::Application;
use crate::error::{Context, Error, Result, error, fail};
use crate::event::Events;
use crate::home_files::HomeFiles;
use crate::operation::{Operation, Route};
use crate::signing_transport::SigningTransport;
use cara_assistant::Rules;
use cara_authority::Principal;
use cara_packages::keyless::Signing;
use cara_packages::{Access, Deadlines};
use cara_sdk_sign::enter_log;
use cara_services::files;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a URL or a log may take.
const DEADLINES: Deadlines = Deadlines { total: Duration::from_secs(30), idle: Duration::from_secs(10) };

/// How soon the daemon tries again what failed, unless it does it as often anyway.
const AGAIN: Duration = Duration::from_secs(300);

/// How long all of it may take when the process ends.
const AT_END: Duration = Duration::from_secs(8);

/// Anchors the head of the audit log: where it is said here, else where the configuration says.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorAudit {
    /// The absolute path of a file outside the home; a line is added to it.
    #[serde(default)]
    pub file: Option<String>,
    /// A URL; the line is sent there.
    #[serde(default)]
    pub url: Option<String>,
    /// The URL of a transparency log, a Rekor; its proof stands in the file.
    #[serde(default)]
    pub log: Option<String>,
}

/// Whether a file of anchors may be begun: one that the daemon does not find is missing, whatever the reason.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Begin,
    Refuse,
}

/// What was anchored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Anchored {
    /// The head.
    pub anchor: Anchor,
    /// Where it is kept now.
    pub places: Vec<String>,
}

impl Operation for AnchorAudit {
    type View = Anchored;
    const ROUTE: Route =
        Route::post("audit.anchor", "/control/v1/audit/anchors", "Anchor the head of the audit log.").once().admin();

    async fn run(self, application: &Arc<Application>, by: &Principal, _: &Events) -> Result<Self::View> {
        let named = AnchorSettings {
            file: self.file.map(PathBuf::from),
            url: self.url,
            log: self.log,
            ..AnchorSettings::default()
        };
        let is_named = named != AnchorSettings::default();
        // Files there, and ports that only it reaches, are not for whoever has a credential.
        if is_named && by.credential().is_some() {
            fail!(
                Refused,
                "where anchors go is said at the daemon's machine, and with no credential\n\
                 hint: leave it out, and they go where `[audit.anchor]` says"
            );
        }
        let places = if is_named { named } else { application.config()?.audit.anchor.clone() };
        places.check()?;
        if places.is_off() {
            fail!(
                Invalid,
                "there is nowhere to anchor the audit log\n\
                 hint: `cara audit anchor --file PATH`, or `cara config set audit.anchor.file PATH` to have the daemon do it"
            );
        }
        // Whoever has a credential begins no file anew that was taken away.
        let if_missing = if by.credential().is_some() { IfMissing::Refuse } else { IfMissing::Begin };
        let anchored = application.anchor(&places, if_missing).await;
        if !is_named {
            application.anchoring.tried(anchored.as_ref().map(|anchored| &anchored.anchor));
        }
        anchored
    }
}

impl Application {
    /// Anchors the head at these places. Where one of them fails, the others have it all the same.
    async fn anchor(&self, places: &AnchorSettings, if_missing: IfMissing) -> Result<Anchored> {
        let _turn = self.anchoring.turn().await;
        let head = self.ledger.newest_event().await?;
        let key = anchors::key_or_new(self.home())?;
        let mut last = Newest::none();
        if let Some(file) = &places.file {
            outside(self.home().path(), file)?;
            match std::fs::File::open(file).and_then(|file| Newest::of(std::io::BufReader::new(file))) {
                Ok(read) if if_missing == IfMissing::Refuse && read.is_none() => fail!(
                    NotFound,
                    "`{}` has no anchor in it: somebody may have taken them away\n\
                     hint: bring them back; a file is begun by `cara audit anchor` alone",
                    file.display()
                ),
                Ok(read) => last = read,
                Err(error) if error.kind() == ErrorKind::NotFound && if_missing == IfMissing::Begin => {}
                Err(error) if error.kind() == ErrorKind::NotFound => fail!(
                    NotFound,
                    "`{}` is not there: a disk may be missing, or somebody took the anchors away\n\
                     hint: bring it back; a new file is begun by `cara audit anchor` alone",
                    file.display()
                ),
                Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", file.display())),
            }
            last.check(&self.ledger, &key).await?;
        }
        let mut anchor = Anchor::new(&key, (head.0, head.1.as_slice()), self.services.clock.now_ms())?;
        let (mut at, mut failed) = (Vec::new(), None);
        let access = Access { deadlines: DEADLINES, ..Access::anonymous(&self.services.egress) };
        if let Some(log) = &places.log {
            match self.enter(&anchor, &key, log, &SigningTransport::new(access)).await {
                Ok(proof) => {
                    at.push(format!("{log}, entry {}", proof.index));
                    anchor.log = Some(proof);
                }
                Err(error) => failed = Some(error.context(format!("`{log}`"))),
            }
        }
        let line = anchor.line();
        if let Some(url) = &places.url {
            match Signing::new(access).post(url, &line).await {
                Ok((200..=299, _)) => at.push(shown(url)),
                Ok((status, _)) => {
                    failed = Some(error!(
                        Unavailable,
                        "`{}` answered {status} to the anchor\nhint: see what keeps the anchors there",
                        shown(url)
                    ));
                }
                Err(error) => failed = Some(Error::from(error).kind(crate::ErrorKind::Unavailable)),
            }
        }
        if let Some(file) = &places.file {
            append(file, &line, last.is_ended).with_context(|| format!("`{}` cannot be written", file.display()))?;
            at.push(file.display().to_string());
        }
        failed.map_or(Ok(Anchored { anchor, places: at }), Err)
    }

    async fn enter(
        &self,
        anchor: &Anchor,
        key: &cara_sdk_sign::HomeKey,
        log: &str,
        way: &SigningTransport<'_>,
    ) -> Result<LogProof> {
        let root = self.sigstore_root()?.ok_or_else(|| {
            error!(
                Refused,
                "no Sigstore instance is trusted, so nothing proves its log\nhint: `cara trust root public-good`"
            )
        })?;
        let bundle = enter_log(&anchor.message(), key, &log.parse()?, &root, way).await?;
        let index = cara_sdk_sign::check_log_entry(&bundle, &anchor.message(), key, &root)?;
        Ok(LogProof { url: log.to_owned(), index, bundle: serde_json::from_str(&bundle)? })
    }

    /// The text of the trust root, if one is set.
    pub(crate) fn sigstore_root(&self) -> Result<Option<String>> {
        let most = cara_signing::TrustRoot::MAX_BYTES as u64;
        let bytes = files::read_capped(&self.home().trust_root(), most)?;
        bytes.map(String::from_utf8).transpose().context("the trust root is not UTF-8")
    }

    /// How the audit log is anchored, where it is or was to be.
    pub(crate) fn anchored(&self) -> Option<AnchorState> {
        let (state, is_off) = (self.anchoring.state(), self.config().is_ok_and(|config| config.audit.anchor.is_off()));
        let nothing = state.seq.is_none() && state.problem.is_none();
        (!(is_off && nothing)).then_some(state)
    }

    /// Anchors as the configuration says from now on, a last time when the process ends.
    pub fn keep_anchoring(&self) {
        self.holder.work.spawn(keep(self.me.clone(), self.settings.rules(), self.outbox_end.clone()));
    }
}

/// What was anchored last, and where.
struct Done {
    places: AnchorSettings,
    at: Instant,
    seq: Option<u64>,
}

impl Done {
    /// When it is time again: what failed is tried sooner.
    fn due(&self) -> Instant {
        let every = self.places.every.0;
        self.at + if self.seq.is_some() { every } else { every.min(AGAIN) }
    }
}

async fn keep(me: Weak<Application>, mut configured: watch::Receiver<Arc<Rules>>, end: CancellationToken) {
    let mut done: Option<Done> = None;
    loop {
        let ends = end.is_cancelled();
        let Some(application) = me.upgrade() else { return };
        let config = application.config();
        if let (Err(_), Some(done)) = (&config, &mut done) {
            // It cannot be read: looked at again in a while, or when it changes.
            done.at = Instant::now();
        }
        if let Ok(config) = config {
            let places = &config.audit.anchor;
            let same = done.as_ref().filter(|done| done.places == *places);
            let is_due = ends || same.is_none_or(|done| done.due() <= Instant::now());
            if places.is_off() {
                application.anchoring.forget();
                done = None;
            } else if is_due {
                let last = same.and_then(|done| done.seq);
                let seq = match ends {
                    true => anchored(&application, places, last, AT_END).await,
                    // What ends the process ends this too: there is another look then.
                    false => {
                        let anchored = anchored(&application, places, last, DEADLINES.total * 3);
                        end.run_until_cancelled(anchored).await.flatten()
                    }
                };
                done = Some(Done { places: places.clone(), at: Instant::now(), seq });
            }
        }
        drop(application);
        if ends {
            return;
        }
        let due = done.as_ref().map(Done::due);
        let is_due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end.cancelled() => {}
            () = is_due => {}
            // Each configuration that is put in use is told.
            _ = configured.changed() => {}
        }
    }
}

/// Anchors unless the head is the one that was anchored last; the number of the event that is anchored now.
async fn anchored(
    application: &Application,
    places: &AnchorSettings,
    last: Option<u64>,
    most: Duration,
) -> Option<u64> {
    let newest = application.ledger.newest_event().await.map(|(seq, _)| seq).ok();
    if last.is_some() && newest == last {
        return last;
    }
    let late = || {
        error!(
            Unavailable,
            "anchoring the audit log took over {} s\nhint: look at its file, URL and log",
            most.as_secs()
        )
    };
    let tried =
        tokio::time::timeout(most, application.anchor(places, IfMissing::Refuse)).await.unwrap_or_else(|_| Err(late()));
    application.anchoring.tried(tried.as_ref().map(|anchored| &anchored.anchor));
    match tried {
        Ok(anchored) => {
            tracing::info!(seq = anchored.anchor.seq, "the audit log is anchored");
            Some(anchored.anchor.seq)
        }
        Err(error) => {
            tracing::error!(%error, "the audit log is not anchored");
            None
        }
    }
}

/// A URL as it is shown: a query may hold a token.
fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Refuses a file in the home: it would be put back together with the ledger.
fn outside(home: &Path, file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    let folder =
        folder.canonicalize().with_context(|| format!("`{}` is no folder to keep anchors in", folder.display()))?;
    if folder.starts_with(home.canonicalize().unwrap_or_else(|_| home.to_owned())) {
        fail!(
            Refused,
            "`{}` is in the home, and would be put back together with the ledger\n\
             hint: name a file elsewhere, best where nobody on this machine can change what is written",
            file.display()
        );
    }
    // What a link leads to may be in the home, now or later.
    if file.symlink_metadata().is_ok_and(|file| !file.is_file()) {
        fail!(Refused, "`{}` is a link, or no plain file\nhint: name a plain file", file.display());
    }
    Ok(())
}

/// Adds a line to a file, on disk before this returns; what a crash left of a line before stays a line of its own.
fn append(file: &Path, line: &str, is_whole: bool) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    let between = if is_whole { "" } else { "\n" };
    file.write_all(format!("{between}{line}\n").as_bytes())?;
    file.sync_all()
}
