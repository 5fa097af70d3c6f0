//! `verify`: the one door from a package somebody made to a
//! `Verified<Package>`.

use std::fmt;
use std::ops::Deref;

use semver::Version;
use thiserror::Error;

use crate::bundle::{Bundle, PAYLOAD_TYPE};
use crate::component_id::ComponentId;
use crate::digest::Digest;
use crate::foreign::Foreign;
use crate::key::KeyId;
use crate::package::Package;
use crate::statement::{self, Claims, StatementError};
use crate::trust::{Revoked, TrustStore, TrustedKey};

/// Having a `Verified<Package>` tells you: when it was made, a key in the trust
/// store, not revoked and allowed to speak for this component, had signed exactly
/// these bytes with this manifest, id and version; neither key nor file was
/// revoked; and the version was not below the floor.
///
/// `verify` is its only maker. It does not tell you that the code is good, nor that
/// the operator granted it anything.
///
/// ```compile_fail,E0451
/// # fn forge(package: cara_signing::Package, signer: cara_signing::KeyId) {
/// let forged = cara_signing::Verified { inner: package, signer, signer_name: String::new() };
/// # }
/// ```
#[derive(Clone)]
pub struct Verified<T> {
    inner: T,
    signer: KeyId,
    signer_name: String,
}

impl<T> Verified<T> {
    /// The key that signed it.
    #[must_use]
    pub fn signer(&self) -> KeyId {
        self.signer
    }

    /// What the operator calls the owner of that key.
    #[must_use]
    pub fn signer_name(&self) -> &str {
        &self.signer_name
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
/// refused, the same one is not. Nothing of the payload is read before its
/// signature holds.
///
/// # Errors
/// Each check that fails has its own variant of [`VerifyError`].
pub fn verify(
    package: Package,
    bundle: &Bundle,
    trust: &TrustStore,
    floor: Option<&Version>,
) -> Result<Verified<Package>, VerifyError> {
    let key = trusted_key(&package, bundle, trust)?;
    check_signature(&package, bundle, key)?;
    let claims = Claims::read(bundle.payload())
        .map_err(|problem| VerifyError::Statement { id: package.id().clone(), problem })?;
    check_claims(&package, &claims)?;
    check_floor(&package, floor)?;
    Ok(Verified { signer: key.id(), signer_name: key.name().to_owned(), inner: package })
}

/// The key that is said to have signed, if it may speak for this component.
fn trusted_key<'a>(package: &Package, bundle: &Bundle, trust: &'a TrustStore) -> Result<&'a TrustedKey, VerifyError> {
    let id = package.id();
    let signer = bundle.signer();
    if trust.is_revoked(Revoked::Component(package.digest())) {
        return Err(VerifyError::RevokedComponent { id: id.clone(), digest: package.digest() });
    }
    if trust.is_revoked(Revoked::Key(signer)) {
        return Err(VerifyError::RevokedKey { id: id.clone(), key: signer });
    }
    if trust.keys().is_empty() {
        return Err(VerifyError::NobodyTrusted { id: id.clone(), key: signer });
    }
    let key = trust.key(&signer).ok_or_else(|| VerifyError::UnknownKey { id: id.clone(), key: signer })?;
    if !key.may_sign(id) {
        return Err(VerifyError::NotAllowed { id: id.clone(), key: signer, name: key.name().to_owned() });
    }
    Ok(key)
}

fn check_signature(package: &Package, bundle: &Bundle, key: &TrustedKey) -> Result<(), VerifyError> {
    let id = package.id();
    if bundle.payload_type() != PAYLOAD_TYPE {
        let found = Foreign::new(bundle.payload_type());
        return Err(VerifyError::PayloadType { id: id.clone(), found });
    }
    if !key.public().made(bundle.signature(), &bundle.signed_bytes()) {
        return Err(VerifyError::Signature { id: id.clone(), key: key.id() });
    }
    Ok(())
}

