//! `config.toml`, followed while it changes: a file that cannot be used
//! changes nothing.
//!
//! ```text
//! change ─→ read ─→ parsed ─→ what it names exists ─→ in use
//!              └──────────┴─ else the one of before stays, and that is said
//! ```

use crate::configuration::{Config, LedgerSettings};
use crate::error::{Context, Error, Result, error};
use crate::event::Events;
use crate::gateway_settings::GatewaySettings;
use crate::home_files::{CONFIG, LAST_CONFIG};
use cara_assistant::Rules;
use cara_assistant::budget::Amount;
use cara_services::files;
use cara_services::ledger::Place;
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

/// Where the text that was in use last is kept, beside the file: what is missing of it is found at the next start too.
fn copy_of(path: &Path) -> PathBuf {
    path.with_file_name(LAST_CONFIG)
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn emptied(path: &Path) -> Error {
    error!(
        Invalid,
        "`{}` is empty or gone\nhint: write it anew, such as with `cara config set`; if it is meant, remove `{LAST_CONFIG}` \
         beside it too",
        path.display()
    )
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
    /// What listeners go by.
    gateway: watch::Sender<Arc<GatewaySettings>>,
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
    /// What cara wrote itself last, and whether it changed what was in use.
    own: Option<(String, bool)>,
    /// What the file guards less, at the first look, than what was in use last.
    lost: Option<String>,
    /// Whether the text in use was kept beside the file.
    kept: bool,
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
        let before = read(&copy_of(&path)).ok().filter(|(_, text)| !is_blank(text));
        let (good, bad, lost) = match (read(&path), before) {
            (Ok(usable), Some(before)) if is_blank(&usable.1) => (Some(before), Some(emptied(&path)), None),
            (Ok(usable), Some(before)) => (Some(usable.clone()), None, lost(&before.0, &usable.0)),
            (Ok(usable), None) => (Some(usable), None, None),
            (Err(error), _) => (None, Some(error), None),
        };
        let rules = watch::Sender::new(Arc::new(good.as_ref().map(|(config, _)| rules(config)).unwrap_or_default()));
        let gateway = good.as_ref().map(|(config, _)| config.gateway.clone()).unwrap_or_default();
        let gateway = watch::Sender::new(Arc::new(gateway));
        let read = Mutex::new(Read { stamp, good, bad, lost, ..Read::default() });
        Self(Arc::new(Following { path, read, check: OnceLock::new(), writing: Mutex::default(), rules, gateway }))
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
        self.keep(&mut self.last());
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
        if let Some(lost) = last.lost.take() {
            self.say_lost(&lost, events);
        }
        let stamp = files::stamp(path)?;
        if stamp != last.stamp {
            let read = read(path);
            // One that changes while it is read is whole at a later look.
            if files::stamp(path)? == stamp {
                last.stamp = stamp;
                match read.and_then(|usable| last.not_emptied(usable, path)) {
                    Ok(usable) => (last.waiting, last.bad) = (Some(usable), None),
                    Err(error) => {
                        last.waiting = None;
                        last.refuse(error, events);
                    }
                }
            }
        }
        if let Some(usable) = last.waiting.clone() {
            match self.0.check.get().map_or(Ok(()), |check| check(&usable.0)) {
                Ok(()) => self.adopt(&mut last, usable, events),
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

    fn adopt(&self, last: &mut Read, usable: Usable, events: &Events) {
        let before = last.good.as_ref().filter(|_| !last.is_own(&usable, true));
        if let Some(lost) = before.and_then(|(before, _)| lost(before, &usable.0)) {
            self.say_lost(&lost, events);
        }
        self.0.rules.send_replace(Arc::new(rules(&usable.0)));
        self.0.gateway.send_if_modified(|gateway| {
            let is_other = **gateway != usable.0.gateway;
            if is_other {
                *gateway = Arc::new(usable.0.gateway.clone());
            }
            is_other
        });
        (last.good, last.waiting, last.bad) = (Some(usable), None, None);
        if last.kept {
            self.keep(last);
        }
        tracing::info!("the configuration is in use");
    }

    fn say_lost(&self, lost: &str, events: &Events) {
        events.note(format!("`{}` was changed: {lost}", self.0.path.display()));
        tracing::warn!(%lost, "the configuration guards less than before");
    }

    /// Keeps the text in use beside the file; where none could be read yet, what was kept before stays.
    fn keep(&self, last: &mut Read) {
        let Some((_, text)) = &last.good else { return };
        let copy = copy_of(&self.0.path);
        let written = match read(&copy).is_ok_and(|(_, kept)| kept == *text) {
            true => Ok(()),
            false => files::write_private_atomic(&copy, text.as_bytes()),
        };
        last.kept = written.is_ok();
        if let Err(error) = written {
            tracing::warn!(%error, "the configuration in use is not kept for the next start");
        }
    }

    /// Says what cara itself is about to write: that may be less than before.
    pub(crate) fn writes(&self, text: &str) {
        let mut last = self.last();
        last.own = Some((text.to_owned(), last.bad.is_none()));
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

    /// What listeners go by, while it changes.
    pub(crate) fn gateway(&self) -> watch::Receiver<Arc<GatewaySettings>> {
        self.0.gateway.subscribe()
    }

    /// Where the ledger is, by what is in use; a file that cannot be used is asked, too, and leads to no other ledger.
    pub(crate) fn ledger(&self, file: PathBuf) -> Place {
        match (self.read(), text(&self.0.path)) {
            (Some(config), _) => config.ledger.place(file),
            (None, Ok(text)) => LedgerSettings::place_in(&text, file),
            (None, Err(_)) => Place::Unknown,
        }
    }

    /// The configuration as it was read last, if it could be.
    pub(crate) fn read(&self) -> Option<Arc<Config>> {
        self.last().good.as_ref().map(|(config, _)| config.clone())
    }
}

impl Read {
    /// Whether cara wrote this itself, out of what was in use if that is asked.
    fn is_own(&self, (_, text): &Usable, out_of_use: bool) -> bool {
        self.own.as_ref().is_some_and(|(own, of_use)| **own == **text && (*of_use || !out_of_use))
    }

    /// Refuses a file that was emptied or taken away by another program: it is being written, or was lost.
    fn not_emptied(&self, usable: Usable, path: &Path) -> Result<Usable> {
        let had = self.good.as_ref().is_some_and(|(_, text)| !is_blank(text));
        let is_meant = self.kept && !files::exists(&copy_of(path))?;
        if had && is_blank(&usable.1) && !self.is_own(&usable, false) && !is_meant {
            return Err(emptied(path));
        }
        Ok(usable)
    }

    /// Says once why the file cannot be used.
    fn refuse(&mut self, error: Error, events: &Events) {
        if self.bad.as_ref() == Some(&error) {
            return;
        }
        let stays = if self.good.is_some() { "; the previous configuration stays in use" } else { "" };
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

/// What guarded before and does not now, in words; nothing when all of it stands.
fn lost(before: &Config, now: &Config) -> Option<String> {
    let mut lost = Vec::new();
    match before.policy.rule.iter().filter(|rule| !now.policy.rule.contains(rule)).count() {
        0 => {}
        1 => lost.push("a rule of `[[policy.rule]]` is gone or another".to_owned()),
        many => lost.push(format!("{many} rules of `[[policy.rule]]` are gone or others")),
    }
    let (was, is) = (&before.budget, &now.budget);
    let named = [("run", was.run, is.run), ("session", was.session, is.session), ("day", was.day, is.day)];
    let named = named.map(|(name, was, is)| (name.to_owned(), was, is));
    let of_component = |id| is.component.get(id).copied().unwrap_or_default();
    let components = was.component.iter().map(|(id, was)| (format!("component.{id}"), *was, of_component(id)));
    let roles = [("role.member", was.role.member, is.role.member), ("role.guest", was.role.guest, is.role.guest)];
    let roles = roles.map(|(name, was, is)| (name.to_owned(), was, is));
    let of_person = |id| is.person.get(id).copied().unwrap_or_default();
    let people = was.person.iter().map(|(id, was)| (format!("person.{id}"), *was, of_person(id)));
    let wider =
        named.into_iter().chain(components).chain(roles).chain(people).filter(|(_, was, is)| is_wider(*was, *is));
    lost.extend(wider.map(|(name, ..)| format!("`[budget.{name}]` is gone or wider")));
    (!lost.is_empty()).then(|| lost.join("; "))
}

fn is_wider(was: Amount, is: Amount) -> bool {
    let tokens = was.tokens.is_some_and(|was| is.tokens.is_none_or(|is| is > was));
    tokens || was.dollars.is_some_and(|was| is.dollars.is_none_or(|is| is > was))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::{Event, Scope};
    use std::fs;

    const GUARDED: &str = "[[policy.rule]]\ncomponent = \"fetch\"\nthen = \"deny\"\n\n[budget.day]\ntokens = 5\n";

    fn guarded() -> (tempfile::TempDir, PathBuf, Followed) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG);
        fs::write(&path, GUARDED).unwrap();
        let followed = Followed::open(path.clone());
        (folder, path, followed)
    }

    /// How many rules are in use at one more look at the file, and what is said of it.
    async fn look(followed: &Followed) -> (usize, Vec<String>) {
        let events = Events::new(Scope::Call);
        let rules = followed.now(&events).unwrap().policy.rule.len();
        assert_eq!(followed.rules().borrow().policy.rule.len(), rules);
        events.end();
        let (mut reader, mut said) = (events.read(), Vec::new());
        while let Some(event) = reader.next().await {
            let Event::Note { text } = &*event else { break };
            said.push(text.clone());
        }
        (rules, said)
    }

    #[tokio::test]
    async fn a_file_that_is_emptied_or_taken_away_changes_nothing_and_that_is_said_once() {
        let (_folder, path, followed) = guarded();
        type Harm = fn(&Path);
        let harms: [Harm; 3] = [
            |path| fs::write(path, "").unwrap(),
            |path| fs::write(path, " \n").unwrap(),
            |path| {
                fs::remove_file(path).unwrap();
            },
        ];
        for harm in harms {
            harm(&path);
            let (rules, said) = look(&followed).await;
            assert_eq!(rules, 1);
            assert!(said.concat().contains("is empty or gone; the previous configuration stays"), "{said:?}");
            assert_eq!(look(&followed).await, (1, vec![]));
            let (text, bad) = followed.text(&Events::nobody());
            assert!(*text == *GUARDED && bad.unwrap().error.hint.unwrap().contains("`cara config set`"));
            fs::write(&path, format!("{GUARDED}# whole\n")).unwrap();
            assert_eq!(look(&followed).await, (1, vec![]));
            fs::write(&path, GUARDED).unwrap();
            assert_eq!(look(&followed).await, (1, vec![]));
        }
    }

    #[tokio::test]
    async fn what_was_in_use_last_is_missed_at_the_next_start_too() {
        let (_folder, path, followed) = guarded();
        followed.keep(&mut followed.last());
        fs::write(&path, "# my configuration\n").unwrap();
        // What is left of it counts, and is said once.
        let half = Followed::open(path.clone());
        let (rules, said) = look(&half).await;
        assert!(rules == 0 && said.concat().contains("a rule of `[[policy.rule]]` is gone"), "{said:?}");
        assert_eq!(look(&half).await, (0, vec![]));
        fs::write(&path, GUARDED).unwrap();
        assert_eq!(look(&half).await, (1, vec![]));
        half.keep(&mut half.last());
        // Nothing of it counts as a file that is being written.
        for gone in [false, true] {
            if gone {
                fs::remove_file(&path).unwrap()
            } else {
                fs::write(&path, "").unwrap()
            }
            let emptied = Followed::open(path.clone());
            assert_eq!(look(&emptied).await.0, 1);
            assert!(emptied.text(&Events::nobody()).1.unwrap().error.to_string().contains("is empty or gone"));
        }
        // Nor is what was in use last forgotten over a file that cannot be read.
        fs::write(&path, "[[policy.rule]]\ncompon").unwrap();
        let broken = Followed::open(path.clone());
        broken.keep(&mut broken.last());
        fs::write(&path, "").unwrap();
        assert_eq!(look(&Followed::open(path.clone())).await.0, 1);
        fs::remove_file(copy_of(&path)).unwrap();
        assert_eq!(look(&Followed::open(path)).await, (0, vec![]));
    }

    #[tokio::test]
    async fn what_another_program_takes_out_of_the_file_is_said_and_what_cara_takes_out_is_not() {
        let (_folder, path, followed) = guarded();
        let half = "[[policy.rule]]\ncomponent = \"fetch\"\nthen = \"deny\"\n";
        fs::write(&path, half).unwrap();
        let (rules, said) = look(&followed).await;
        assert!(rules == 1 && said.concat().contains("was changed: `[budget.day]` is gone or wider"), "{said:?}");
        fs::write(&path, "[run]\nturns = 3\n").unwrap();
        let (rules, said) = look(&followed).await;
        assert!(rules == 0 && said.concat().contains("a rule of `[[policy.rule]]` is gone"), "{said:?}");
        fs::write(&path, GUARDED).unwrap();
        assert_eq!(look(&followed).await, (1, vec![]));
        // A key that is set in a file that was emptied does not bring back what was in it.
        fs::write(&path, "").unwrap();
        assert_eq!(look(&followed).await.0, 1);
        followed.writes("[run]\nturns = 4\n");
        fs::write(&path, "[run]\nturns = 4\n").unwrap();
        let (rules, said) = look(&followed).await;
        assert!(rules == 0 && said.concat().contains("a rule of `[[policy.rule]]` is gone"), "{said:?}");
        fs::write(&path, GUARDED).unwrap();
        assert_eq!(look(&followed).await, (1, vec![]));
        followed.writes("");
        fs::write(&path, "").unwrap();
        assert_eq!(look(&followed).await, (0, vec![]));
    }
}
