//! `TrustedKey` and `TrustedIdentity`: whom the operator trusts, and for what.
//!
//! Entries of a `TrustStore`, which checks them when they are put into it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, Issuer};
use crate::key::{KeyId, PublicKey};
use crate::pattern::Pattern;

/// A key the operator trusts, its name and the components it may sign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// The id of the key.
    pub id: KeyId,
    /// The key.
    pub public: PublicKey,
    /// What the operator calls its owner.
    pub name: String,
    /// The components it may sign; none of them means nothing.
    pub components: Vec<Pattern>,
    /// When the trust began; shown to people, never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl TrustedKey {
    /// Trust in `public` for `components`.
    #[must_use]
    pub fn new(public: PublicKey, name: &str, components: Vec<Pattern>) -> Self {
        Self { id: public.id(), public, name: name.to_owned(), components, since: None }
    }
}

/// An identity the operator trusts when this issuer vouched for it, its name and
/// the components it may sign. There is no key to revoke: the certificates live for
/// minutes, and who takes the entry away trusts none of them any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIdentity {
    /// What the operator calls them.
    pub name: String,
    /// Whom a certificate has to name.
    pub identity: Identity,
    /// Who has to have vouched for them.
    pub issuer: Issuer,
    /// The components they may sign; none of them means nothing.
    pub components: Vec<Pattern>,
    /// When the trust began; shown to people, never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
