//! What is installed: built in, or in the store. Followed while it changes.
//!
//! ```text
//! cara.lock, trust.toml ─→ stamps ─→ Installed (verified, checked) ─→ Component (loaded by its first call)
//!       ▲                                                                   │
//!       └──────────────── roll back ◄── a new version's first calls fail ◄──┘
//! ```

use crate::error::{Context, Result, error, fail};
use crate::event::{Events, Unit};
use crate::home_files::HomeFiles;
use cara_assistant::Toolbox;
use cara_assistant::toolbox::shared_names;
use cara_authority::{ComponentId, Manifest, ToolName};
use cara_kernel::{Checked, CompiledCache, Component, Fault, Kernel, Watch};
use cara_packages::lock::{Entry, Lock, Pinned};
use cara_packages::store::{Stamp, Store};
use cara_services::files;
use cara_services::home::Home;
use cara_services::ledger::Ledger;
use cara_signing::{Bundle, Digest, Package, Revoked, Signer, TrustRoot, TrustStore, VerifyError, verify};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The key that is trusted for what is built in has this name.
pub(crate) use cara_assistant::toolbox::BUILT_IN;

mod built_in;
pub use built_in::{BuiltIn, Embedded};

/// The installed components, followed while they change.
pub(crate) struct Plugins {
    store: Store,
    trust: PathBuf,
    kernel: Kernel,
    cache: Arc<CompiledCache>,
    ledger: Arc<Ledger>,
    embedded: BuiltIn,
    built_in: BTreeMap<ComponentId, Arc<Checked>>,
    events: Events,
    /// Held while code is compiled: who needs it meanwhile waits, and finds it.
    compiling: tokio::sync::Mutex<()>,
    /// Whether it was said that compiled code cannot be kept.
    cache_told: AtomicBool,
    now: RwLock<Arc<Installed>>,
    /// The package that was verified last in order to be installed, and who was trusted then.
    verified: Mutex<Option<(TrustStamps, Arc<Checked>)>>,
    /// By digest, so that a version keeps its breaker when others change.
    components: Mutex<BTreeMap<Digest, Arc<Component>>>,
}

/// What is installed at a moment.
pub(crate) struct Installed {
    stamps: Stamps,
    /// The components that may be called.
    pub(crate) usable: BTreeMap<ComponentId, Arc<Checked>>,
    /// The components that may not be called, and why.
    pub(crate) broken: BTreeMap<ComponentId, String>,
    /// What was installed, whatever became of it.
    pub(crate) lock: Lock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamps {
    lock: Stamp,
    trusted: TrustStamps,
}

/// The files that say who is trusted, as they stood when something was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrustStamps {
    store: Option<files::Stamp>,
    root: Option<files::Stamp>,
}

impl TrustStamps {
    fn of(trust: &Path) -> Result<Self> {
        Ok(Self { store: files::stamp(trust)?, root: files::stamp(&root(trust))? })
    }
}

impl Installed {
    /// The files that said who is trusted when it was verified.
    pub(crate) fn trusted_at(&self) -> TrustStamps {
        self.stamps.trusted
    }
}

