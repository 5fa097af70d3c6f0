//! The components that are part of this program.

use super::BUILT_IN;
use crate::error::{Error, Result, error};
use cara_authority::ComponentId;
use cara_kernel::Checked;
use cara_signing::{Bundle, KeyId, Package, PublicKey, TrustStore, TrustedKey, verify};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A component inside the program.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    /// The component's id.
    pub id: &'static str,
    /// The component's file.
    pub wasm: &'static [u8],
    /// The manifest in that file.
    pub manifest: &'static str,
    /// The file's digest, taken when the program was built.
    pub digest: &'static str,
    /// The signature file.
    pub bundle: &'static str,
}

/// All of them, and the key of this build that signed them.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    components: Vec<Embedded>,
    key: PublicKey,
}

impl BuiltIn {
    /// These components, signed by the key of this PEM.
    pub fn new(components: Vec<Embedded>, key: &str) -> Result<Self> {
        Ok(Self { components, key: key.parse()? })
    }

    /// The key this build was signed with, trusted for what is built in.
    pub(super) fn key(&self) -> Result<TrustedKey> {
        let ids = self.components.iter().map(|built_in| built_in.id.parse());
        Ok(TrustedKey::new(self.key.clone(), BUILT_IN, ids.collect::<Result<Vec<_>, _>>()?))
    }

    /// Whether this is the key of the build.
    pub(super) fn is_own(&self, key: &KeyId) -> bool {
        self.key.id() == *key
    }

    /// The signature file of one of them.
    pub(super) fn bundle(&self, id: &ComponentId) -> Result<String> {
        let found = self.components.iter().find(|embedded| embedded.id == id.as_str());
        Ok(found.ok_or_else(|| error!(NotFound, "`{id}` is not built in"))?.bundle.to_owned())
    }

    /// Verifies them, on all cores; their files were read when the program was built. What the operator revoked is verified
    /// too, and told apart when it is used: a program that does not start could not say so.
    pub(super) fn verified(&self) -> Result<BTreeMap<ComponentId, Arc<Checked>>> {
        let mut trust = TrustStore::empty();
        trust.add(self.key()?)?;
        let (trust, all) = (&trust, &self.components);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut checked = Vec::new();
            while let Some(embedded) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                checked.push(embedded.verified(trust)?);
            }
            Ok::<_, Error>(checked)
        };
        let parts = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.min(all.len())).map(|_| scope.spawn(work)).collect();
            let own = work();
            let others = others.into_iter().map(|thread| thread.join().expect("a panic here is a bug"));
            std::iter::once(own).chain(others).collect::<Result<Vec<_>>>()
        })?;
        Ok(parts.into_iter().flatten().map(|checked| (checked.manifest().id().clone(), Arc::new(checked))).collect())
    }
}

impl Embedded {
    fn verified(&self, trust: &TrustStore) -> Result<Checked> {
        let package = Package::built_in(self.wasm, self.manifest, self.digest.parse()?)?;
        Ok(Checked::new(verify(package, &Bundle::from_json(self.bundle)?, trust, None)?)?)
    }
}
