//! A package that somebody offers: fetched, and looked at from every side
//! before anything of it is kept.

use crate::error::{Error, Result, error, fail};
use crate::event::{Events, Unit};
use crate::installed::{Plugins, TrustStamps};
use cara_authority::{Authority, ComponentId, Interfaces, Manifest, ToolName};
use cara_kernel::Checked;
use cara_packages::confusables::imitated;
use cara_packages::{Access, Deadlines, Reference, fetch};
use cara_services::egress::Egress;
use cara_signing::{Bundle, Package, TrustStore, Verified, VerifyError, check_floor, verify};
use semver::Version;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many packages that were reviewed are kept in memory.
const KEPT: usize = 4;

/// A package as it came, with what is known of it.
pub(crate) struct Candidate {
    /// The package. Reading it proved nothing.
    pub(crate) package: Package,
    /// The signature file that is used: the first that verifies, else the first.
    pub(crate) bundle: String,
    /// What verifying it with that file came to.
    pub(crate) verified: Result<Verified<Package>>,
    /// The files that said who is trusted when it was verified.
    pub(crate) trusted_at: TrustStamps,
    /// What was named, without the digest of what came.
    pub(crate) from: Reference,
    pub(crate) manifest: Manifest,
    pub(crate) interfaces: Interfaces,
    pub(crate) authority: Authority,
    /// How long fetching and verifying took.
    pub(crate) took: [Duration; 2],
}

impl Candidate {
    /// Fetches a package, through the gate, and reads it.
    pub(crate) async fn fetch(
        plugins: &Plugins,
        egress: &Egress,
        reference: &Reference,
        events: &Events,
    ) -> Result<Self> {
        let progress = follow(events, "fetching");
        let access = Access {
            egress,
            credentials: &cara_packages::Credentials::Anonymous,
            deadlines: Deadlines::FETCH,
            progress: &progress,
        };
        let fetched = fetch(reference, access).await?;
        let mut candidate = Self::verified(plugins, Package::read(fetched.wasm)?, fetched.bundles, reference.clone())?;
        candidate.took[0] = fetched.took;
        Ok(candidate)
    }

    /// A component that is installed, and was verified when that was read.
    pub(crate) fn installed(
        checked: &Checked,
        trusted_at: TrustStamps,
        bundle: String,
        from: Reference,
    ) -> Result<Self> {
        let verified = checked.package().clone();
        Self::read((Package::clone(&verified), bundle, Ok(verified)), trusted_at, from)
    }

    /// Verifies a package, with the first of its signature files that is good.
    pub(crate) fn verified(plugins: &Plugins, package: Package, bundles: Vec<String>, from: Reference) -> Result<Self> {
        let began = Instant::now();
        let trusted_at = plugins.trusted_at()?;
        let (bundle, verified) = best(&package, bundles, &plugins.trusted()?)?;
        let took = began.elapsed();
        let mut candidate = Self::read((package, bundle, verified), trusted_at, from)?;
        candidate.took[1] = took;
        Ok(candidate)
    }

    fn read(
        (package, bundle, verified): (Package, String, Result<Verified<Package>>),
        trusted_at: TrustStamps,
        from: Reference,
    ) -> Result<Self> {
        let manifest = Manifest::parse(package.manifest())?;
        let interfaces = Interfaces::read(package.bytes())?;
        let authority = Authority::of(&manifest, &interfaces);
        let took = [Duration::ZERO; 2];
        Ok(Self { package, bundle, verified, trusted_at, from, manifest, interfaces, authority, took })
    }

    /// Whether it is these bytes from this place.
    pub(crate) fn is(&self, from: &Reference, digest: &str) -> bool {
        self.from == *from && self.package.digest().to_string() == digest
    }

    /// The id of the component.
    pub(crate) fn id(&self) -> &ComponentId {
        self.manifest.id()
    }

    /// Checks what was verified: the way to something that may be loaded. It is verified once more only where others are
    /// trusted since.
    pub(crate) fn checked(&self, plugins: &Plugins, floor: Option<&Version>) -> Result<Checked> {
        let verified = match plugins.trusted_at()? == self.trusted_at {
            true => self.verified.clone(),
            false => verified(&self.package, &self.bundle, &plugins.trusted()?),
        }?;
        check_floor(&verified, floor).map_err(with_cure)?;
        Ok(Checked::new(verified)?)
    }

