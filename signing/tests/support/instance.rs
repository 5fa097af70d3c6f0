//! A Sigstore instance in small: authority, certificate log, transparency log.
//!
//! Written after the specifications, without this crate's code or Sigstore's, so
//! that the two cannot be wrong together.

#![allow(dead_code, clippy::unwrap_used)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_signing::{Package, TrustRoot, TrustStore, TrustedIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
    SigningKey as _,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Whom the certificates name when nothing else is said, and who vouched for them.
pub(crate) const AUTHOR: &str = "author@example.com";
pub(crate) const ISSUER: &str = "https://sign-in.example.com";

/// The identity of a release workflow, without its tag.
pub(crate) const WORKFLOW: &str = "https://forge.example/acme/hello/release.yml@refs/tags/";

/// 2025-06-01 00:00:00 UTC, from when a certificate is valid for ten minutes.
const NOT_BEFORE: i64 = 1_748_736_000;
const LIFETIME: u64 = 600;

/// The public half of a key somebody else has, ECDSA P-256.
pub(crate) struct PublicKey(Vec<u8>);

impl PublicKey {
    /// From its SubjectPublicKeyInfo, at whose end the point is.
    pub(crate) fn from_spki(der: &[u8]) -> Self {
        Self(der[der.len() - 65..].to_vec())
    }

    pub(crate) fn point(&self) -> &[u8] {
        &self.0
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

pub(crate) struct Instance {
    authority: KeyPair,
    certificate_log: KeyPair,
    log: KeyPair,
}

/// What is signed, as whom and when; a test changes what it is about.
pub(crate) struct Signing {
    pub(crate) identity: String,
    pub(crate) issuer: String,
    pub(crate) payload_type: String,
    pub(crate) payload: Vec<u8>,
    /// Seconds from the first one of the certificate.
    pub(crate) after: i64,
    /// The use the certificate is for is signing code.
    pub(crate) usage: ExtendedKeyUsagePurpose,
}

impl Signing {
    /// The author signs the statement about `package`, a minute after the certificate was made.
    pub(crate) fn of(package: &Package) -> Self {
        let by_key = cara_sdk_sign::sign(package, &crate::support::secret(crate::support::AUTHOR));
        Self {
            identity: AUTHOR.to_owned(),
            issuer: ISSUER.to_owned(),
            payload_type: cara_signing::PAYLOAD_TYPE.to_owned(),
            payload: crate::support::payload(&by_key),
            after: 60,
            usage: ExtendedKeyUsagePurpose::CodeSigning,
        }
    }
}

impl Instance {
    pub(crate) fn new() -> Self {
        let key = || KeyPair::generate().unwrap();
        Self { authority: key(), certificate_log: key(), log: key() }
    }

    /// Its `trusted_root.json`.
    pub(crate) fn root(&self) -> Value {
        let valid = json!({ "start": "2020-01-01T00:00:00Z" });
        let log = |key: &KeyPair| {
            json!([{
                "baseUrl": "https://log.example.com",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(key.subject_public_key_info()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": { "keyId": STANDARD.encode(sha256(&key.subject_public_key_info())) },
            }])
        };
        let certificate = authority().self_signed(&self.authority).unwrap();
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": log(&self.log),
            "certificateAuthorities": [{
                "subject": { "organization": "example.com", "commonName": "authority" },
                "uri": "https://authority.example.com",
                "certChain": { "certificates": [{ "rawBytes": STANDARD.encode(certificate.der()) }] },
                "validFor": valid,
            }],
            "ctlogs": log(&self.certificate_log),
            "timestampAuthorities": [],
        })
    }

    /// A store that trusts `identity` for `components`, and this instance.
    pub(crate) fn trust(&self, identity: &str, components: &[&str]) -> TrustStore {
        let mut store = TrustStore::empty().with_root(TrustRoot::from_json(&self.root().to_string()).unwrap());
        store.add_identity(trusted("author", identity, components)).unwrap();
        store
    }

    /// The bundle of the author's signature of `package`.
    pub(crate) fn bundle(&self, package: &Package) -> Value {
        self.sign(&Signing::of(package))
    }

    /// A bundle that is right in all that `signing` does not say.
    pub(crate) fn sign(&self, signing: &Signing) -> Value {
        let key = KeyPair::generate().unwrap();
        let certificate = self.certificate(&key, signing);
        let kind = &signing.payload_type;
        let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), signing.payload.len()).into_bytes();
        message.extend(&signing.payload);
        let signature = STANDARD.encode(key.sign(&message).unwrap());
        let envelope = json!({
            "payloadType": kind,
            "payload": STANDARD.encode(&signing.payload),
            "signatures": [{ "sig": signature }],
        });
        let entry = self.entry(&envelope, &signing.payload, &signature, &certificate, signing.after);
        json!({
            "mediaType": cara_signing::MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(&certificate) },
                "tlogEntries": [entry],
            },
            "dsseEnvelope": envelope,
        })
    }

    /// RFC 6962, section 3.2: the log signs the certificate as it is without the
    /// extension its signature is then put into.
    pub(crate) fn certificate(&self, key: &impl PublicKeyData, signing: &Signing) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.not_before = rcgen::date_time_ymd(2025, 6, 1);
        params.not_after = params.not_before + Duration::from_secs(LIFETIME);
        let name = signing.identity.as_str().try_into().unwrap();
        let uri = signing.identity.contains("://");
        params.subject_alt_names = vec![if uri { SanType::URI(name) } else { SanType::Rfc822Name(name) }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![signing.usage.clone()];
        let issuer = [&[0x0c, u8::try_from(signing.issuer.len()).unwrap()], signing.issuer.as_bytes()].concat();
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], issuer)];
        let by = Issuer::new(authority(), &self.authority);
        let before = params.signed_by(key, &by).unwrap();
        params.custom_extensions.push(self.listed(before.der()));
        params.signed_by(key, &by).unwrap().der().to_vec()
    }

    /// The extension with the certificate log's promise.
    fn listed(&self, certificate: &[u8]) -> CustomExtension {
        let body = inner(certificate);
        let time = u64::try_from(NOT_BEFORE).unwrap() * 1000;
        let mut signed = vec![0, 0];
        signed.extend(time.to_be_bytes());
        signed.extend([0, 1]);
        signed.extend(sha256(&self.authority.subject_public_key_info()));
        signed.extend(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
        signed.extend(body);
        signed.extend([0, 0]);
        let signature = self.certificate_log.sign(&signed).unwrap();
        let mut promise = vec![0];
        promise.extend(sha256(&self.certificate_log.subject_public_key_info()));
        promise.extend(time.to_be_bytes());
        promise.extend([0, 0, 4, 3, 0, u8::try_from(signature.len()).unwrap()]);
        promise.extend(signature);
        let length = u8::try_from(promise.len()).unwrap();
        let list = [&[0x04, length + 4, 0, length + 2, 0, length][..], &promise].concat();
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], list)
    }

    /// An entry of kind `dsse`, the second of two in the log.
    pub(crate) fn entry(
        &self,
        envelope: &Value,
        payload: &[u8],
        signature: &str,
        certificate: &[u8],
        after: i64,
    ) -> Value {
        self.entry_by(envelope, payload, signature, &pem(certificate), after)
    }

    /// The same for a signature whose key or certificate is PEM.
    pub(crate) fn entry_by(
        &self,
        envelope: &Value,
        payload: &[u8],
        signature: &str,
        verifier: &str,
        after: i64,
    ) -> Value {
        let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex::encode(sha256(bytes)) });
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": hash(envelope.to_string().as_bytes()),
                "payloadHash": hash(payload),
                "signatures": [{ "signature": signature, "verifier": STANDARD.encode(verifier) }],
            },
        })
        .to_string();
        let id = sha256(&self.log.subject_public_key_info());
        let time = NOT_BEFORE + after;
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":1}}"#,
            STANDARD.encode(&body),
            hex::encode(id)
        );
        let first = sha256(b"\0the entry before");
        let root = sha256(&[&[1][..], &first, &sha256(&[&[0], body.as_bytes()].concat())].concat());
        let head = format!("log.example.com - 1\n2\n{}\n", STANDARD.encode(root));
        let note = [&id[..4], &self.log.sign(head.as_bytes()).unwrap()].concat();
        json!({
            "logIndex": "1",
            "logId": { "keyId": STANDARD.encode(id) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" },
            "integratedTime": time.to_string(),
            "inclusionPromise": {
                "signedEntryTimestamp": STANDARD.encode(self.log.sign(promised.as_bytes()).unwrap()),
            },
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": STANDARD.encode(root),
                "treeSize": "2",
                "hashes": [STANDARD.encode(first)],
                "checkpoint": { "envelope": format!("{head}\n— log.example.com {}\n", STANDARD.encode(note)) },
            },
            "canonicalizedBody": STANDARD.encode(&body),
        })
    }
}

