//! `config.toml`, followed while it changes: a file that cannot be used
//! changes nothing.
//!
//! ```text
//! change ─→ read ─→ parsed ─→ what it names exists ─→ in use
//!              └──────────┴─ else the one of before stays, and that is said
//! ```

use crate::configuration::Config;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::home_files::CONFIG;
use cara_assistant::Rules;
use cara_services::files;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;

/// The largest configuration file, bytes.
const LARGEST: u64 = 1024 * 1024;

/// Tells of changes for as long as it is held.
pub(crate) type Watcher = notify::RecommendedWatcher;

/// Says whether what a configuration names exists.
pub(crate) type Check = Box<dyn Fn(&Config) -> Result<()> + Send + Sync>;

/// The text of a configuration file; one that does not exist is empty.
pub(crate) fn text(path: &Path) -> Result<String> {
    let bytes = files::read_capped(path, LARGEST)?.unwrap_or_default();
    String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8", path.display()))
}

fn read(path: &Path) -> Result<Usable> {
    let text = text(path)?;
    Ok((Arc::new(Config::parse(&text, &path.display().to_string())?), text.into()))
}

/// The configuration, followed while its file changes; a clone follows the same.
#[derive(Clone)]
pub(crate) struct Followed(Arc<Following>);

struct Following {
    path: PathBuf,
    read: Mutex<Read>,
    check: OnceLock<Check>,
    /// Held by whoever changes the file.
    writing: Mutex<()>,
    /// What runs that go on obey.
    rules: watch::Sender<Arc<Rules>>,
}

/// A configuration, and the text that says it.
type Usable = (Arc<Config>, Arc<str>);

/// What was read last.
#[derive(Default)]
struct Read {
    stamp: Option<files::Stamp>,
    /// What is in use: the last one that could be.
    good: Option<Usable>,
    /// What the file says now, where it names something that does not exist yet.
    waiting: Option<Usable>,
    /// Why what is in the file now cannot be used.
    bad: Option<Error>,
}

/// Why the file cannot be used.
pub(crate) struct Unusable {
    pub(crate) error: Error,
    /// Whether an earlier text of the file is in use.
    pub(crate) of_before: bool,
}

impl Followed {
    /// Reads the file for the first time.
    pub(crate) fn open(path: PathBuf) -> Self {
        let stamp = files::stamp(&path).ok().flatten();
        let (good, bad) = match read(&path) {
            Ok(usable) => (Some(usable), None),
            Err(error) => (None, Some(error)),
        };
        let rules = watch::Sender::new(Arc::new(good.as_ref().map(|(config, _)| rules(config)).unwrap_or_default()));
        let read = Mutex::new(Read { stamp, good, waiting: None, bad });
        Self(Arc::new(Following { path, read, check: OnceLock::new(), writing: Mutex::default(), rules }))
    }

    /// Has every configuration checked from now on. What names something that does not exist was opened all the same, so
    /// that commands which put it there or mend the file can run.
    pub(crate) fn checked_by(&self, check: Check) {
        let check = self.0.check.get_or_init(|| check);
        let mut last = self.last();
        if let Some(good) = last.good.clone()
            && let Err(error) = check(&good.0)
        {
            (last.waiting, last.bad) = (Some(good), Some(error));
        }
    }

    /// Looks at the file at each change of it, and tells what is wrong with it.
    pub(crate) fn watch(&self, events: &Events) -> notify::Result<Watcher> {
        let (followed, events) = (self.clone(), events.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let of_file = |path: &PathBuf| path.file_name().is_some_and(|name| name == CONFIG);
            if event.is_ok_and(|event| is_change(event.kind) && event.paths.iter().any(of_file)) {
                // What is wrong is told, and kept.
                let _ = followed.now(&events);
            }
        })?;
        watcher.watch(self.0.path.parent().unwrap_or(&self.0.path), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    fn last(&self) -> MutexGuard<'_, Read> {
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration as it is now. A file that cannot be used changes nothing, and that is said once; one that was
    /// unreadable from the beginning is an error.
    pub(crate) fn now(&self, events: &Events) -> Result<Arc<Config>> {
        let path = &self.0.path;
        let mut last = self.last();
        let stamp = files::stamp(path)?;
        if stamp != last.stamp {
            last.stamp = stamp;
            match read(path) {
                Ok(usable) => (last.waiting, last.bad) = (Some(usable), None),
                Err(error) => {
                    last.waiting = None;
                    last.refuse(error, events);
                }
            }
        }
        if let Some(usable) = last.waiting.clone() {
            match self.0.check.get().map_or(Ok(()), |check| check(&usable.0)) {
                Ok(()) => self.adopt(&mut last, usable),
                Err(error) if last.good.is_none() => {
                    last.refuse(error, events);
                    last.good = Some(usable);
                }
                Err(error) => last.refuse(error, events),
            }
        }
        match (&last.good, &last.bad) {
            (Some((good, _)), _) => Ok(good.clone()),
            (None, Some(bad)) => Err(bad.clone()),
            (None, None) => Ok(Arc::default()),
        }
    }

    fn adopt(&self, last: &mut Read, usable: Usable) {
        self.0.rules.send_replace(Arc::new(rules(&usable.0)));
        *last = Read { stamp: last.stamp, good: Some(usable), waiting: None, bad: None };
        tracing::info!("the configuration is in use");
    }

    /// The text of the configuration in use, and why the file cannot be used now, if it cannot.
    pub(crate) fn text(&self, events: &Events) -> (Arc<str>, Option<Unusable>) {
        // What is wrong with the file is part of the answer.
        let _ = self.now(events);
        let last = self.last();
        let of_before = last.waiting.as_ref().map(|(_, text)| text) != last.good.as_ref().map(|(_, text)| text);
        let text = last.good.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        (text, last.bad.clone().map(|error| Unusable { error, of_before: of_before && last.good.is_some() }))
    }

    /// Changes of the file through this process, one at a time.
    pub(crate) fn writing(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs obey, while it changes.
    pub(crate) fn rules(&self) -> watch::Receiver<Arc<Rules>> {
        self.0.rules.subscribe()
    }

    /// The configuration as it was read last, if it could be.
    pub(crate) fn read(&self) -> Option<Arc<Config>> {
        self.last().good.as_ref().map(|(config, _)| config.clone())
    }
}

impl Read {
    /// Says once why the file cannot be used.
    fn refuse(&mut self, error: Error, events: &Events) {
        if self.bad.as_ref() == Some(&error) {
            return;
        }
        let stays = if self.good.is_some() { "; the configuration of before stays in use" } else { "" };
        events.note(format!("{}{stays}", error.message));
        tracing::warn!(%error, "the configuration cannot be used");
        self.bad = Some(error);
    }
}

/// Whether a file is whole and other than before; while it is written, it is neither.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => true,
        kind => !cfg!(target_os = "linux") && !kind.is_access(),
    }
}

fn rules(config: &Config) -> Rules {
    Rules { policy: config.policy.clone(), budgets: config.budget.clone() }
}
