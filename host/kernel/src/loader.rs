//! From a verified package to a component that can be called.

use crate::bindings::{channel, provider, tool};
use crate::cache::CompiledCache;
use crate::engine::{Kernel, slots_of};
use crate::imports::CallState;
use crate::pool::Share;
use cara_authority::interfaces::{Disagreement, InterfacesError};
use cara_authority::manifest::ManifestError;
use cara_authority::{Authority, ComponentId, Interfaces, Kind, Manifest};
use cara_signing::{Digest, Package, Verified, display_safe};
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre};

/// Why a verified package cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The imports or exports.
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    /// The id is one that the host keeps for itself.
    #[error("component `{0}` has a name that is cara's own\nhint: its author has to give it another id")]
    Reserved(ComponentId),
    /// Binary and manifest disagree.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The code is not valid, uses what is switched off, or needs more than the pool has.
    #[error("component `{id}` cannot be compiled: {reason}")]
    Compile {
        /// The component.
        id: String,
        /// What wasmtime says.
        reason: String,
    },
    /// What is built in is not what was signed.
    #[error(
        "component `{0}` has other bytes than those that were signed\nhint: install cara anew, from where you trust it"
    )]
    Altered(ComponentId),
    /// An import has another type than the one offered.
    #[error("component `{id}` does not fit this host: {reason}\nhint: build it against the contract this host speaks")]
    Link {
        /// The component.
        id: String,
        /// What wasmtime says.
        reason: String,
    },
}

/// Having a `Checked` tells you: the package was verified, it is a component this host can run, and its binary and its
/// manifest agree. Nothing was compiled yet.
pub struct Checked {
    package: Verified<Package>,
    manifest: Manifest,
    interfaces: Interfaces,
    authority: Authority,
}

impl Checked {
    /// Checks a verified package.
    pub fn new(package: Verified<Package>) -> Result<Self, LoadError> {
        let manifest = Manifest::parse(package.manifest())?;
        if manifest.id().is_reserved() {
            return Err(LoadError::Reserved(manifest.id().clone()));
        }
        let interfaces = Interfaces::read(package.bytes())?;
        interfaces.agree(&manifest)?;
        let authority = Authority::of(&manifest, &interfaces);
        Ok(Self { package, manifest, interfaces, authority })
    }

    /// The package.
    pub fn package(&self) -> &Verified<Package> {
        &self.package
    }

    /// The component's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The effects and powers of the component.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What its binary imports and exports.
    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }
}

/// Having a `Loaded` tells you: the component was checked, its code is compiled, and all its imports are linked.
pub struct Loaded {
    checked: Arc<Checked>,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) share: Arc<Share>,
    pub(crate) provider: Option<provider::GuestIndices>,
    pub(crate) tool: Option<tool::GuestIndices>,
    pub(crate) channel: Option<channel::GuestIndices>,
}

impl Loaded {
    /// What was loaded.
    pub fn checked(&self) -> &Arc<Checked> {
        &self.checked
    }
}

impl Kernel {
    /// Loads a component: from the cache where its code is there, else by compiling it. Blocks for as long as that
    /// takes (a few hundred milliseconds for 100 KB, many seconds for an interpreter).
    pub fn load(&self, checked: Arc<Checked>, cache: Option<&CompiledCache>) -> Result<Loaded, LoadError> {
        let id = || checked.manifest.id().to_string();
        let component = self.compiled(&checked, cache)?;
        let link = |error: wasmtime::Error| LoadError::Link { id: id(), reason: reason(&error) };
        let pre = self.shared.linker.instantiate_pre(&component).map_err(link)?;
        let is = |kind| checked.interfaces.kinds().contains(&kind);
        let provider = is(Kind::Provider).then(|| provider::GuestIndices::new(&pre)).transpose().map_err(link)?;
        let tool = is(Kind::Tool).then(|| tool::GuestIndices::new(&pre)).transpose().map_err(link)?;
        let channel = is(Kind::Channel).then(|| channel::GuestIndices::new(&pre)).transpose().map_err(link)?;
        let share = self.shared.pool.share(slots_of(&component));
        Ok(Loaded { pre, share, provider, tool, channel, checked })
    }

    /// Compiles a component into the cache, if its code is not there yet. Blocks.
    pub fn compile(&self, checked: &Checked, cache: &CompiledCache) -> Result<(), LoadError> {
        self.compiled(checked, Some(cache)).map(drop)
    }

    fn compiled(&self, checked: &Checked, cache: Option<&CompiledCache>) -> Result<Component, LoadError> {
        let (engine, digest) = (&self.shared.engine, checked.package.digest());
        if let Some(component) = cache.and_then(|cache| cache.load(engine, &digest)) {
            return Ok(component);
        }
        // Of what is built in, nobody has hashed the bytes before; code in the cache is of bytes that were hashed here.
        if Digest::of(checked.package.bytes()) != digest {
            return Err(LoadError::Altered(checked.manifest.id().clone()));
        }
        let compiled = Component::from_binary(engine, checked.package.bytes());
        let refuse = |error| LoadError::Compile { id: checked.manifest.id().to_string(), reason: reason(&error) };
        let component = compiled.map_err(refuse)?;
        if let Some(cache) = cache {
            cache.store(engine, &digest, &component);
        }
        Ok(component)
    }

    /// Whether code of the component is in the cache; loading still checks that it is authentic.
    pub fn is_compiled(&self, checked: &Checked, cache: &CompiledCache) -> bool {
        cache.holds(&self.shared.engine, &checked.package.digest())
    }
}

fn reason(error: &wasmtime::Error) -> String {
    display_safe(&format!("{error:#}").replace('\n', " "))
}
