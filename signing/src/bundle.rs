//! `Bundle`: the signature file, a Sigstore bundle around a DSSE envelope.
//!
//! Specifications: <https://docs.sigstore.dev/about/bundle/> and
//! <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sigstore_types::bundle::{Bundle as Wire, MediaType, VerificationMaterial};
use sigstore_types::{DsseEnvelope, SignatureContent, TransparencyLogEntry, VerificationMaterialContent};
use thiserror::Error;

use crate::certificate::Certificate;
use crate::display_safe::DisplaySafe;
use crate::key::KeyId;

/// The one media type read and written: Sigstore bundle, version 0.3.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The type of the signed payload: an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// One signature by one key or by one certificate, well formed but not yet checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Bundle {
    material: VerificationMaterial,
    envelope: DsseEnvelope,
    claim: Claim,
}

/// Who is said to have signed; a claim, not a proof.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Claim {
    /// The key with this id made this signature.
    Key { id: KeyId, signature: [u8; 64] },
    /// The one this certificate names signed, and the log has it.
    Certificate(Certificate),
}

impl Bundle {
    /// Largest bundle, in bytes of JSON (64 KiB).
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads a bundle: media type 0.3, one DSSE signature. Made with a key, that is 64
    /// bytes and the key named by its id; log entries are kept but not relied on.
    /// Made with a certificate, each log entry carries its proof of inclusion.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_json(json: &str) -> Result<Self, BundleError> {
        if json.len() > Self::MAX_BYTES {
            return Err(BundleError::TooLarge(json.len()));
        }
        let outline: Outline = serde_json::from_str(json).map_err(BundleError::json)?;
        outline.check()?;
        let wire = Wire::from_json(json).map_err(|error| match error {
            sigstore_types::Error::Json(error) => BundleError::json(error),
            error => BundleError::Json(DisplaySafe::new(&error.to_string())),
        })?;
        let SignatureContent::DsseEnvelope(envelope) = wire.content else {
            return Err(BundleError::NoEnvelope);
        };
        let claim = match &wire.verification_material.content {
            VerificationMaterialContent::PublicKey(key) => {
                let id = one_id(&key.hint, envelope.signature.keyid.as_str())?;
                let signature = envelope.signature.sig.as_bytes();
                let signature = signature.try_into().map_err(|_| BundleError::SignatureLength(signature.len()))?;
                Claim::Key { id, signature }
            }
            VerificationMaterialContent::Certificate(content) => {
                let certificate = Certificate::read(&content.raw_bytes).ok_or(BundleError::Certificate)?;
                check_log(&wire.verification_material)?;
                Claim::Certificate(certificate)
            }
            _ => return Err(BundleError::Material),
        };
        Ok(Self { material: wire.verification_material, envelope, claim })
    }

    /// The bundle as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.wire().to_json().expect("a bundle of strings and bytes always has a JSON form")
    }

    /// The bundle as the type Sigstore's crates check.
    pub(crate) fn wire(&self) -> Wire {
        let content = SignatureContent::DsseEnvelope(self.envelope.clone());
        Wire::new(MediaType::Bundle0_3, self.material.clone(), content)
    }

    /// Who says that they signed it, written as [`crate::Signer`] writes them; not proven.
    #[must_use]
    pub fn claimed_signer(&self) -> String {
        match &self.claim {
            Claim::Key { id, .. } => id.to_hex(),
            Claim::Certificate(certificate) => certificate.claimed(),
        }
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(crate) fn payload_type(&self) -> &str {
        &self.envelope.payload_type
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.envelope.payload.as_bytes()
    }

    /// The bytes the signature is over (DSSE "pre-authentication encoding").
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        self.envelope.pae()
    }
}

/// The key's id is written twice; a file where the two differ was tampered with.
fn one_id(hint: &str, keyid: &str) -> Result<KeyId, BundleError> {
    let read = |text: &str| text.parse().map_err(|_| BundleError::KeyId(DisplaySafe::new(text)));
    let (hint, keyid): (KeyId, KeyId) = (read(hint)?, read(keyid)?);
    if hint == keyid { Ok(hint) } else { Err(BundleError::TwoKeyIds { hint, keyid }) }
}

/// Every entry has to prove that the log has it: a promise alone is not enough,
/// and an entry without both would be carried along unchecked.
fn check_log(material: &VerificationMaterial) -> Result<(), BundleError> {
    let proven =
        |entry: &TransparencyLogEntry| entry.inclusion_proof.as_ref().is_some_and(|proof| !proof.checkpoint.is_empty());
    let entries = &material.tlog_entries;
    if !entries.is_empty() && entries.iter().all(proven) { Ok(()) } else { Err(BundleError::NoLogEntry) }
}

