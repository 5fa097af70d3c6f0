//! The secrets of one call: which placeholder stands for which value,
//! and where it may go.

use super::known::{KnownSecrets, Search};
use super::placeholder::PREFIX;
use crate::vault::SecretValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::manifest::Place;
use cara_authority::{Destination, Permit, Refusal, Rule};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Placeholders one call may hold.
const MOST: usize = 64;

/// The placeholders of one call. Cloning shares them; when the last clone is dropped they mean nothing any more.
#[derive(Clone)]
pub struct Spending(Arc<Inner>);

struct Inner {
    known: KnownSecrets,
    issued: Mutex<Vec<Issued>>,
}

/// One placeholder.
#[derive(Clone)]
pub(super) struct Issued {
    placeholder: String,
    permit: Permit,
    value: Arc<SecretValue>,
}

impl Spending {
    /// Begins a call that has no placeholder yet.
    pub fn new(known: KnownSecrets) -> Self {
        Self(Arc::new(Inner { known, issued: Mutex::default() }))
    }

    /// A placeholder for the value of that secret: random, of this call. Asking twice gives the same one.
    pub fn issue(&self, permit: impl Into<Permit>, value: Arc<SecretValue>) -> Result<String, Refusal> {
        self.0.known.register(&value);
        self.add(permit.into(), value)
    }

    /// A placeholder for base64("user:secret") (RFC 7617). A user with a colon or a control character is `invalid`.
    pub fn issue_basic(
        &self,
        user: &str,
        permit: impl Into<Permit>,
        value: Arc<SecretValue>,
    ) -> Result<String, Refusal> {
        let permit = permit.into();
        if user.contains(':') || user.chars().any(char::is_control) || user.len() > 256 {
            let text =
                format!("secret `{}`: the user has a colon, a control character or over 256 bytes", permit.name());
            return Err(Refusal::new(Rule::Invalid, text));
        }
        self.0.known.register(&value);
        let pair = Zeroizing::new([user.as_bytes(), b":", value.expose()].concat());
        let basic = SecretValue::new(STANDARD.encode(&*pair).into_bytes())
            .map_err(|_| Refusal::new(Rule::Invalid, format!("secret `{}` is too long for a header", permit.name())))?;
        let basic = Arc::new(basic);
        self.0.known.register_derived(&basic);
        self.add(permit, basic)
    }

    fn add(&self, permit: Permit, value: Arc<SecretValue>) -> Result<String, Refusal> {
        let mut issued = self.issued();
        if let Some(same) = issued.iter().find(|one| one.permit.name() == permit.name() && one.value == value) {
            return Ok(same.placeholder.clone());
        }
        if issued.len() == MOST {
            return Err(Refusal::new(Rule::Limit, format!("a call holds at most {MOST} placeholders")));
        }
        let placeholder = self.0.known.seal().placeholder();
        issued.push(Issued { placeholder: placeholder.clone(), permit, value });
        Ok(placeholder)
    }

    /// The value to put in the place of a placeholder, if it may stand there in a request to that destination.
    pub(super) fn spend(
        &self,
        placeholder: &[u8],
        destination: &Destination,
        place: Place,
    ) -> Result<Option<Spent>, Refusal> {
        let found = self.issued().iter().find(|one| one.placeholder.as_bytes() == placeholder).cloned();
        let Some(Issued { permit, value, .. }) = found else { return Ok(None) };
        permit.admits(destination, place)?;
        Ok(Some(Spent { name: permit.name(), value }))
    }

    /// Whether what follows the first byte of a decoded text is a placeholder of this call.
    pub(super) fn holds(&self, after_first: &[u8]) -> bool {
        self.issued().iter().any(|one| one.placeholder.as_bytes()[1..].starts_with(after_first))
    }

    /// How many placeholders of this call are in a text.
    pub(super) fn count(&self, text: &[u8]) -> usize {
        let text = String::from_utf8_lossy(text);
        if !text.contains(PREFIX) {
            return 0;
        }
        self.issued().iter().map(|one| text.matches(&one.placeholder).count()).sum()
    }

    /// Whether a body to that destination may come out longer or shorter than the component wrote it.
    pub(super) fn changes_body(&self, destination: &Destination) -> bool {
        self.issued().iter().any(|one| one.permit.admits(destination, Place::Body).is_ok())
    }

    /// Whether this process made a placeholder, in whatever call.
    pub(super) fn made(&self, placeholder: &[u8]) -> bool {
        self.0.known.seal().made(placeholder)
    }

    /// What the component sees where an answer has a value.
    pub(super) fn name(&self, value: &SecretValue) -> String {
        let issued = self.issued();
        issued.iter().find(|one| *one.value == *value).map_or_else(Search::hidden, |one| one.placeholder.clone())
    }

    fn issued(&self) -> std::sync::MutexGuard<'_, Vec<Issued>> {
        // A panic in here leaves the list whole: it is only pushed to.
        self.0.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value on its way into a request.
pub(super) struct Spent {
    /// The secret's name, for errors.
    pub(super) name: String,
    /// The value.
    pub(super) value: Arc<SecretValue>,
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spending({} placeholders)", self.issued().len())
    }
}
