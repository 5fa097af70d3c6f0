//! A host in a temporary folder, with one kernel for the whole process.

use crate::guests::{package, signed};
use crate::network::{Dialed, Names};
use crate::secrets::Secrets;
use crate::subject::Subject;
use cara_authority::limits::LimitsTable;
use cara_authority::{Capability, Grants, Manifest};
use cara_kernel::{CallServices, Checked, CompiledCache, Component, HostServices, Kernel, LoadError, PoolSize};
use cara_services::clock::Clock;
use cara_services::egress::{Egress, KnownSecrets, Roots, Transport};
use cara_services::ledger::Ledger;
use cara_signing::{Bundle, Package, TrustStore, TrustedKey, Verified, verify};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A host with nothing in it yet.
pub struct Testbed {
    home: TempDir,
    /// The gates.
    pub services: CallServices,
    /// The secrets, in memory.
    pub secrets: Arc<Secrets>,
    /// What names resolve to.
    pub names: Names,
    /// Where connections went.
    pub dialed: Dialed,
    /// What runs its components.
    kernel: Kernel,
}

/// One kernel a process, as in the program.
fn kernel() -> Kernel {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    KERNEL.get_or_init(|| Kernel::new(PoolSize::default()).unwrap()).clone()
}

/// Compiled guests, kept from run to run. The key is no secret: whoever can write there can replace the tests.
fn cache() -> &'static CompiledCache {
    static CACHE: OnceLock<CompiledCache> = OnceLock::new();
    CACHE
        .get_or_init(|| CompiledCache::new(PathBuf::from(env!("CARA_TEST_CACHE")), b"the tests' key of thirty-two byt"))
}

impl Testbed {
    /// Makes one.
    ///
    /// # Panics
    /// When there is no temporary folder.
    pub async fn new() -> Self {
        let home = tempfile::Builder::new().prefix("cara-test-").tempdir().unwrap();
        let (names, dialed) = (Names::default(), Dialed::default());
        let secrets = Arc::new(Secrets::default());
        let clock = Clock::system();
        let ledger = Ledger::open(home.path().join("ledger.db"), clock, [7; 32].into()).await.unwrap();
        let (resolver, dial) = (Arc::new(names.clone()), Arc::new(dialed.clone()));
        let egress = Egress::new(KnownSecrets::new(), Transport { resolver, dial, roots: Roots::None });
        let services = CallServices {
            egress,
            secrets: secrets.clone(),
            ledger: Arc::new(ledger),
            clock,
            account: None,
            host_services: HostServices::default(),
        };
        Self { home, services, secrets, names, dialed, kernel: kernel() }
    }

    /// Runs its components in a kernel of its own, with so many places for calls.
    ///
    /// # Panics
    /// When the machine has no room for them.
    #[must_use]
    pub fn with_calls(self, calls: u32) -> Self {
        Self { kernel: Kernel::new(PoolSize::new(calls)).unwrap(), ..self }
    }

    /// The folder in which everything lies that it wrote.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A guest of `tests/guests`.
    pub fn guest(&self, id: &str) -> Wanted<'_> {
        self.package(package(id))
    }

    /// A package, signed by the tests' key.
    pub fn package(&self, package: Package) -> Wanted<'_> {
        self.verified(signed(package))
    }

    /// A component that comes with the program, as it was signed.
    ///
    /// # Panics
    /// When there is none of this id.
    pub fn first_party(&self, id: &str) -> Wanted<'_> {
        let built_in = cara_bundle::components().iter().find(|built_in| built_in.id == id);
        let built_in = built_in.unwrap_or_else(|| panic!("no component `{id}` comes with the program"));
        let key = cara_bundle::public_key().parse().unwrap();
        let mut trust = TrustStore::empty();
        trust.add(TrustedKey::new(key, "built-in", vec!["*".parse().unwrap()])).unwrap();
        let bundle = Bundle::from_json(built_in.bundle_json).unwrap();
        self.verified(verify(Package::read(built_in.wasm).unwrap(), &bundle, &trust, None).unwrap())
    }

    /// The ids of the components that come with the program and spend a secret, sorted.
    ///
    /// # Panics
    /// When a manifest cannot be read.
    #[must_use]
    pub fn first_party_with_secrets() -> Vec<String> {
        let manifest = |built_in: &cara_bundle::Embedded| {
            let package = Package::read(built_in.wasm).unwrap();
            Manifest::parse(package.manifest()).unwrap()
        };
        let with_secrets =
            cara_bundle::components().iter().map(manifest).filter(|manifest| !manifest.secrets().is_empty());
        let mut ids: Vec<String> = with_secrets.map(|manifest| manifest.id().to_string()).collect();
        ids.sort();
        ids
    }

    fn verified(&self, package: Verified<Package>) -> Wanted<'_> {
        let (settings, limits) = (BTreeMap::new(), LimitsTable::default());
        Wanted { testbed: self, package, settings, limits, withheld: Vec::new() }
    }

    /// The text of every file below the home, for a search.
    ///
    /// # Panics
    /// When one cannot be read.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut found, mut folders) = (Vec::new(), vec![self.home.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found
    }
}

/// A component to be loaded.
#[must_use]
pub struct Wanted<'a> {
    testbed: &'a Testbed,
    package: Verified<Package>,
    settings: BTreeMap<String, Value>,
    limits: LimitsTable,
    withheld: Vec<Capability>,
}

impl Wanted<'_> {
    /// Sets a setting.
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    /// Sets limits, as the operator would write them.
    ///
    /// # Panics
    /// When the text is no limits.
    pub fn limits(mut self, table: &str) -> Self {
        self.limits = toml::from_str(table).unwrap();
        self
    }

    /// Grants everything the manifest asks for but this.
    ///
    /// # Panics
    /// When the text is no capability.
    pub fn without(mut self, capability: &str) -> Self {
        self.withheld.push(Capability::parse(capability).unwrap());
        self
    }

    /// Checks and loads it.
    ///
    /// # Errors
    /// When it is refused.
    pub fn try_load(self) -> Result<Subject, LoadError> {
        let checked = Arc::new(Checked::new(self.package)?);
        let (manifest, interfaces) = (checked.manifest(), checked.interfaces());
        let settings = manifest.settings(&self.settings).unwrap();
        let mut granted = manifest.requested(&settings);
        granted.retain(|wish| !self.withheld.contains(wish));
        let grants = Arc::new(Grants::intersect(manifest, interfaces, &granted, settings, &self.limits));
        let kernel = &self.testbed.kernel;
        let loaded = kernel.load(checked.clone(), Some(cache()))?;
        let component = Component::new(kernel, loaded);
        Ok(Subject { component, grants, services: self.testbed.services.clone() })
    }

    /// Loads it.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    #[track_caller]
    pub fn load(self) -> Subject {
        self.try_load().unwrap_or_else(|error| panic!("{error}"))
    }
}