impl Plugins {
    /// Verifies everything that is installed. Nothing is compiled yet.
    pub(crate) fn open(
        home: &Home,
        embedded: BuiltIn,
        kernel: Kernel,
        cache: Arc<CompiledCache>,
        ledger: Arc<Ledger>,
        events: Events,
    ) -> Result<Self> {
        let (store, trust) = (Store::of(home), home.trust());
        let built_in = embedded.verified()?;
        let stamps = Stamps { lock: store.stamp()?, trusted: TrustStamps::of(&trust)? };
        let installed = read(&store, &trust, stamps, (&embedded, &built_in), BTreeMap::new())?;
        let (now, components) = (RwLock::new(Arc::new(installed)), Mutex::default());
        Ok(Self {
            store,
            trust,
            kernel,
            cache,
            ledger,
            embedded,
            built_in,
            events,
            compiling: Default::default(),
            cache_told: AtomicBool::default(),
            now,
            verified: Mutex::default(),
            components,
        })
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The kernel that loads them, and the cache of compiled code.
    pub(crate) fn engine(&self) -> (&Kernel, &Arc<CompiledCache>) {
        (&self.kernel, &self.cache)
    }

    /// Whom the operator trusts; the key of what is built in too.
    pub(crate) fn trusted(&self) -> Result<TrustStore> {
        trusted(&self.trust, &self.embedded)
    }

    /// The files that say who that is.
    pub(crate) fn trusted_at(&self) -> Result<TrustStamps> {
        TrustStamps::of(&self.trust)
    }

    /// Remembers a package that is about to be put into use, as it was verified: where the lock names it when it is read
    /// next, the package is not read back and verified again. Whether it is used, the lock alone says.
    pub(crate) fn remember(&self, checked: &Arc<Checked>, trusted_at: TrustStamps) {
        *self.verified.lock().unwrap_or_else(PoisonError::into_inner) = Some((trusted_at, checked.clone()));
    }

    /// What was verified while the same were trusted as now, by digest.
    fn verified(&self, before: &Installed, trusted: TrustStamps) -> BTreeMap<Digest, Arc<Checked>> {
        let same = (before.stamps.trusted == trusted).then(|| before.usable.values().cloned());
        let last = self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = last.filter(|(trusted_at, _)| *trusted_at == trusted).map(|(_, checked)| checked);
        same.into_iter().flatten().chain(last).map(|checked| (checked.package().digest(), checked)).collect()
    }

    /// What is installed now. When nothing changed, this costs three looks at files' metadata.
    pub(crate) fn now(&self) -> Result<Arc<Installed>> {
        let stamps = Stamps { lock: self.store.stamp()?, trusted: self.trusted_at()? };
        let before = self.now.read().unwrap_or_else(PoisonError::into_inner).clone();
        if before.stamps == stamps {
            return Ok(before);
        }
        let verified = self.verified(&before, stamps.trusted);
        let installed = Arc::new(read(&self.store, &self.trust, stamps, (&self.embedded, &self.built_in), verified)?);
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        components.retain(|digest, _| installed.usable.values().any(|checked| checked.package().digest() == *digest));
        drop(components);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = installed.clone();
        Ok(installed)
    }

    /// An installed component.
    pub(crate) fn checked(&self, id: &ComponentId) -> Result<Arc<Checked>> {
        let now = self.now()?;
        if let Some(checked) = now.usable.get(id) {
            return Ok(checked.clone());
        }
        if let Some(why) = now.broken.get(id) {
            fail!(Refused, "component `{id}` cannot be used: {why}");
        }
        let known: Vec<String> = now.usable.keys().map(|id| format!("`{id}`")).collect();
        Err(error!(NotFound, "component `{id}` is not installed\nhint: installed are {}", known.join(", ")))
    }

    /// The manifests of all that is installed, and of what is built in, also where it is switched off or something else was
    /// installed in its place.
    pub(crate) fn manifests<'a>(&'a self, installed: &'a Installed) -> impl Iterator<Item = &'a Manifest> {
        installed.usable.values().chain(self.built_in.values()).map(|checked| checked.manifest())
    }

    /// The names that tools of several installed components have: such a name does not say whose tool is meant.
    pub(crate) fn shared_names(&self, installed: &Installed) -> BTreeSet<ToolName> {
        shared_names(self.manifests(installed))
    }

    /// Whether the tool's own name does not say whose tool is meant, as rules of the policy ask.
    pub(crate) fn is_unclear(&self, installed: &Installed, checked: &Checked, tool: &ToolName) -> bool {
        Toolbox::sharing(self.shared_names(installed)).is_shared(tool) || self.signer(checked) != BUILT_IN
    }

    /// Who signed a package, as no one else can be called: the id of the key, or the identity with its issuer. The key of a
    /// build is `built-in`, since each build has another one.
    pub(crate) fn signer(&self, checked: &Checked) -> String {
        match checked.package().signer() {
            Signer::Key { id, .. } if self.embedded.is_own(id) => BUILT_IN.to_owned(),
            signer => signer.to_string(),
        }
    }

    /// The signature file of something built in.
    pub(crate) fn built_in_bundle(&self, id: &ComponentId) -> Result<String> {
        self.embedded.bundle(id)
    }

    /// What is built in under this id, whatever was installed in its place.
    pub(crate) fn built_in(&self, id: &ComponentId) -> Option<&Arc<Checked>> {
        self.built_in.get(id)
    }

    /// A component as it is to be called now. When its code must be compiled first, all others' is too, in parallel, with
    /// a progress bar.
    pub(crate) async fn component(self: &Arc<Self>, id: &ComponentId) -> Result<Arc<Component>> {
        let checked = self.checked(id)?;
        let digest = checked.package().digest();
        if let Some(component) = self.kept(&digest) {
            return Ok(component);
        }
        if !self.kernel.is_compiled(&checked, &self.cache) {
            self.compile_all(&Events::nobody()).await?;
        }
        let trial = self.now()?.lock.0.get(id).is_some_and(|entry| entry.trial.is_some());
        let watch = trial.then(|| -> Arc<dyn Watch> {
            Arc::new(Trial { plugins: Arc::downgrade(self), id: id.clone(), digest, over: AtomicUsize::new(0) })
        });
        let component = Component::lazy(&self.kernel, checked, self.cache.clone(), watch);
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(components.entry(digest).or_insert(component).clone())
    }

    /// Begins to load a component whose code is there, while its caller does something else.
    pub(crate) async fn read_ahead(self: &Arc<Self>, id: &ComponentId) -> Result<()> {
        let checked = self.checked(id)?;
        if self.kernel.is_compiled(&checked, &self.cache) {
            let component = self.component(id).await?;
            tokio::spawn(async move { component.read_ahead().await });
        }
        Ok(())
    }

    /// The components that were called and are kept: each with its version, and for how long it rests after faults.
    pub(crate) fn called(&self) -> Vec<(ComponentId, String, Option<std::time::Duration>)> {
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |component: &Arc<Component>| {
            (component.id().clone(), component.checked().manifest().version().to_string(), component.rests())
        };
        components.values().map(one).collect()
    }

    fn kept(&self, digest: &Digest) -> Option<Arc<Component>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// Compiles all that may be called and is not compiled; who asks for it is told how far it is.
    pub(crate) async fn compile_all(&self, events: &Events) -> Result<()> {
        let _alone = self.compiling.lock().await;
        let now = self.now()?;
        let missing: Vec<_> =
            now.usable.values().filter(|checked| !self.kernel.is_compiled(checked, &self.cache)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (first, all, mut done) = (missing.first().copied().cloned(), missing.len() as u64, 0);
        let tell = |done| events.progress("preparing components", Unit::Components, done, Some(all));
        tell(done);
        let mut tasks = tokio::task::JoinSet::new();
        for checked in missing {
            let (kernel, cache, checked) = (self.kernel.clone(), self.cache.clone(), checked.clone());
            tasks.spawn_blocking(move || kernel.compile(&checked, &cache));
        }
        while let Some(compiled) = tasks.join_next().await {
            compiled??;
            done += 1;
            tell(done);
        }
        let kept = first.is_none_or(|checked| self.kernel.is_compiled(&checked, &self.cache));
        if !kept && !self.cache_told.swap(true, Ordering::Relaxed) {
            self.events.note(
                "compiled code cannot be kept, so components are compiled anew at each start: check that `cache` in cara's home \
                 folder is writable",
            );
        }
        Ok(())
    }
}

/// A new version on trial: its first faults bring the one before it back.
struct Trial {
    plugins: std::sync::Weak<Plugins>,
    id: ComponentId,
    digest: Digest,
    over: AtomicUsize,
}

#[async_trait::async_trait]
impl Watch for Trial {
    async fn ended(&self, fault: Option<&Fault>) {
        if self.over.load(Ordering::Relaxed) != 0 {
            return;
        }
        let Some(plugins) = self.plugins.upgrade() else { return };
        let ended = match fault {
            None => self.passed(&plugins),
            Some(fault) => self.failed(&plugins, fault).await,
        };
        match ended {
            Ok(true) => self.over.store(1, Ordering::Relaxed),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(component = %self.id, %error, "the trial of a new version was not written down")
            }
        }
    }
}

impl Trial {
    /// The entry, while it is this version that is on trial.
    fn entry<'a>(&self, lock: &'a mut Lock) -> Option<&'a mut Entry> {
        let entry = lock.0.get_mut(&self.id)?;
        let active = entry.active.as_ref().is_some_and(|active| active.digest == self.digest);
        (active && entry.trial.is_some()).then_some(entry)
    }

    fn passed(&self, plugins: &Plugins) -> Result<bool> {
        let mut change = plugins.store.change()?;
        let Some(entry) = self.entry(&mut change.lock) else { return Ok(true) };
        let left = entry.trial.unwrap_or(1).saturating_sub(1);
        entry.trial = (left > 0).then_some(left);
        change.commit()?;
        Ok(left == 0)
    }

    async fn failed(&self, plugins: &Plugins, fault: &Fault) -> Result<bool> {
        let mut change = plugins.store.change()?;
        let Some(entry) = self.entry(&mut change.lock) else { return Ok(true) };
        let new = entry.active.as_ref().map(|pinned| pinned.version.to_string()).unwrap_or_default();
        let Some(old) = entry.roll_back().map(|pinned| pinned.version.to_string()) else { return Ok(true) };
        change.commit()?;
        let detail = json!({ "from": new, "to": old, "by": "trial", "fault": fault.to_string() });
        plugins.ledger.append("plugin-rolled-back", self.id.as_str(), detail).await?;
        plugins.events.note(format!(
            "`{}` {new} failed in its first calls ({}); {old} is back",
            self.id,
            fault.cause()
        ));
        Ok(true)
    }
}

