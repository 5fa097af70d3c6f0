//! A secret's bytes, wiped when dropped and never printed; its owner and id.

use super::VaultError;
use cara_authority::id::{AccountId, ComponentId, SecretName};
use cara_signing::display_safe;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most bytes a secret has: 64 KiB.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// A secret's bytes: 1 byte to 64 KiB. No `Clone`, no `Display`; `Debug` shows nothing of it; equality takes the same time
/// wherever two values of one length differ. Share it as an `Arc`.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes over `bytes`, which are wiped also when refused: an empty value would be found everywhere.
    pub fn new(bytes: Vec<u8>) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(VaultError::EmptyValue),
            n if n > MAX_SECRET_BYTES => Err(VaultError::ValueTooLong { bytes: n, max: MAX_SECRET_BYTES }),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes themselves. Every use of this is a place where a secret leaves its type.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretValue {}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

/// Who an entry of the vault belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The host: keys that sign packages, and the key of the conversations where the operator sealed it.
    Host,
    /// A component: what its manifest declares.
    Component(ComponentId),
}

/// Whose entry and which: written `component/name` or `component/name@account`, in the file also `cara/name` for the host's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretId {
    /// Whose it is.
    pub owner: Owner,
    /// Its name in the component's manifest, or among the host's keys.
    pub name: SecretName,
    /// Of which account, where a component serves several.
    pub account: Option<AccountId>,
}

/// The host's id in the file. No component has it: see [`ComponentId::is_reserved`].
const HOST: &str = "cara";

impl SecretId {
    /// A component's secret.
    pub fn component(component: ComponentId, name: SecretName) -> Self {
        Self { owner: Owner::Component(component), name, account: None }
    }

    /// The secret of this name that belongs to the account.
    #[must_use]
    pub fn of(self, account: Option<AccountId>) -> Self {
        Self { account, ..self }
    }

    /// A key of the host's own.
    pub fn host(name: SecretName) -> Self {
        Self { owner: Owner::Host, name, account: None }
    }

    /// Reads `component/name` or `component/name@account` as an operator writes it; the host's own keys cannot be named.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let id = Self::stored(text)?;
        match &id.owner {
            Owner::Component(component) if !component.is_reserved() => Ok(id),
            _ => Err(VaultError::Reserved(display_safe(text))),
        }
    }

    /// Reads what `Display` writes, and what cara wrote for the host's keys before there was an owner.
    pub(super) fn stored(text: &str) -> Result<Self, VaultError> {
        let (owner, name) = text.split_once('/').ok_or_else(|| VaultError::NotAnId(display_safe(text)))?;
        let (name, account) = name.split_once('@').map_or((name, None), |(name, account)| (name, Some(account)));
        let account = account.map(AccountId::parse).transpose()?;
        Ok(match owner {
            // A key to sign with had names of its own.
            "cara-signing" if name == "ledger-content" => Self::host(SecretName::parse("ledger-content-signing")?),
            HOST | "cara-host" | "cara-signing" => Self::host(SecretName::parse(name)?),
            _ => Self::component(ComponentId::parse(owner)?, SecretName::parse(name)?).of(account),
        })
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Owner::Host => write!(f, "{HOST}/{}", self.name),
            Owner::Component(component) => write!(f, "{component}/{}", self.name),
        }?;
        self.account.as_ref().map_or(Ok(()), |account| write!(f, "@{account}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn debug_output_has_nothing_of_the_value() {
        let value = SecretValue::new(b"canary-value".to_vec()).unwrap();
        assert_eq!(format!("{value:?}{value:#?}"), "SecretValue(hidden)SecretValue(hidden)");
    }

    #[test]
    fn a_value_has_1_byte_to_64_kib() {
        assert!(matches!(SecretValue::new(Vec::new()), Err(VaultError::EmptyValue)));
        assert!(SecretValue::new(vec![0; MAX_SECRET_BYTES]).is_ok());
        assert!(matches!(SecretValue::new(vec![0; MAX_SECRET_BYTES + 1]), Err(VaultError::ValueTooLong { .. })));
    }

    #[test]
    fn equality_is_of_bytes_and_length() {
        let value = |text: &[u8]| SecretValue::new(text.to_vec()).unwrap();
        assert_eq!(value(b"ab"), value(b"ab"));
        assert_ne!(value(b"ab"), value(b"ac"));
        assert_ne!(value(b"ab"), value(b"abc"));
    }

    #[test]
    fn an_id_reads_back_as_it_is_written() {
        let id = SecretId::parse("openai/api-key").unwrap();
        assert_eq!((id.name.as_str(), id.to_string().as_str()), ("api-key", "openai/api-key"));
        let id = SecretId::parse("telegram/bot-token@work").unwrap();
        assert_eq!((id.name.as_str(), id.account.as_ref().unwrap().as_str()), ("bot-token", "work"));
        assert_eq!(id.to_string(), "telegram/bot-token@work");
        for bad in ["openai", "/", "a/", "/b", "a/b/c", "A/b", "../x", "a/b@", "a/b@c@d", "a@b/c"] {
            assert!(SecretId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_hosts_own_keys_cannot_be_named_by_an_operator() {
        let own = SecretId::host(SecretName::parse("ledger-content").unwrap());
        assert_eq!(SecretId::stored(&own.to_string()).unwrap(), own);
        for text in ["cara/ledger-content", "cara-host/ledger-content", "cara-signing/me"] {
            assert!(matches!(SecretId::parse(text), Err(VaultError::Reserved(_))), "{text}");
        }
        assert!(SecretId::parse("caramel/api-key").is_ok());
    }
}
