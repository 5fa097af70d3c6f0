//! `TrustStore`: whose signatures count, and for which components.
//!
//! Text in, text out: where it is stored is the caller's affair. Nothing is trusted
//! by default, and neither environment nor working folder has a say.
//!
//! ```toml
//! revoked = ["<64 hex digits of a key id>", "sha256:<digest of a component>"]
//!
//! [[key]]
//! id = "<64 hex digits>"            # must be the id of `public`
//! public = "<base64 of the SubjectPublicKeyInfo>"
//! name = "acme"
//! components = ["acme-*", "openai"] # one id, a prefix with `*`, or `*`
//! since = "2026-11-21T09:00:00Z"    # optional, for people
//!
//! [[identity]]                      # counts only with a trust root beside the store
//! name = "acme releases"
//! identity = "https://…/release.yml@refs/tags/*"
//! issuer = "https://…"              # who vouched for the identity
//! components = ["acme-*"]
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::display_safe::{DisplaySafe, is_shown};
use crate::identity::Identity;
use crate::key::KeyId;
use crate::pattern::Pattern;
use crate::trust_root::TrustRoot;
use crate::trusted::{TrustedIdentity, TrustedKey};

/// Longest name of a signer, in characters.
const MAX_NAME: usize = 64;

/// Something no longer trusted, whatever else the store says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Revoked {
    /// Every signature of this key.
    Key(KeyId),
    /// The component file with this digest.
    Component(Digest),
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => f.write_str(&id.to_hex()),
            Self::Component(digest) => write!(f, "{digest}"),
        }
    }
}

impl TryFrom<String> for Revoked {
    type Error = TrustError;

    fn try_from(text: String) -> Result<Self, TrustError> {
        let key = text.parse().map(Self::Key).ok();
        key.or_else(|| text.parse().map(Self::Component).ok())
            .ok_or_else(|| TrustError::Revoked(DisplaySafe::new(&text)))
    }
}

impl From<Revoked> for String {
    fn from(revoked: Revoked) -> Self {
        revoked.to_string()
    }
}

/// The keys and identities the operator trusts, and what was revoked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustStore {
    revoked: Vec<Revoked>,
    keys: Vec<TrustedKey>,
    identities: Vec<TrustedIdentity>,
    root: Option<TrustRoot>,
}

/// The text form, unchecked; a `TrustStore` is made from it by `from_toml` only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreText {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<Revoked>,
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    keys: Vec<TrustedKey>,
    #[serde(default, rename = "identity", skip_serializing_if = "Vec::is_empty")]
    identities: Vec<TrustedIdentity>,
}

impl TrustStore {
    /// Largest text form, in bytes (1 MiB).
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// A store that trusts nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the text form; an empty text trusts nobody.
    ///
    /// # Errors
    /// When the text is not TOML, has an unknown key, an id that is not its key's,
    /// or names or lists a key or an identity twice.
    pub fn from_toml(text: &str) -> Result<Self, TrustError> {
        if text.len() > Self::MAX_BYTES {
            return Err(TrustError::TooLarge(text.len()));
        }
        let read: StoreText = toml::from_str(text).map_err(|error| not_toml(text, &error))?;
        let mut store = Self { revoked: read.revoked, ..Self::empty() };
        read.keys.into_iter().try_for_each(|key| store.insert(key))?;
        read.identities.into_iter().try_for_each(|trusted| store.add_identity(trusted))?;
        Ok(store)
    }

