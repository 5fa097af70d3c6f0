//! `TrustedKey` and `TrustedIdentity`: whom the operator trusts, and for what.

use jiff::Timestamp;

use crate::component_id::ComponentId;
use crate::foreign::{Foreign, is_shown};
use crate::identity::{Identity, Issuer};
use crate::key::{KeyId, PublicKey};
use crate::pattern::Pattern;
use crate::trust::TrustError;

/// Longest name of a signer, in characters.
const MAX_NAME: usize = 64;

/// A key the operator trusts, its name and the components it may sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedKey {
    id: KeyId,
    public: PublicKey,
    name: String,
    components: Vec<Pattern>,
    since: Option<Timestamp>,
}

impl TrustedKey {
    /// Trust in `public` for `components`; none of them means for nothing.
    ///
    /// # Errors
    /// When `name` is empty, longer than 64 characters or holds characters that
    /// cannot be shown.
    pub fn new(public: PublicKey, name: &str, components: Vec<Pattern>) -> Result<Self, TrustError> {
        check_name(name)?;
        Ok(Self { id: public.id(), public, name: name.to_owned(), components, since: None })
    }

    /// The same, with the moment the trust began; shown to people, never compared.
    #[must_use]
    pub fn with_since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What the operator calls its owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The components it may sign.
    #[must_use]
    pub fn components(&self) -> &[Pattern] {
        &self.components
    }

    /// When the trust began.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether the operator lets this key sign the component `id`.
    #[must_use]
    pub fn may_sign(&self, id: &ComponentId) -> bool {
        self.components.iter().any(|pattern| pattern.matches(id))
    }

    pub(crate) fn allow(&mut self, components: Pattern) {
        add(&mut self.components, components);
    }
}

/// An identity the operator trusts when this issuer vouched for it, its name and
/// the components it may sign. There is no key to revoke: the certificates live for
/// minutes, and who takes the entry away trusts none of them any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedIdentity {
    name: String,
    identity: Identity,
    issuer: Issuer,
    components: Vec<Pattern>,
    since: Option<Timestamp>,
}

impl TrustedIdentity {
    /// Trust in `identity` for `components`; none of them means for nothing.
    ///
    /// # Errors
    /// When `name` is empty, longer than 64 characters or holds characters that
    /// cannot be shown.
    pub fn new(name: &str, identity: Identity, issuer: Issuer, components: Vec<Pattern>) -> Result<Self, TrustError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), identity, issuer, components, since: None })
    }

    /// The same, with the moment the trust began; shown to people, never compared.
    #[must_use]
    pub fn with_since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    /// What the operator calls them.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom a certificate has to name.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who has to have vouched for them.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The components they may sign.
    #[must_use]
    pub fn components(&self) -> &[Pattern] {
        &self.components
    }

    /// When the trust began.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether the operator lets them sign the component `id`.
    #[must_use]
    pub fn may_sign(&self, id: &ComponentId) -> bool {
        self.components.iter().any(|pattern| pattern.matches(id))
    }

    pub(crate) fn allow(&mut self, components: Pattern) {
        add(&mut self.components, components);
    }
}

fn add(patterns: &mut Vec<Pattern>, more: Pattern) {
    if !patterns.contains(&more) {
        patterns.push(more);
    }
}

fn check_name(name: &str) -> Result<(), TrustError> {
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    if fits && name.trim() == name && name.chars().all(is_shown) {
        Ok(())
    } else {
        Err(TrustError::Name(Foreign::new(name)))
    }
}
