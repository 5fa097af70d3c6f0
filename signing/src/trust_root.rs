//! `TrustRoot`: the authorities and logs of one Sigstore instance.
//!
//! Read from the text of its `trusted_root.json`; neither network nor environment
//! has a say. The checks themselves are those of `sigstore-verify`. A certificate is
//! checked for the time of signing, which the bundle proves; the clock, which that
//! crate reads itself, can only refuse: an entry from the future, a key not yet in use.
//!
//! ```text
//! certificate ←─ certificate authority, certificate transparency log
//! signature  ←─ key in the certificate
//! log entry  ←─ transparency log: entry promised, included, for this signature
//! time       ←─ log entry or time stamp authority, within the certificate's
//! ```

use std::fmt;
use std::sync::Arc;

use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{Bundle as Wire, Sha256Hash};
use sigstore_verify::{IdentityMatcher, VerificationPolicy, Verifier};
use thiserror::Error;

use crate::certificate::{Certificate, CertificateError};
use crate::crypto;
use crate::digest::Digest;
use crate::display_safe::DisplaySafe;

/// What makes a certificate count: the keys of one Sigstore instance.
#[derive(Clone)]
pub struct TrustRoot {
    verifier: Arc<Verifier>,
    digest: Digest,
}

impl TrustRoot {
    /// The text of the root of Sigstore's public instance as `sigstore-trust-root` 0.15.1 carries it (released
    /// 2026-10-23, from the instance's TUF repository). It ages: keys the instance began to use later are not in it.
    pub const PUBLIC_GOOD: &str = SIGSTORE_PRODUCTION_TRUSTED_ROOT;

    /// Largest text form, in bytes (1 MiB).
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Reads a `trusted_root.json` as Sigstore's instances publish it.
    ///
    /// # Errors
    /// When the text is something else, a key or certificate in it is broken, or it
    /// lacks one of certificate authority, transparency log and certificate log.
    pub fn from_json(text: &str) -> Result<Self, TrustRootError> {
        if text.len() > Self::MAX_BYTES {
            return Err(TrustRootError::TooLarge(text.len()));
        }
        let broken = |told: String| TrustRootError::Broken(DisplaySafe::new(&told));
        let root = TrustedRoot::from_json(text).map_err(|error| broken(error.to_string()))?;
        let parts = [
            ("certificate authority", root.certificate_authorities.is_empty()),
            ("transparency log", root.tlogs.is_empty()),
            ("certificate transparency log", root.ctlogs.is_empty()),
        ];
        if let Some((part, _)) = parts.into_iter().find(|(_, lacks)| *lacks) {
            return Err(TrustRootError::Lacks(part));
        }
        crypto::install();
        let verifier = Verifier::new(&root).map_err(|error| broken(error.to_string()))?;
        Ok(Self { verifier: Arc::new(verifier), digest: Digest::of(text.as_bytes()) })
    }

    /// Checks that the one named in `certificate` made `bundle` for the file with
    /// this digest, and that it stands in the log.
    pub(crate) fn check(
        &self,
        bundle: &Wire,
        certificate: &Certificate,
        digest: Digest,
    ) -> Result<(), CertificateError> {
        let policy = VerificationPolicy::new(IdentityMatcher::from(&certificate.subject), &certificate.issuer);
        let checked = self.verifier.verify(Sha256Hash::new(*digest.as_bytes()), bundle, &policy);
        checked.map(drop).map_err(|found| certificate.refused(found))
    }
}

/// Two are equal when they were read from the same text.
impl PartialEq for TrustRoot {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for TrustRoot {}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoot({})", self.digest)
    }
}

/// Why a text is not a trust root.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TrustRootError {
    /// More bytes than `TrustRoot::MAX_BYTES`.
    #[error(
        "the trust root is {0} bytes, the most is {max}\n\
         hint: fetch the `trusted_root.json` of the Sigstore instance again",
        max = TrustRoot::MAX_BYTES
    )]
    TooLarge(usize),
    /// Not the JSON of a trust root, or with a broken key in it.
    #[error(
        "the trust root is not understood: {0}\n\
         hint: fetch the `trusted_root.json` of the Sigstore instance again; until then no certificate is trusted"
    )]
    Broken(DisplaySafe),
    /// A part every check needs is not there.
    #[error(
        "the trust root has no {0}\n\
         hint: use the `trusted_root.json` of a Sigstore instance that has one"
    )]
    Lacks(&'static str),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sigstore_verify::trust_root::SIGSTORE_STAGING_TRUSTED_ROOT;

    use super::*;
    use crate::bundle::{Bundle, Claim};

    /// What somebody signed on Sigstore's instances, and the digest of what it is for;
    /// from the test data of `sigstore-verify` 0.15.1 (Apache-2.0).
    fn published() -> [(TrustRoot, Bundle, Digest); 3] {
        let staging = || TrustRoot::from_json(SIGSTORE_STAGING_TRUSTED_ROOT).unwrap();
        let conda = "54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
        let a = "a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
        [
            (
                TrustRoot::from_json(TrustRoot::PUBLIC_GOOD).unwrap(),
                include_str!("../tests/vectors/sigstore/public-good.sigstore.json"),
                conda,
            ),
            (staging(), include_str!("../tests/vectors/sigstore/staging.sigstore.json"), conda),
            (staging(), include_str!("../tests/vectors/sigstore/staging-digest.sigstore.json"), a),
        ]
        .map(|(root, json, digest)| (root, Bundle::from_json(json).unwrap(), Digest::from_hex(digest).unwrap()))
    }

    fn check(root: &TrustRoot, bundle: &Bundle, digest: Digest) -> Result<(), CertificateError> {
        let Claim::Certificate(certificate) = bundle.claim() else { panic!("made with a certificate") };
        root.check(&bundle.wire(), certificate, digest)
    }

    #[test]
    fn what_sigstore_s_own_instances_signed_holds_for_that_file_only() {
        for (root, bundle, digest) in published() {
            assert_eq!(check(&root, &bundle, digest), Ok(()));
            assert_eq!(check(&root, &bundle, Digest::of(b"other")), Err(CertificateError::OtherArtifact));
        }
    }

    #[test]
    fn what_one_instance_signed_does_not_hold_for_another() {
        let published = published();
        let [(public_good, on_public_good, conda), (staging, on_staging, _), _] = &published;
        assert!(check(staging, on_public_good, *conda).is_err());
        assert!(check(public_good, on_staging, *conda).is_err());
    }
}
