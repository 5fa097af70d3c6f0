//! What kind of failure it is, and of which kind the error of a library is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// What kind of failure it is; a door turns it into its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request itself is wrong.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// A rule, a limit or the operator's setting forbids it.
    Refused,
    /// The state of things does not allow it now.
    Conflict,
    /// The vault waits for its password: `vault.unlock` takes it, then the same request can be made again.
    VaultLocked,
    /// There is no vault yet, and its password has to be chosen: `vault.make` takes it.
    VaultMissing,
    /// The password does not open the vault.
    WrongPassword,
    /// A model, a server or a component did not do its part.
    Unavailable,
    /// The caller stopped it.
    Cancelled,
    /// Whoever held the home ended before the answer, and nobody knows whether it was done.
    Unknown,
    /// A file, the ledger or the system failed.
    Internal,
}

/// A library's error, whose kind is looked for.
type Any<'a> = &'a (dyn Error + 'static);

/// What kind of failure a library's error is.
pub(crate) fn kind_of(error: Any<'_>) -> ErrorKind {
    let kinds = [of_words, of_home, of_records, of_packages, of_trust, of_components];
    kinds.iter().find_map(|kind| kind(error)).unwrap_or(ErrorKind::Internal)
}

/// The kind that an error of this type has.
fn of<E: Error + 'static>(error: Any<'_>, kind: impl FnOnce(&E) -> ErrorKind) -> Option<ErrorKind> {
    error.downcast_ref::<E>().map(kind)
}

/// Texts that are not what they should be: whoever asks wrote them, for what a home keeps is told by errors of its own.
fn of_words(error: Any<'_>) -> Option<ErrorKind> {
    use cara_authority as authority;
    let wrong = error.is::<authority::messaging::BadAddress>()
        || error.is::<authority::id::BadName>()
        || error.is::<authority::capability::BadCapability>()
        || error.is::<authority::pattern::BadPattern>()
        || error.is::<authority::origin::BadUrl>()
        || error.is::<authority::label::BadLabel>()
        || error.is::<authority::words::UnknownWord>()
        || error.is::<authority::policy::UnknownName>()
        || error.is::<authority::settings::BadSetting>()
        || error.is::<cara_assistant::model::BadModelName>()
        || error.is::<cara_packages::ReferenceError>()
        || error.is::<cara_signing::PatternError>()
        || error.is::<cara_signing::IdentityError>()
        || error.is::<cara_signing::DigestError>()
        || error.is::<cara_signing::KeyError>()
        || error.is::<cara_sdk_sign::EndpointError>()
        || error.is::<serde_json::Error>()
        || error.is::<toml::de::Error>();
    wrong.then_some(ErrorKind::Invalid)
}

