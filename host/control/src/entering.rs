//! How somebody comes in who has no credential yet: with a password, a code,
//! or the key of a device. What each gives is a session or a device.
//!
//! Who asks too often is held up by the door; here is only said whether what was shown is right.

use crate::application::Application;
use crate::credentials::{End, Held, plain_code, sha256, shown, text};
use crate::entries::CHALLENGE;
use crate::error::{Result, error};
use crate::issuing::yielded;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cara_authority::CredentialId;
use cara_records::{CredentialKind, Proof};
use cara_signing::PublicKey;
use serde_json::json;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// After how long a session gets another secret, milliseconds.
const RENEWED_MS: u64 = 3_600_000;

/// How long the secret before counts beside it, for requests that are under way, milliseconds.
const GRACE_MS: u64 = 60_000;

/// Somebody who was let in.
pub struct Entered {
    /// What they have from now on.
    pub session: Arc<Held>,
    /// What shows it, told once.
    pub secret: Zeroizing<String>,
}

/// A device that wants to be known.
pub struct NewDevice<'a> {
    /// The code that lets it in.
    pub code: &'a str,
    /// What it calls itself.
    pub name: &'a str,
    /// Its public key: Ed25519, SubjectPublicKeyInfo in base64 or PEM.
    pub key: &'a str,
    /// Its signature over [`pairing_message`], base64.
    pub signature: &'a str,
}

/// What a device signs to show that it has the key with which it wants to be known, at the host that it thinks it talks to.
pub fn pairing_message(host: &str, code: &str) -> Vec<u8> {
    format!("cara-device-pair-1\n{host}\n{}", *plain_code(code)).into_bytes()
}

/// What a device signs to come in, at the host that it thinks it talks to.
pub fn session_message(host: &str, device: &str, challenge: &str) -> Vec<u8> {
    format!("cara-device-session-1\n{host}\n{device}\n{challenge}").into_bytes()
}

fn is_signed(key: &PublicKey, signature: &str, message: &[u8]) -> bool {
    let signature = STANDARD.decode(signature).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    signature.is_some_and(|signature| key.made(&signature, message))
}

/// What a password is known by.
pub(crate) async fn hashed(password: Zeroizing<String>) -> Result<Proof> {
    let hash =
        spawn_blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()));
    let failed = |error| error!(Internal, "the password cannot be hashed: {error}");
    Ok(Proof::Typed { phc: hash.await?.map_err(failed)? })
}

impl Application {
    /// Lets in whoever types the password of the page; nobody where it is another one, or none is set.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub async fn enter_by_password(&self, password: Zeroizing<String>, door: &str) -> Result<Option<Entered>> {
        let all = self.credentials().await?.all();
        let Some(held) = all.into_iter().find(|held| held.kind() == CredentialKind::Password) else { return Ok(None) };
        let Proof::Typed { phc } = held.proof().clone() else { return Ok(None) };
        let turn = self.entries.passwords.clone().acquire_owned().await?;
        let right = spawn_blocking(move || {
            // Whoever asked may be gone, and this goes on: so its turn is over when this is.
            let _turn = turn;
            let hash = PasswordHash::new(&phc).ok()?;
            Argon2::default().verify_password(password.as_bytes(), &hash).ok()
        });
        match right.await? {
            Some(()) => self.session_of(&held, door).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lets in whoever has a code that was not used yet; nobody else. A code lets in once.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub async fn enter_by_code(&self, code: &str, door: &str) -> Result<Option<Entered>> {
        match self.spend_code(code).await? {
            Some(code) => self.session_of(&code, door).await.map(Some),
            None => Ok(None),
        }
    }

    /// Takes a code out, so that nobody else has it.
    async fn spend_code(&self, code: &str) -> Result<Option<Arc<Held>>> {
        let credentials = self.credentials().await?;
        let shown = credentials.shown(CredentialKind::Code, plain_code(code).as_bytes(), self.now_ms());
        Ok(shown.and_then(|held| credentials.take(held.id(), End::Over).into_iter().next()))
    }

    /// Makes a device known that has a code and the key which it names; none where one of them is wrong.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub async fn pair(&self, device: &NewDevice<'_>, host: &str, door: &str) -> Result<Option<Arc<Held>>> {
        let Ok(key) = device.key.parse::<PublicKey>() else { return Ok(None) };
        // A wrong signature spends no code.
        if !is_signed(&key, device.signature, &pairing_message(host, device.code)) {
            return Ok(None);
        }
        let Some(code) = self.spend_code(device.code).await? else { return Ok(None) };
        let name: String = device.name.chars().filter(|letter| !letter.is_control()).take(100).collect();
        let name = if name.trim().is_empty() { code.name().to_owned() } else { name.trim().to_owned() };
        let proof = Proof::Signs { key: key.to_base64() };
        yielded(self, &code, (CredentialKind::Device, &name, proof), None, door).await.map(Some)
    }

