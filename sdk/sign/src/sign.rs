//! `sign`: the bundle of a package, made with a key.

use cara_signing::{Bundle, PAYLOAD_TYPE, PREDICATE_TYPE, Package};
use sigstore_types::bundle::{Bundle as Wire, MediaType, VerificationMaterial};
use sigstore_types::{
    DsseEnvelope, DsseSignature, KeyId, PublicKeyIdentifier, Sha256Hash, SignatureContent, Statement, Subject,
    VerificationMaterialContent,
};

use crate::key::SecretKey;

/// Signs `package`: its digest, manifest digest, id and version.
#[must_use]
pub fn sign(package: &Package, key: &SecretKey) -> Bundle {
    let payload = statement(package);
    let signature = key.sign(&sigstore_types::pae(PAYLOAD_TYPE, &payload));
    let id = key.public().id().to_hex();
    let signature = DsseSignature::new(signature.to_vec().into(), KeyId::new(id.clone()));
    let material = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(id));
    let json = json(VerificationMaterial::new(material), DsseEnvelope::new(PAYLOAD_TYPE, payload.into(), signature));
    Bundle::from_json(&json).expect("what is made here is read")
}

/// A bundle's file.
pub(crate) fn json(material: VerificationMaterial, envelope: DsseEnvelope) -> String {
    let wire = Wire::new(MediaType::Bundle0_3, material, SignatureContent::DsseEnvelope(envelope));
    wire.to_json().expect("a bundle of strings and bytes always has a JSON form")
}

/// The statement about `package`, as the JSON bytes to sign.
pub(crate) fn statement(package: &Package) -> Vec<u8> {
    // The keys stay in alphabetical order: serde_json's map sorts them or keeps the order, depending on features other
    // crates switch on; this way both agree.
    let predicate = serde_json::json!({
        "id": package.id(),
        "manifest": { "sha256": package.manifest_digest().to_hex() },
        "version": package.version(),
    });
    let hash = Sha256Hash::new(*package.digest().as_bytes());
    let subject = Subject::new(format!("{}.wasm", package.id()), hash.into());
    let statement = Statement::new(vec![subject], PREDICATE_TYPE, predicate);
    serde_json::to_vec(&statement).expect("a statement of strings always has a JSON form")
}