    /// Refuses a name that looks like that of something else.
    pub(crate) fn check_name(&self, plugins: &Plugins) -> Result<()> {
        let id = self.id();
        let installed = plugins.now()?;
        let names = installed.usable.keys().chain(installed.lock.0.keys()).map(ComponentId::as_str);
        if let Some(other) = imitated(id.as_str(), names) {
            fail!(
                Refused,
                "component `{id}` looks like `{other}`, which is installed, and is another one\n\
                 hint: if you want both, its author has to give it another id"
            );
        }
        Ok(())
    }

    /// The tools whose names those of other components have too: whose, and which.
    pub(crate) fn shared_tools(&self, plugins: &Plugins) -> Result<BTreeSet<(ComponentId, ToolName)>> {
        let installed = plugins.now()?;
        let others = plugins.manifests(&installed).filter(|other| other.id() != self.id());
        let own = |name: &ToolName| self.manifest.tools().iter().any(|tool| tool.name == *name);
        let both = others.flat_map(|other| {
            let theirs = other.tools().iter().filter(|tool| own(&tool.name));
            theirs.map(|tool| (other.id().clone(), tool.name.clone()))
        });
        Ok(both.collect())
    }
}

/// Packages that were reviewed and wait for a person's answer.
#[derive(Default)]
pub(crate) struct Reviewed(Mutex<VecDeque<Arc<Candidate>>>);

impl Reviewed {
    /// Keeps one, for a while.
    pub(crate) fn keep(&self, candidate: Candidate) -> Arc<Candidate> {
        let candidate = Arc::new(candidate);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|known| !known.is(&candidate.from, &candidate.package.digest().to_string()));
        kept.push_back(candidate.clone());
        if kept.len() > KEPT {
            kept.pop_front();
        }
        candidate
    }

    /// What was reviewed as coming from there: the same bytes from another place are another offer.
    pub(crate) fn get(&self, from: &Reference, digest: &str) -> Option<Arc<Candidate>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|known| known.is(from, digest)).cloned()
    }
}

fn verified(package: &Package, bundle: &str, trust: &TrustStore) -> Result<Verified<Package>> {
    verify(package.clone(), &Bundle::from_json(bundle)?, trust, None).map_err(with_cure)
}

/// The first signature file that verifies; when none does, the first and its error.
fn best(package: &Package, bundles: Vec<String>, trust: &TrustStore) -> Result<(String, Result<Verified<Package>>)> {
    let mut first = None;
    for bundle in bundles {
        let verified = verified(package, &bundle, trust);
        if verified.is_ok() {
            return Ok((bundle, verified));
        }
        first.get_or_insert((bundle, verified));
    }
    first.ok_or_else(|| {
        error!(Refused, "`{}` has no signature\nhint: its author has to sign it: `cara plugin sign`", package.id())
    })
}

/// The library knows the versions; the program knows the option.
pub(crate) fn with_cure(error: VerifyError) -> Error {
    let VerifyError::Older { id, .. } = &error else { return error.into() };
    let told = format!("`{id}` would be downgraded; `--allow-downgrade` does it anyway");
    Error::from(error).context(told)
}

/// Reads what was typed. A path becomes absolute: it is kept, and read again from another folder.
pub(crate) fn reference(text: &str) -> Result<Reference> {
    let reference = Reference::parse(text)?;
    let Reference::File(_) = &reference else { return Ok(reference) };
    let absolute = std::path::absolute(text)?;
    let absolute = absolute.to_str().ok_or_else(|| error!(Invalid, "`{}` is not UTF-8", absolute.display()))?;
    Ok(Reference::parse(absolute)?)
}

/// Tells how many bytes of something went over the network.
pub(crate) fn follow(events: &Events, what: &'static str) -> impl Fn(cara_packages::Progress) + Send + Sync {
    let events = events.clone();
    move |progress| events.progress(what, Unit::Bytes, progress.bytes, progress.of)
}