    /// The text form; reading it gives this store again, without the trust root,
    /// which has a file of its own.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Self { revoked, keys, identities, .. } = self.clone();
        toml::to_string(&StoreText { revoked, keys, identities }).expect("strings always have a TOML form")
    }

    /// Starts to trust a key.
    ///
    /// # Errors
    /// When the key or its name is in the store already, the key was revoked, or the entry is not sound.
    pub fn add(&mut self, key: TrustedKey) -> Result<(), TrustError> {
        if self.is_revoked(Revoked::Key(key.id)) {
            return Err(TrustError::AddsRevoked { name: key.name, id: key.id });
        }
        self.insert(key)
    }

    /// Stops to trust the key or the identity with this name; false when nobody has it.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.keys.len() + self.identities.len();
        self.keys.retain(|key| key.name != name);
        self.identities.retain(|trusted| trusted.name != name);
        self.keys.len() + self.identities.len() < before
    }

    /// Lets the trusted key or identity with this name sign `components` as well.
    ///
    /// # Errors
    /// When nobody has the name.
    pub fn allow(&mut self, name: &str, components: Pattern) -> Result<(), TrustError> {
        let keys = self.keys.iter_mut().map(|key| (&key.name, &mut key.components));
        let identities = self.identities.iter_mut().map(|trusted| (&trusted.name, &mut trusted.components));
        let (_, may) = keys
            .chain(identities)
            .find(|(known, _)| *known == name)
            .ok_or(TrustError::NotTrusted(DisplaySafe::new(name)))?;
        if !may.contains(&components) {
            may.push(components);
        }
        Ok(())
    }

    /// Starts to trust an identity.
    ///
    /// # Errors
    /// When the identity with this issuer, or the name, is in the store already, or the name is none.
    pub fn add_identity(&mut self, trusted: TrustedIdentity) -> Result<(), TrustError> {
        let same = |old: &&TrustedIdentity| (&old.identity, &old.issuer) == (&trusted.identity, &trusted.issuer);
        if let Some(same) = self.identities.iter().find(same) {
            return Err(TrustError::SameIdentity { name: same.name.clone(), identity: same.identity.clone() });
        }
        self.check_name(&trusted.name)?;
        self.identities.push(trusted);
        Ok(())
    }

    /// The same store with the trust root that certificates are checked against;
    /// without one they are all refused.
    #[must_use]
    pub fn with_root(self, root: TrustRoot) -> Self {
        Self { root: Some(root), ..self }
    }

    /// Refuses a key or a component from now on. A revoked key stays listed.
    pub fn revoke(&mut self, what: Revoked) {
        if !self.is_revoked(what) {
            self.revoked.push(what);
        }
    }

    /// The keys, in the order they were added. Some may be revoked.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The identities, in the order they were added.
    #[must_use]
    pub fn identities(&self) -> &[TrustedIdentity] {
        &self.identities
    }

    /// What certificates are checked against.
    #[must_use]
    pub fn root(&self) -> Option<&TrustRoot> {
        self.root.as_ref()
    }

    /// What was revoked, in that order.
    #[must_use]
    pub fn revoked(&self) -> &[Revoked] {
        &self.revoked
    }

    /// Whether `what` was revoked.
    #[must_use]
    pub fn is_revoked(&self, what: Revoked) -> bool {
        self.revoked.contains(&what)
    }

    /// The key with this id. It may be revoked.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&TrustedKey> {
        self.keys.iter().find(|key| key.id == *id)
    }

    fn insert(&mut self, key: TrustedKey) -> Result<(), TrustError> {
        if key.id != key.public.id() {
            return Err(TrustError::WrongId { name: key.name, id: key.public.id() });
        }
        if let Some(same) = self.key(&key.id) {
            return Err(TrustError::SameKey { name: same.name.clone(), id: key.id });
        }
        self.check_name(&key.name)?;
        self.keys.push(key);
        Ok(())
    }

    /// A name can be read, and stands for one signer, so that who reads it knows which.
    fn check_name(&self, name: &str) -> Result<(), TrustError> {
        let fits = (1..=MAX_NAME).contains(&name.chars().count());
        if !fits || name.trim() != name || !name.chars().all(is_shown) {
            return Err(TrustError::Name(DisplaySafe::new(name)));
        }
        let keys = self.keys.iter().map(|key| &key.name);
        let taken = keys.chain(self.identities.iter().map(|trusted| &trusted.name)).any(|old| old == name);
        if taken { Err(TrustError::SameName(name.to_owned())) } else { Ok(()) }
    }
}

/// The first line of the message only: a value's own error brings its own hint.
fn not_toml(text: &str, error: &toml::de::Error) -> TrustError {
    let before = error.span().and_then(|span| text.get(..span.start));
    TrustError::Toml {
        line: before.map_or(0, |before| before.matches('\n').count() + 1),
        message: DisplaySafe::new(error.message().lines().next().unwrap_or_default()),
    }
}

/// Why a trust store could not be read or changed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TrustError {
    /// More bytes than `TrustStore::MAX_BYTES`.
    #[error(
        "the trust store is {0} bytes, the most is {max}\n\
         hint: remove keys you do not use",
        max = TrustStore::MAX_BYTES
    )]
    TooLarge(usize),
    /// Not the TOML of a trust store.
    #[error(
        "line {line} of the trust store is not understood: {message}\n\
         hint: correct that line; until then no component is trusted"
    )]
    Toml {
        /// Where, from 1; 0 when unknown.
        line: usize,
        /// What.
        message: DisplaySafe,
    },
    /// A name that is empty, too long or not visible.
    #[error(
        "`{0}` is not a name for a key or an identity\n\
         hint: use 1 to 64 visible characters, no space at either end"
    )]
    Name(DisplaySafe),
    /// The `id` beside a key is another key's.
    #[error(
        "the id of key `{name}` in the trust store does not belong to it\n\
         hint: if the key is right, its id is `{}`", id.to_hex()
    )]
    WrongId {
        /// The key's name.
        name: String,
        /// The id it really has.
        id: KeyId,
    },
    /// Neither a key id nor a digest.
    #[error(
        "`{0}` is neither a key id nor a digest, so it cannot be revoked\n\
         hint: write the id of a key, as `cara trust list` shows it, or the digest of a component, `sha256:…`"
    )]
    Revoked(DisplaySafe),
    /// A key is there already.
    #[error(
        "key `{id}` is trusted already, as `{name}`\n\
         hint: keep one entry; `cara trust add '{name}' KEYFILE --may ID` lets it sign more components"
    )]
    SameKey {
        /// The name it has.
        name: String,
        /// The key.
        id: KeyId,
    },
    /// No key and no identity has this name.
    #[error("no trusted key or identity is named `{0}`\nhint: `cara trust list` shows whom you trust")]
    NotTrusted(DisplaySafe),
    /// An identity is there already.
    #[error(
        "identity `{identity}` is trusted already, as `{name}`\n\
         hint: keep one entry; `cara trust add '{name}' --identity ID --issuer URL --may ID` lets it sign more components"
    )]
    SameIdentity {
        /// The name it has.
        name: String,
        /// The identity.
        identity: Identity,
    },
    /// A name is taken.
    #[error("another trusted key or identity is named `{0}`\nhint: choose another name")]
    SameName(String),
    /// A revoked key would be trusted.
    #[error(
        "key `{id}` (`{name}`) was revoked and cannot be trusted again\n\
         hint: ask its owner for a new key"
    )]
    AddsRevoked {
        /// The name it was to have.
        name: String,
        /// The key.
        id: KeyId,
    },
}
