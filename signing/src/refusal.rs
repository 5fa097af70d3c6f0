//! `VerifyError`: each reason a package is not trusted, and its cure.

use semver::Version;
use thiserror::Error;

use crate::bundle::PAYLOAD_TYPE;
use crate::certificate::CertificateError;
use crate::component_id::ComponentId;
use crate::digest::Digest;
use crate::display_safe::DisplaySafe;
use crate::identity::Issuer;
use crate::key::KeyId;
use crate::statement::StatementError;

/// Why a package is not trusted.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The trust store holds no key at all.
    #[error(
        "component `{0}` is signed by key `{1}`, and no key is trusted yet\n\
         hint: if you know its author, get the key from them and run `cara trust add NAME KEYFILE --may {0}`"
    )]
    NobodyTrusted(ComponentId, KeyId),
    /// The key is not in the trust store.
    #[error(
        "component `{0}` is signed by key `{1}`, which is not trusted\n\
         hint: if you know its author, get the key from them and run `cara trust add NAME KEYFILE --may {0}`"
    )]
    UnknownKey(ComponentId, KeyId),
    /// The key was revoked.
    #[error(
        "component `{0}` is signed by key `{1}`, which was revoked\n\
         hint: ask its author for a release signed with a new key"
    )]
    RevokedKey(ComponentId, KeyId),
    /// This file was revoked.
    #[error(
        "component `{0}` was revoked: `{1}`\n\
         hint: ask its author for another version"
    )]
    RevokedComponent(ComponentId, Digest),
    /// The key is trusted, but for other components.
    #[error(
        "key `{key}` (`{name}`) may not sign component `{id}`\n\
         hint: to allow it, run `cara trust add '{name}' KEYFILE --may {id}`"
    )]
    NotAllowed {
        /// The component.
        id: ComponentId,
        /// The key.
        key: KeyId,
        /// The key's name.
        name: String,
    },
    /// The identity is not in the trust store.
    #[error(
        "component `{id}` is signed by `{identity}` of issuer `{issuer}`, who is not trusted\n\
         hint: if you know its author, get both from them and run \
         `cara trust add NAME --identity ID --issuer URL --may {id}`"
    )]
    UnknownIdentity {
        /// The component.
        id: ComponentId,
        /// Whom the certificate names.
        identity: DisplaySafe,
        /// Who is said to have vouched for it.
        issuer: DisplaySafe,
    },
    /// The identity is trusted, but vouched for by another issuer.
    #[error(
        "component `{id}` is signed by `{identity}`, who signed in at `{issuer}` and not at `{trusted}`\n\
         hint: ask its author for a release signed after signing in at `{trusted}`"
    )]
    OtherIssuer {
        /// The component.
        id: ComponentId,
        /// Whom the certificate names.
        identity: DisplaySafe,
        /// Who is said to have vouched for it.
        issuer: DisplaySafe,
        /// The issuer that the trust store demands.
        trusted: Issuer,
    },
    /// The identity is trusted, but for other components.
    #[error(
        "identity `{identity}` (`{name}`) may not sign component `{id}`\n\
         hint: to allow it, run `cara trust add '{name}' --identity ID --issuer URL --may {id}` with its own again"
    )]
    IdentityNotAllowed {
        /// The component.
        id: ComponentId,
        /// Whom the certificate names.
        identity: DisplaySafe,
        /// The identity's name.
        name: String,
    },
    /// Nothing to check a certificate against.
    #[error(
        "component `{0}` is signed with a certificate, and there is no trust root to check it against\n\
         hint: run `cara trust root public-good`, or `cara trust root FILE` with the `trusted_root.json` of another instance"
    )]
    NoTrustRoot(ComponentId),
    /// The certificate, the log entry or the signature does not hold.
    #[error("the signature of component `{0}` cannot be trusted: {1}")]
    Certificate(ComponentId, CertificateError),
    /// The payload is not an in-toto statement.
    #[error(
        "the signature of component `{0}` is over `{1}`, it must be over `{PAYLOAD_TYPE}`\n\
         hint: its author has to sign the component again"
    )]
    PayloadType(ComponentId, DisplaySafe),
    /// The signature does not hold.
    #[error(
        "the signature of component `{0}` was not made by key `{1}`\n\
         hint: fetch component and signature file again; one of them was changed"
    )]
    Signature(ComponentId, KeyId),
    /// The key signed something else than a statement about a component.
    #[error(
        "what was signed for component `{0}` is not understood: {1}\n\
         hint: its author has to sign the component again"
    )]
    Statement(ComponentId, StatementError),
    /// The signature is for another component.
    #[error(
        "the signature beside component `{0}` is for `{1}`\n\
         hint: put each component's own signature file beside it"
    )]
    OtherId(ComponentId, DisplaySafe),
    /// The signature is for another file name.
    #[error(
        "the signature beside component `{0}` is for the file `{1}`, it must be for `{0}.wasm`\n\
         hint: its author has to sign the component again"
    )]
    OtherFile(ComponentId, DisplaySafe),
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
        /// The version of the package.
        version: Version,
        /// The highest version seen.
        floor: Version,
    },
}