/// An entry in the form of the log's API: numbers are numbers, digests hexadecimal.
pub(crate) fn answered(entry: &Value) -> Value {
    let number = |value: &Value| json!(value.as_str().unwrap().parse::<i64>().unwrap());
    let hex = |value: &Value| json!(hex::encode(STANDARD.decode(value.as_str().unwrap()).unwrap()));
    let proof = &entry["inclusionProof"];
    json!({ "24296fb24b8ad77a": {
        "body": entry["canonicalizedBody"],
        "integratedTime": number(&entry["integratedTime"]),
        "logID": hex(&entry["logId"]["keyId"]),
        "logIndex": number(&entry["logIndex"]),
        "verification": {
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"],
                "hashes": [hex(&proof["hashes"][0])],
                "logIndex": number(&proof["logIndex"]),
                "rootHash": hex(&proof["rootHash"]),
                "treeSize": number(&proof["treeSize"]),
            },
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        },
    } })
}

pub(crate) fn trusted(name: &str, identity: &str, components: &[&str]) -> TrustedIdentity {
    let components = components.iter().map(|pattern| pattern.parse().unwrap()).collect();
    let (identity, issuer) = (identity.parse().unwrap(), ISSUER.parse().unwrap());
    TrustedIdentity { name: name.to_owned(), identity, issuer, components, since: None }
}

/// The authority's certificate, but for its key.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// The first element of a DER sequence, with its header: of a certificate what is signed.
fn inner(der: &[u8]) -> &[u8] {
    let header = |der: &[u8]| match der[1] {
        length @ 0..=0x7f => (2, usize::from(length)),
        0x81 => (3, usize::from(der[2])),
        _ => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
    };
    let content = &der[header(der).0..];
    let (start, length) = header(content);
    &content[..start + length]
}

pub(crate) fn pem(certificate: &[u8]) -> String {
    let body = STANDARD.encode(certificate);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