/// Every claim of the statement against the package itself.
fn check_claims(package: &Package, claims: &Claims) -> Result<(), VerifyError> {
    let id = package.id();
    if claims.id != id.as_str() {
        let signed = Foreign::new(&claims.id);
        return Err(VerifyError::OtherId { id: id.clone(), signed });
    }
    if claims.file != statement::file_name(package) {
        let signed = Foreign::new(&claims.file);
        return Err(VerifyError::OtherFile { id: id.clone(), signed });
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

/// `Version`'s order also compares build metadata, so `1.0.0+1` is older than
/// `1.0.0+2`. The precedence of semver.org would call them equal and let one
/// replace the other.
fn check_floor(package: &Package, floor: Option<&Version>) -> Result<(), VerifyError> {
    match floor {
        Some(floor) if package.version() < floor => Err(VerifyError::Older {
            id: package.id().clone(),
            version: package.version().clone(),
            floor: floor.clone(),
        }),
        _ => Ok(()),
    }
}

/// Why a package is not trusted.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The trust store holds no key at all.
    #[error(
        "component `{id}` is signed by key `{key}`, and no key is trusted yet\n\
         hint: if you know its author, add the key to `trust.toml` in cara's home, with `{id}` in its `components`"
    )]
    NobodyTrusted {
        /// The component.
        id: ComponentId,
        /// The key it names.
        key: KeyId,
    },
    /// The key is not in the trust store.
    #[error(
        "component `{id}` is signed by key `{key}`, which is not trusted\n\
         hint: if you know its author, add the key to `trust.toml` in cara's home, with `{id}` in its `components`"
    )]
    UnknownKey {
        /// The component.
        id: ComponentId,
        /// The key it names.
        key: KeyId,
    },
    /// The key was revoked.
    #[error(
        "component `{id}` is signed by key `{key}`, which was revoked\n\
         hint: ask its author for a release signed with a new key"
    )]
    RevokedKey {
        /// The component.
        id: ComponentId,
        /// The key.
        key: KeyId,
    },
    /// This file was revoked.
    #[error(
        "component `{id}` was revoked: `{digest}`\n\
         hint: ask its author for another version"
    )]
    RevokedComponent {
        /// The component.
        id: ComponentId,
        /// The digest of the file.
        digest: Digest,
    },
    /// The key is trusted, but for other components.
    #[error(
        "key `{key}` (`{name}`) may not sign component `{id}`\n\
         hint: to allow it, add `{id}` to the `components` of key {key} in `trust.toml`"
    )]
    NotAllowed {
        /// The component.
        id: ComponentId,
        /// The key.
        key: KeyId,
        /// The key's name.
        name: String,
    },
    /// The payload is not an in-toto statement.
    #[error(
        "the signature of component `{id}` is over `{found}`, it must be over `{PAYLOAD_TYPE}`\n\
         hint: its author has to sign the component again"
    )]
    PayloadType {
        /// The component.
        id: ComponentId,
        /// The type it has.
        found: Foreign,
    },
    /// The signature does not hold.
    #[error(
        "the signature of component `{id}` was not made by key `{key}`\n\
         hint: fetch component and signature file again; one of them was changed"
    )]
    Signature {
        /// The component.
        id: ComponentId,
        /// The key it names.
        key: KeyId,
    },
    /// The key signed something else than a statement about a component.
    #[error(
        "what was signed for component `{id}` is not understood: {problem}\n\
         hint: its author has to sign the component again"
    )]
    Statement {
        /// The component.
        id: ComponentId,
        /// What is wrong with it.
        problem: StatementError,
    },
    /// The signature is for another component.
    #[error(
        "the signature beside component `{id}` is for `{signed}`\n\
         hint: put each component's own signature file beside it"
    )]
    OtherId {
        /// The component.
        id: ComponentId,
        /// The id that was signed.
        signed: Foreign,
    },
    /// The signature is for another file name.
    #[error(
        "the signature beside component `{id}` is for the file `{signed}`, it must be for `{id}.wasm`\n\
         hint: its author has to sign the component again"
    )]
    OtherFile {
        /// The component.
        id: ComponentId,
        /// The name that was signed.
        signed: Foreign,
    },
    /// The signature is for another version.
    #[error(
        "component `{id}` says it is version `{version}`, its signature is for `{signed}`\n\
         hint: fetch component and signature file of the same version"
    )]
    OtherVersion {
        /// The component.
        id: ComponentId,
        /// The version its manifest says.
        version: Version,
        /// The version that was signed.
        signed: Version,
    },
    /// The signature is for another manifest.
    #[error(
        "the manifest of component `{id}` is `{digest}`, signed was `{signed}`\n\
         hint: fetch the component again; its manifest was changed after signing"
    )]
    OtherManifest {
        /// The component.
        id: ComponentId,
        /// The digest of its manifest.
        digest: Digest,
        /// The digest that was signed.
        signed: Digest,
    },
    /// The signature is for other bytes.
    #[error(
        "component `{id}` is `{digest}`, signed was `{signed}`\n\
         hint: fetch the component again; it was changed after signing"
    )]
    OtherBytes {
        /// The component.
        id: ComponentId,
        /// The digest of the file.
        digest: Digest,
        /// The digest that was signed.
        signed: Digest,
    },
    /// An older version than one seen before.
    #[error(
        "component `{id}` is version `{version}`, but `{floor}` was here before\n\
         hint: ask its author for a version from `{floor}` on; old versions may have known holes"
    )]
    Older {
        /// The component.
        id: ComponentId,
        /// Its version.
        version: Version,
        /// The highest version seen.
        floor: Version,
    },
}