    /// What a device is asked to sign; whether there is such a device is not told.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub fn challenge(&self, device: &str) -> Result<String> {
        Ok(STANDARD.encode(self.entries.challenge(device, self.now_ms())?))
    }

    /// Lets in a device that signed what it was asked to; nobody else. A challenge lets in once.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub async fn enter_by_device(
        &self,
        device: &str,
        [challenge, signature]: [&str; 2],
        host: &str,
        door: &str,
    ) -> Result<Option<Entered>> {
        let now_ms = self.now_ms();
        let bytes = STANDARD.decode(challenge).ok().and_then(|bytes| <[u8; CHALLENGE]>::try_from(bytes).ok());
        let Some(bytes) = bytes else { return Ok(None) };
        if !self.entries.is_open(device, &bytes, now_ms)? {
            return Ok(None);
        }
        let Ok(id) = CredentialId::parse(device) else { return Ok(None) };
        let Some(held) = self.credentials().await?.get(&id, now_ms) else { return Ok(None) };
        let Proof::Signs { key } = held.proof() else { return Ok(None) };
        let key: PublicKey = key.parse()?;
        let signed = is_signed(&key, signature, &session_message(host, device, challenge));
        if !signed || !self.entries.spend(&bytes, now_ms) {
            return Ok(None);
        }
        self.used(&held);
        self.session_of(&held, door).await.map(Some)
    }

    async fn session_of(&self, parent: &Arc<Held>, door: &str) -> Result<Entered> {
        let secret = text("")?;
        let proof = shown(&sha256(secret.as_bytes()));
        let lasts = u64::try_from(self.access_settings()?.session.0.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = Some(self.now_ms().saturating_add(lasts));
        let what = (CredentialKind::Session, parent.name(), proof);
        Ok(Entered { session: yielded(self, parent, what, expires_ms, door).await?, secret })
    }

    /// Gives a session another secret, where it is time; the one before counts for a minute more. `text` is what was shown.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub async fn renew(&self, session: &Arc<Held>, text_shown: &str) -> Result<Option<Zeroizing<String>>> {
        if !is_due(session, self.now_ms()) {
            return Ok(None);
        }
        // Of several requests at once one renews it.
        let _alone = self.entries.proving.lock().await;
        let (credentials, now_ms) = (self.credentials().await?, self.now_ms());
        let current = credentials.get(session.id(), now_ms).filter(|held| is_due(held, now_ms));
        let Some(current) = current else { return Ok(None) };
        let Proof::Shown { sha256: before, .. } = current.proof() else { return Ok(None) };
        if *before != hex::encode(sha256(text_shown.as_bytes())) {
            return Ok(None);
        }
        let secret = text("")?;
        let before = Some((before.clone(), now_ms + GRACE_MS));
        let renewed = current.proved_by(Proof::Shown { sha256: hex::encode(sha256(secret.as_bytes())), before });
        let event = ("session-renewed", json!({ "person": renewed.person() }));
        let is_kept = self.records().await?.prove_credential(&renewed.kept(), &[], event).await?;
        Ok((is_kept && credentials.replace(&current, renewed)).then_some(secret))
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// The ledger cannot be used.
    pub async fn leave(&self, session: &Held, door: &str) -> Result<()> {
        let event = ("credential-revoked", json!({ "kind": session.kind(), "by": door }));
        self.take_back(session.id(), End::Over, Some(event)).await.map(drop)
    }
}

/// Whether a session has had its secret for long enough.
fn is_due(session: &Held, now_ms: u64) -> bool {
    let since = match session.proof() {
        Proof::Shown { before: Some((_, until_ms)), .. } => until_ms.saturating_sub(GRACE_MS),
        _ => session.added_ms(),
    };
    now_ms >= since.saturating_add(RENEWED_MS)
}