/// What the home keeps.
fn of_home(error: Any<'_>) -> Option<ErrorKind> {
    use cara_services::ledger::LedgerError;
    use cara_services::vault::VaultError;
    let of_vault = |error: &VaultError| match error {
        VaultError::Locked { .. } => ErrorKind::VaultLocked,
        VaultError::NoPassword { .. } => ErrorKind::VaultMissing,
        VaultError::WrongPassword(_) => ErrorKind::WrongPassword,
        VaultError::Exists(_) => ErrorKind::Conflict,
        VaultError::File(_) | VaultError::Key(_) | VaultError::Kdf(_) | VaultError::Random(_) => ErrorKind::Internal,
        _ => ErrorKind::Refused,
    };
    let of_ledger = |error: &LedgerError| match error {
        LedgerError::NoSuch { .. } => ErrorKind::NotFound,
        LedgerError::Conflict { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Internal,
    };
    of(error, of_vault).or_else(|| of(error, of_ledger))
}

/// What is kept of persons, messages and runs.
fn of_records(error: Any<'_>) -> Option<ErrorKind> {
    use cara_records::{DecideError, EnqueueError, ForgetError, LinkError, MemoryError, NameError};
    let of_forgetting = |error: &ForgetError| match error {
        ForgetError::NoSuch(_) => ErrorKind::NotFound,
        ForgetError::Owner => ErrorKind::Refused,
        ForgetError::Busy { .. } => ErrorKind::Conflict,
        ForgetError::Ledger(error) => kind_of(error),
    };
    let of_memory = |error: &MemoryError| match error {
        MemoryError::Refused(_) => ErrorKind::Refused,
        MemoryError::Ledger(error) => kind_of(error),
    };
    let of_name = |error: &NameError| match error {
        NameError::Forgotten(_) => ErrorKind::Conflict,
        NameError::Ledger(error) => kind_of(error),
    };
    let of_link = |error: &LinkError| match error {
        LinkError::NoSuch(_) => ErrorKind::NotFound,
        LinkError::Taken { .. } => ErrorKind::Conflict,
        LinkError::Ledger(error) => kind_of(error),
    };
    let of_queue = |error: &EnqueueError| match error {
        EnqueueError::Full(_) => ErrorKind::Conflict,
        EnqueueError::Ledger(error) => kind_of(error),
    };
    of(error, of_forgetting)
        .or_else(|| of(error, of_memory))
        .or_else(|| of(error, of_name))
        .or_else(|| of(error, of_link))
        .or_else(|| of(error, of_queue))
        .or_else(|| of(error, |_: &DecideError| ErrorKind::Conflict))
}

/// Packages, and the servers they come from.
fn of_packages(error: Any<'_>) -> Option<ErrorKind> {
    use cara_packages::{ClientError, FetchError, IndexError, NotWasm, OciError};
    use cara_services::egress::EgressError;
    let of_egress = |error: &EgressError| match error {
        EgressError::Refused(refusal) => kind_of(refusal),
        _ => ErrorKind::Unavailable,
    };
    let of_client = |error: &ClientError| match error {
        ClientError::Refused(refusal) => kind_of(refusal),
        ClientError::Egress(error) => kind_of(error),
        ClientError::NotWasm { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    let of_registry = |error: &OciError| match error {
        OciError::Client(error) => kind_of(error),
        OciError::Pinned(_) | OciError::Interfaces(_) => ErrorKind::Invalid,
        OciError::Unsigned(_) => ErrorKind::Refused,
        _ => ErrorKind::Unavailable,
    };
    // The file is one that whoever asks names.
    let of_fetching = |error: &FetchError| match error {
        FetchError::Client(error) => kind_of(error),
        FetchError::Oci(error) => kind_of(error),
        FetchError::Missing(_) => ErrorKind::NotFound,
        FetchError::Unsigned { .. } | FetchError::Pinned { .. } => ErrorKind::Refused,
        _ => ErrorKind::Invalid,
    };
    let of_index = |error: &IndexError| match error {
        IndexError::Fetch(error) => kind_of(error),
        _ => ErrorKind::Invalid,
    };
    of(error, of_egress)
        .or_else(|| of(error, of_client))
        .or_else(|| of(error, of_registry))
        .or_else(|| of(error, of_fetching))
        .or_else(|| of(error, of_index))
        .or_else(|| of(error, |_: &NotWasm| ErrorKind::Invalid))
}

/// Signatures, and whose count.
fn of_trust(error: Any<'_>) -> Option<ErrorKind> {
    use cara_sdk_sign::{KeylessError, SecretKeyError};
    use cara_signing::{BundleError, PackageError, StatementError, TrustError, VerifyError};
    let of_store = |error: &TrustError| match error {
        TrustError::Name(_) | TrustError::Revoked(_) => ErrorKind::Invalid,
        TrustError::SameKey { .. } | TrustError::SameIdentity { .. } | TrustError::SameName(_) => ErrorKind::Conflict,
        TrustError::NotTrusted(_) => ErrorKind::NotFound,
        _ => ErrorKind::Internal,
    };
    let of_key = |error: &SecretKeyError| match error {
        SecretKeyError::Content => ErrorKind::Invalid,
        SecretKeyError::Random(_) => ErrorKind::Internal,
    };
    let of_keyless = |error: &KeylessError| match error {
        KeylessError::Token | KeylessError::Identity(_) | KeylessError::Issuer(_) => ErrorKind::Invalid,
        KeylessError::Random => ErrorKind::Internal,
        KeylessError::Trust(error) => kind_of(error),
        _ => ErrorKind::Unavailable,
    };
    of(error, of_store)
        .or_else(|| of(error, of_key))
        .or_else(|| of(error, of_keyless))
        .or_else(|| of(error, |_: &VerifyError| ErrorKind::Refused))
        .or_else(|| of(error, |_: &PackageError| ErrorKind::Invalid))
        .or_else(|| of(error, |_: &BundleError| ErrorKind::Invalid))
        .or_else(|| of(error, |_: &StatementError| ErrorKind::Invalid))
}

/// Components, and what they and their manifests say.
fn of_components(error: Any<'_>) -> Option<ErrorKind> {
    use cara_authority::interfaces::{Disagreement, InterfacesError};
    use cara_authority::manifest::ManifestError;
    use cara_authority::{Refusal, Rule};
    use cara_kernel::{Fault, LoadError};
    let of_refusal = |refusal: &Refusal| match refusal.rule() {
        Rule::Unavailable => ErrorKind::Unavailable,
        Rule::Invalid => ErrorKind::Invalid,
        Rule::Conflict => ErrorKind::Conflict,
        Rule::Cancelled => ErrorKind::Cancelled,
        Rule::Undeclared | Rule::Ungranted | Rule::Destination | Rule::Limit | Rule::Denied => ErrorKind::Refused,
    };
    let of_loading = |error: &LoadError| match error {
        LoadError::Altered(_) => ErrorKind::Internal,
        _ => ErrorKind::Invalid,
    };
    of(error, |_: &cara_assistant::Failure| ErrorKind::Unavailable)
        .or_else(|| of(error, |_: &Fault| ErrorKind::Unavailable))
        .or_else(|| of(error, of_refusal))
        .or_else(|| of(error, of_loading))
        .or_else(|| of(error, |_: &ManifestError| ErrorKind::Invalid))
        .or_else(|| of(error, |_: &InterfacesError| ErrorKind::Invalid))
        .or_else(|| of(error, |_: &Disagreement| ErrorKind::Invalid))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_library_says_what_kind_its_error_is() {
        let locked = cara_services::vault::VaultError::Locked { path: "v".into(), source: "nobody".into() };
        assert_eq!(kind_of(&locked), ErrorKind::VaultLocked);
        let none = cara_services::ledger::LedgerError::no_such("run", "r-1");
        assert_eq!(kind_of(&none), ErrorKind::NotFound);
        let through = cara_records::LinkError::Ledger(cara_services::ledger::LedgerError::no_such("person", "anna"));
        assert_eq!(kind_of(&through), ErrorKind::NotFound);
        assert_eq!(kind_of(&std::fmt::Error), ErrorKind::Internal);
    }

    #[test]
    fn what_whoever_asks_wrote_wrongly_is_no_failure_of_this_process() {
        let words: [Box<dyn Error>; 7] = [
            Box::new("".parse::<cara_assistant::ModelName>().unwrap_err()),
            Box::new("".parse::<cara_packages::Reference>().unwrap_err()),
            Box::new("".parse::<cara_signing::Pattern>().unwrap_err()),
            Box::new("".parse::<cara_signing::Identity>().unwrap_err()),
            Box::new("".parse::<cara_signing::PublicKey>().unwrap_err()),
            Box::new(cara_authority::Capability::parse("").unwrap_err()),
            Box::new(cara_signing::Revoked::try_from("x".to_owned()).unwrap_err()),
        ];
        for word in words {
            assert_eq!(kind_of(&*word), ErrorKind::Invalid, "{word}");
        }
        let missing = cara_packages::FetchError::Missing("weather.wasm".into());
        assert_eq!(kind_of(&missing), ErrorKind::NotFound);
        let status = http::StatusCode::BAD_GATEWAY;
        let answered = cara_packages::ClientError::Status { url: "https://example.com/".into(), status };
        assert_eq!(kind_of(&cara_packages::FetchError::Client(answered)), ErrorKind::Unavailable);
    }
}