/// The parts of the JSON looked at before `sigstore-types` does: its one error
/// type cannot tell the refusals apart, and it reads more than version 0.3.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a Sigstore bundle")]
struct Outline {
    #[serde(default)]
    media_type: String,
    dsse_envelope: Option<OutlineEnvelope>,
    message_signature: Option<IgnoredAny>,
    #[serde(default)]
    verification_material: OutlineMaterial,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "verification material")]
struct OutlineMaterial {
    public_key: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
    #[serde(rename = "x509CertificateChain")]
    chain: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(expecting = "a DSSE envelope")]
struct OutlineEnvelope {
    payload: String,
    signatures: Vec<OutlineSignature>,
}

#[derive(Deserialize)]
#[serde(expecting = "a DSSE signature")]
struct OutlineSignature {
    sig: String,
}

impl Outline {
    fn check(&self) -> Result<(), BundleError> {
        if self.media_type != MEDIA_TYPE {
            return Err(BundleError::MediaType(DisplaySafe::new(&self.media_type)));
        }
        let Some(envelope) = self.dsse_envelope.as_ref().filter(|_| self.message_signature.is_none()) else {
            return Err(BundleError::NoEnvelope);
        };
        let [signature] = envelope.signatures.as_slice() else {
            return Err(BundleError::Signatures(envelope.signatures.len()));
        };
        // Version 0.3 has no chains; of two others, `sigstore-types` would take the first and drop the second.
        let material = &self.verification_material;
        if material.chain.is_some() || material.public_key.is_some() == material.certificate.is_some() {
            return Err(BundleError::Material);
        }
        one_spelling("payload", &envelope.payload)?;
        one_spelling("signature", &signature.sig)
    }
}

/// Refuses the other base64 spellings of the same bytes (URL-safe, no padding).
fn one_spelling(part: &'static str, text: &str) -> Result<(), BundleError> {
    // The standard engine wants the padding and zero bits after the last byte.
    let decoded = STANDARD.decode(text);
    decoded.map(drop).map_err(|_| BundleError::Base64(part))
}

/// Why a text is not a bundle we read.
#[derive(Debug, Error)]
pub enum BundleError {
    /// More bytes than `Bundle::MAX_BYTES`.
    #[error(
        "the signature file is {0} bytes, the most is {max}\n\
         hint: its author has to sign the component again",
        max = Bundle::MAX_BYTES
    )]
    TooLarge(usize),
    /// Not the JSON of a bundle.
    #[error(
        "the signature file is not a Sigstore bundle: {0}\n\
         hint: its author has to sign the component again"
    )]
    Json(DisplaySafe),
    /// Another media type than `MEDIA_TYPE`.
    #[error(
        "the signature file has the media type `{0}`, it must be `{MEDIA_TYPE}`\n\
         hint: its author has to sign the component again"
    )]
    MediaType(DisplaySafe),
    /// A plain signature instead of a DSSE envelope.
    #[error(
        "the signature file holds no DSSE envelope, so it says nothing about a manifest\n\
         hint: its author has to sign the component again"
    )]
    NoEnvelope,
    /// Not exactly one signature.
    #[error(
        "the signature file has {0} signatures, it must have one\n\
         hint: its author has to sign the component again"
    )]
    Signatures(usize),
    /// Neither one key nor one certificate.
    #[error(
        "the signature file has to name either one key or one certificate\n\
         hint: its author has to sign the component again"
    )]
    Material,
    /// A broken certificate, or one that names nobody.
    #[error(
        "the certificate in the signature file is broken, or names no e-mail address or URI and its issuer\n\
         hint: its author has to sign the component again, with a certificate of a Sigstore instance"
    )]
    Certificate,
    /// A certificate without proof that a transparency log has the signature.
    #[error(
        "the signature file has a certificate, but no proof that a transparency log has the signature\n\
         hint: its author has to sign the component again and upload the signature to the log"
    )]
    NoLogEntry,
    /// Not the standard base64 form.
    #[error(
        "the {0} in the signature file is not standard base64\n\
         hint: fetch the signature file again; it may be damaged"
    )]
    Base64(&'static str),
    /// Not a key id of ours.
    #[error(
        "the signature file names the key `{0}`, which is not a key id\n\
         hint: its author has to sign the component again"
    )]
    KeyId(DisplaySafe),
    /// Two places name two keys.
    #[error(
        "the signature file names two keys, `{hint}` and `{keyid}`\n\
         hint: fetch the signature file again; it was changed after signing"
    )]
    TwoKeyIds {
        /// The key named as verification material.
        hint: KeyId,
        /// The key named beside the signature.
        keyid: KeyId,
    },
    /// Not the length of an Ed25519 signature.
    #[error(
        "the signature is {0} bytes, an Ed25519 signature has 64\n\
         hint: fetch the signature file again; it may be damaged"
    )]
    SignatureLength(usize),
}

impl BundleError {
    /// The message only, escaped: it can repeat text of the file.
    fn json(error: serde_json::Error) -> Self {
        Self::Json(DisplaySafe::new(&error.to_string()))
    }
}