/// The trust root lies beside the trust store.
fn root(trust: &Path) -> PathBuf {
    trust.with_file_name(crate::home_files::TRUST_ROOT)
}

/// Whom the operator trusts; with the key this build was signed with, for the ids of what is built in, unless the
/// operator revoked it.
fn trusted(path: &Path, embedded: &BuiltIn) -> Result<TrustStore> {
    let text = files::read_capped(path, TrustStore::MAX_BYTES as u64)?.unwrap_or_default();
    let text = String::from_utf8(text).with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    let mut store = TrustStore::from_toml(&text).with_context(|| format!("`{}` cannot be used", path.display()))?;
    if let Some(text) = files::read_capped(&root(path), TrustRoot::MAX_BYTES as u64)? {
        let text = String::from_utf8(text).with_context(|| format!("`{}` is not UTF-8", root(path).display()))?;
        let read = TrustRoot::from_json(&text);
        store = store.with_root(read.with_context(|| format!("`{}` cannot be used", root(path).display()))?);
    }
    let own = embedded.key()?;
    let id = own.id;
    match store.key(&id).map(|known| known.name.clone()) {
        // The operator trusts it for something else as well.
        Some(name) => own.components.into_iter().try_for_each(|ours| store.allow(&name, ours))?,
        None if store.is_revoked(Revoked::Key(id)) => {}
        None => store.add(own)?,
    }
    Ok(store)
}

