//! `verify`: the one door from a package somebody made to a
//! `Verified<Package>`.

use std::fmt;
use std::ops::Deref;

use semver::Version;

use crate::bundle::{Bundle, Claim, PAYLOAD_TYPE};
use crate::certificate::{Certificate, CertificateError};
use crate::component_id::ComponentId;
use crate::display_safe::DisplaySafe;
use crate::key::KeyId;
use crate::package::Package;
use crate::pattern::Pattern;
use crate::refusal::VerifyError;
use crate::signer::Signer;
use crate::statement::{self, Claims};
use crate::trust::{Revoked, TrustStore};
use crate::trusted::{TrustedIdentity, TrustedKey};

/// Having a `Verified<Package>` tells you: when it was made, a key or an identity in
/// the trust store, not revoked and allowed to speak for this component, had signed
/// a file of this digest with this manifest, id and version; the file was not
/// revoked; and the version was not below the floor. Of an identity, its authority
/// and a public log had confirmed it at the time of signing, by the store's trust
/// root. The bytes have this digest when `Package::read` made the package; those of
/// `Package::built_in` are hashed by who compiles them.
///
/// `verify` is its only maker. It does not tell you that the code is good, nor that
/// the operator granted it anything.
///
/// ```compile_fail,E0451
/// # fn forge(package: cara_signing::Package, signer: cara_signing::Signer) {
/// let forged = cara_signing::Verified { inner: package, signer };
/// # }
/// ```
#[derive(Clone)]
pub struct Verified<T> {
    inner: T,
    signer: Signer,
}

impl<T> Verified<T> {
    /// The signer.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What the operator calls the signer.
    #[must_use]
    pub fn signer_name(&self) -> &str {
        self.signer.name()
    }
}

/// Reading only: there is no way to change what was verified.
impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({:?} by {})", self.inner, self.signer)
    }
}

/// Checks that `bundle` is a trusted signature of exactly this `package`.
///
/// `floor` is the highest version of this component seen so far: an older one is
/// refused, the same one is not. What the payload claims is not looked at before its
/// signature holds; a certificate counts for the time the log or a time stamp says.
///
/// # Errors
/// Each check that fails has its own variant of [`VerifyError`].
pub fn verify(
    package: Package,
    bundle: &Bundle,
    trust: &TrustStore,
    floor: Option<&Version>,
) -> Result<Verified<Package>, VerifyError> {
    let id = package.id();
    if trust.is_revoked(Revoked::Component(package.digest())) {
        return Err(VerifyError::RevokedComponent(id.clone(), package.digest()));
    }
    let signer = match bundle.claim() {
        Claim::Key { id: signer, signature } => {
            let key = trusted_key(id, *signer, trust)?;
            check_payload_type(id, bundle)?;
            if !key.public.made(signature, &bundle.signed_bytes()) {
                return Err(VerifyError::Signature(id.clone(), key.id));
            }
            Signer::Key { id: key.id, name: key.name.clone() }
        }
        Claim::Certificate(certificate) => {
            let trusted = trusted_identity(id, certificate, trust)?;
            check_payload_type(id, bundle)?;
            check_certificate(&package, bundle, certificate, trust)?;
            Signer::Identity {
                name: trusted.name.clone(),
                identity: certificate.subject.to_string(),
                issuer: trusted.issuer.clone(),
            }
        }
    };
    check_statement(&package, bundle)?;
    check_floor(&package, floor)?;
    Ok(Verified { signer, inner: package })
}

/// The key that is said to have signed, if it may speak for this component.
fn trusted_key<'a>(id: &ComponentId, signer: KeyId, trust: &'a TrustStore) -> Result<&'a TrustedKey, VerifyError> {
    if trust.is_revoked(Revoked::Key(signer)) {
        return Err(VerifyError::RevokedKey(id.clone(), signer));
    }
    if trust.keys().is_empty() {
        return Err(VerifyError::NobodyTrusted(id.clone(), signer));
    }
    let key = trust.key(&signer).ok_or_else(|| VerifyError::UnknownKey(id.clone(), signer))?;
    if !Pattern::any(&key.components, id) {
        return Err(VerifyError::NotAllowed { id: id.clone(), key: signer, name: key.name.clone() });
    }
    Ok(key)
}

