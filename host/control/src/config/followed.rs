//! `config.toml`, followed while it changes: a file that cannot be used
//! changes nothing.

use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::event::Listeners;
use cara_assistant::Rules;
use cara_services::files;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The largest configuration file, bytes.
const LARGEST: u64 = 1024 * 1024;

/// The text of a configuration file; one that does not exist is empty.
pub(crate) fn text(path: &Path) -> Result<String> {
    let bytes = files::read_capped(path, LARGEST)?.unwrap_or_default();
    String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8", path.display()))
}

fn read(path: &Path) -> Result<(Config, String)> {
    let text = text(path)?;
    Ok((Config::parse(&text, &path.display().to_string())?, text))
}

/// The configuration, followed while its file changes; a clone follows the same.
#[derive(Clone)]
pub(crate) struct Followed(Arc<Following>);

struct Following {
    path: PathBuf,
    read: Mutex<Read>,
    /// Held by whoever changes the file.
    writing: Mutex<()>,
    /// What runs that go on obey.
    rules: watch::Sender<Arc<Rules>>,
}

/// What was read last.
struct Read {
    stamp: Option<files::Stamp>,
    /// The configuration in use: the last one that could be read.
    good: Option<Arc<Config>>,
    /// The text that says it.
    text: Arc<str>,
    /// Why what is in the file now cannot be used.
    bad: Option<Error>,
}

impl Followed {
    /// Reads the file for the first time.
    pub(crate) fn open(path: PathBuf) -> Self {
        let stamp = files::stamp(&path).ok().flatten();
        let (good, text, bad) = match read(&path) {
            Ok((config, text)) => (Some(Arc::new(config)), text.into(), None),
            Err(error) => (None, "".into(), Some(error)),
        };
        let rules = watch::Sender::new(Arc::new(good.as_deref().map(rules).unwrap_or_default()));
        Self(Arc::new(Following {
            path,
            read: Mutex::new(Read { stamp, good, text, bad }),
            writing: Mutex::default(),
            rules,
        }))
    }

    /// The configuration as it is now. A file that became unreadable changes nothing, and that is said once; one that was
    /// unreadable from the beginning is an error.
    pub(crate) fn now(&self, listeners: &Listeners) -> Result<Arc<Config>> {
        let path = &self.0.path;
        let mut last = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = files::stamp(path)?;
        if stamp != last.stamp {
            last.stamp = stamp;
            match read(path) {
                Ok((config, text)) => {
                    self.0.rules.send_replace(Arc::new(rules(&config)));
                    (last.good, last.text, last.bad) = (Some(Arc::new(config)), text.into(), None);
                }
                Err(error) => {
                    if last.good.is_some() {
                        listeners.note(format!("{error}; the configuration of before stays in use"));
                    }
                    tracing::warn!(%error, "the configuration cannot be used");
                    last.bad = Some(error);
                }
            }
        }
        match (&last.good, &last.bad) {
            (Some(good), _) => Ok(good.clone()),
            (None, Some(bad)) => Err(bad.clone()),
            (None, None) => Ok(Arc::default()),
        }
    }

    /// The text of the configuration in use, and why the file cannot be used now, if it cannot.
    pub(crate) fn text(&self, listeners: &Listeners) -> (Arc<str>, Option<Error>) {
        // What is wrong with the file is part of the answer.
        let _ = self.now(listeners);
        let last = self.0.read.lock().unwrap_or_else(PoisonError::into_inner);
        (last.text.clone(), last.bad.clone())
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
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner).good.clone()
    }
}

fn rules(config: &Config) -> Rules {
    Rules { policy: config.policy.clone(), budgets: config.budget.clone() }
}