/// Why something built in is not used: the operator revoked it, or the key that signed it.
fn revoked(trust: &TrustStore, checked: &Checked) -> Option<VerifyError> {
    let package = checked.package();
    let (id, digest) = (package.id().clone(), package.digest());
    match package.signer() {
        _ if trust.is_revoked(Revoked::Component(digest)) => Some(VerifyError::RevokedComponent(id, digest)),
        Signer::Key { id: key, .. } if trust.is_revoked(Revoked::Key(*key)) => Some(VerifyError::RevokedKey(id, *key)),
        _ => None,
    }
}

/// Reads the lock and verifies what it names. What is `verified` already, by who is trusted now, is not read again: an
/// update or the count of a trial rewrites the lock, and says nothing of other components.
fn read(
    store: &Store,
    trust: &std::path::Path,
    stamps: Stamps,
    (embedded, built_in): (&BuiltIn, &BTreeMap<ComponentId, Arc<Checked>>),
    verified: BTreeMap<Digest, Arc<Checked>>,
) -> Result<Installed> {
    let (lock, _) = store.read()?;
    let trust = trusted(trust, embedded)?;
    let (mut usable, mut broken) = (BTreeMap::new(), BTreeMap::new());
    for (id, checked) in built_in {
        match revoked(&trust, checked) {
            None => drop(usable.insert(id.clone(), checked.clone())),
            Some(why) => drop(broken.insert(id.clone(), why.to_string())),
        }
    }
    for (id, entry) in &lock.0 {
        let Some(active) = &entry.active else {
            if !entry.enabled {
                usable.remove(id);
                broken.insert(id.clone(), switched_off(id));
            }
            continue;
        };
        usable.remove(id);
        broken.remove(id);
        if !entry.enabled {
            broken.insert(id.clone(), switched_off(id));
            continue;
        }
        let kept = verified
            .get(&active.digest)
            .filter(|kept| kept.manifest().id() == id && *kept.manifest().version() == active.version);
        match kept.map_or_else(|| stored(store, &trust, id, active), |kept| Ok(kept.clone())) {
            Ok(checked) => {
                usable.insert(id.clone(), checked);
            }
            Err(error) => {
                broken.insert(id.clone(), error.to_string());
            }
        }
    }
    Ok(Installed { stamps, usable, broken, lock })
}

fn switched_off(id: &ComponentId) -> String {
    format!("it is switched off\nhint: `cara plugin enable {id}` switches it on")
}

/// An installed version, verified now: by who is trusted now, and not by who was when it was installed.
fn stored(store: &Store, trust: &TrustStore, id: &ComponentId, pinned: &Pinned) -> Result<Arc<Checked>> {
    let stored = store.get(&pinned.digest)?;
    let package = Package::read(stored.wasm)?;
    let verified = verify(package, &Bundle::from_json(&stored.bundle)?, trust, Some(&pinned.version))?;
    let checked = Checked::new(verified)?;
    if checked.manifest().id() != id {
        fail!(Refused, "`cara.lock` has it under `{id}`, it is `{}`", checked.manifest().id());
    }
    Ok(Arc::new(checked))
}
