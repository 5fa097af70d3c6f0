//! Secrets in memory, and canaries: values that may be seen nowhere.

use cara_authority::{AccountId, Refusal, Rule, SecretGrant};
use cara_kernel::SecretSource;
use cara_services::vault::SecretValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A source of secrets that holds what a test put in.
#[derive(Default)]
pub struct Secrets(Mutex<BTreeMap<(String, String), Arc<SecretValue>>>);

impl Secrets {
    /// Stores a value, for a `name` of the form `secret@account` that of one account.
    ///
    /// # Panics
    /// When the value is empty or too long for a secret.
    pub fn set(&self, component: &str, name: &str, value: &str) {
        let value = Arc::new(SecretValue::new(value.as_bytes().to_vec()).unwrap());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((component.to_owned(), name.to_owned()), value);
    }
}

#[async_trait::async_trait]
impl SecretSource for Secrets {
    async fn value(&self, grant: &SecretGrant, account: Option<&AccountId>) -> Result<Arc<SecretValue>, Refusal> {
        let of = account.map(|account| format!("@{account}")).unwrap_or_default();
        let id = (grant.component()?.to_string(), format!("{}{of}", grant.name()));
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Refusal::new(Rule::Unavailable, format!("no value is stored for secret `{}/{}`", id.0, id.1));
        values.get(&id).cloned().ok_or_else(missing)
    }
}

/// A value that may be seen nowhere but on the wire, with the forms in which it could hide.
#[derive(Debug, Clone)]
pub struct Canary(String);

impl Canary {
    /// A canary that no other test has. It has no separators, so that it survives every encoding of a URL.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(format!("sk-canary-{name}-f0e1d2c3b4a5968778695a4b3c2d1e0f"))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.0
    }

    /// Where in a text it stands, as it is, in base64 (each alignment), in hex, percent-encoded or reversed.
    #[must_use]
    pub fn seen_in(&self, text: &str) -> Option<String> {
        let found = self.forms().into_iter().find_map(|form| text.find(&form).map(|at| (at, form)));
        found.map(|(at, form)| {
            let around =
                text.char_indices().map(|(at, _)| at).filter(|start| *start + 60 > at && *start < at + form.len() + 60);
            let (first, last) = around.fold((at, at), |(first, last), next| (first.min(next), last.max(next)));
            text[first..last].to_owned()
        })
    }

    /// The same bytes for a guest to look for: in hex, each XORed with 0x5a, so that the search finds no argument.
    #[must_use]
    pub fn masked(&self) -> Vec<String> {
        let mask = |form: String| form.bytes().map(|byte| format!("{:02x}", byte ^ 0x5a)).collect();
        self.forms().into_iter().map(mask).collect()
    }

    fn forms(&self) -> Vec<String> {
        let bytes = self.0.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let mut forms = vec![self.0.clone(), hex, percent, self.0.chars().rev().collect()];
        forms.extend(
            (0..3)
                .map(|before| base64(&[&vec![0; before][..], bytes].concat()))
                .map(|text| text[4..text.len() - 4].to_owned()),
        );
        forms
    }
}

/// Base64 without padding, written out here so that the test does not trust the code it tests.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}