/// The entry of the trust store for whom the certificate names, if they may speak
/// for this component. Several can fit; one alone has to fit in all.
fn trusted_identity<'a>(
    id: &ComponentId,
    certificate: &Certificate,
    trust: &'a TrustStore,
) -> Result<&'a TrustedIdentity, VerifyError> {
    let identity = || DisplaySafe::new(certificate.subject.as_str());
    let issuer = || DisplaySafe::new(&certificate.issuer);
    let named: Vec<_> =
        trust.identities().iter().filter(|trusted| trusted.identity.matches(&certificate.subject)).collect();
    let Some(first) = named.first() else {
        return Err(VerifyError::UnknownIdentity { id: id.clone(), identity: identity(), issuer: issuer() });
    };
    let mut vouched = named.iter().copied().filter(|trusted| trusted.issuer.as_str() == certificate.issuer).peekable();
    let Some(same) = vouched.peek().copied() else {
        let trusted = first.issuer.clone();
        return Err(VerifyError::OtherIssuer { id: id.clone(), identity: identity(), issuer: issuer(), trusted });
    };
    vouched.find(|trusted| Pattern::any(&trusted.components, id)).ok_or_else(|| VerifyError::IdentityNotAllowed {
        id: id.clone(),
        identity: identity(),
        name: same.name.clone(),
    })
}

fn check_payload_type(id: &ComponentId, bundle: &Bundle) -> Result<(), VerifyError> {
    if bundle.payload_type() == PAYLOAD_TYPE {
        return Ok(());
    }
    Err(VerifyError::PayloadType(id.clone(), DisplaySafe::new(bundle.payload_type())))
}

fn check_certificate(
    package: &Package,
    bundle: &Bundle,
    certificate: &Certificate,
    trust: &TrustStore,
) -> Result<(), VerifyError> {
    let id = package.id();
    let root = trust.root().ok_or_else(|| VerifyError::NoTrustRoot(id.clone()))?;
    let checked = root.check(&bundle.wire(), certificate, package.digest());
    // The signature held, so the statement may be read: it says what it is for.
    if checked == Err(CertificateError::OtherArtifact) {
        check_statement(package, bundle)?;
    }
    checked.map_err(|problem| VerifyError::Certificate(id.clone(), problem))
}

/// What was signed, once its signature held, against the package itself.
fn check_statement(package: &Package, bundle: &Bundle) -> Result<(), VerifyError> {
    let claims =
        Claims::read(bundle.payload()).map_err(|problem| VerifyError::Statement(package.id().clone(), problem))?;
    check_claims(package, &claims)
}

/// Every claim of the statement against the package itself.
fn check_claims(package: &Package, claims: &Claims) -> Result<(), VerifyError> {
    let id = package.id();
    if claims.id != id.as_str() {
        return Err(VerifyError::OtherId(id.clone(), DisplaySafe::new(&claims.id)));
    }
    if claims.file != statement::file_name(package) {
        return Err(VerifyError::OtherFile(id.clone(), DisplaySafe::new(&claims.file)));
    }
    if claims.version != *package.version() {
        return Err(VerifyError::OtherVersion {
            id: id.clone(),
            version: package.version().clone(),
            signed: claims.version.clone(),
        });
    }
    if claims.manifest != package.manifest_digest() {
        return Err(VerifyError::OtherManifest {
            id: id.clone(),
            digest: package.manifest_digest(),
            signed: claims.manifest,
        });
    }
    if claims.digest != package.digest() {
        return Err(VerifyError::OtherBytes { id: id.clone(), digest: package.digest(), signed: claims.digest });
    }
    Ok(())
}

/// Refuses a package that is older than the highest version seen so far.
///
/// `Version`'s order also compares build metadata, so `1.0.0+1` is older than
/// `1.0.0+2`. The precedence of semver.org would call them equal and let one
/// replace the other.
pub fn check_floor(package: &Package, floor: Option<&Version>) -> Result<(), VerifyError> {
    match floor {
        Some(floor) if package.version() < floor => Err(VerifyError::Older {
            id: package.id().clone(),
            version: package.version().clone(),
            floor: floor.clone(),
        }),
        _ => Ok(()),
    }
}
