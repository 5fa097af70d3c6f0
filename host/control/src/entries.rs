//! What is remembered of who is about to be let in: challenges of devices, and
//! how many passwords are looked at.

use crate::error::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Semaphore;

/// How long a device may take to answer, milliseconds.
const ANSWER_MS: u64 = 60_000;

/// How many passwords are looked at at once: each takes a processor for a while, and 19 MiB.
const PASSWORDS: usize = 2;

const TIME: usize = 8;
const RANDOM: usize = 16;

/// Bytes of a challenge: when it was made, what makes it a new one, and the MAC that says it was made here.
pub(crate) const CHALLENGE: usize = TIME + RANDOM + 32;

/// Who is about to be let in. A challenge that nobody answers takes no room.
pub(crate) struct Entries {
    pub(crate) passwords: Arc<Semaphore>,
    /// Held while a credential gets another secret, in memory and in the ledger.
    pub(crate) proving: tokio::sync::Mutex<()>,
    /// Under which challenges are made, while the process lives.
    key: OnceLock<[u8; 32]>,
    /// Challenges that were answered, and until when they could be once more.
    answered: Mutex<HashMap<[u8; CHALLENGE], u64>>,
}

impl Default for Entries {
    fn default() -> Self {
        let (proving, key, answered) = Default::default();
        Self { passwords: Arc::new(Semaphore::new(PASSWORDS)), proving, key, answered }
    }
}

impl Entries {
    fn mac(&self, device: &str, head: &[u8]) -> Result<Hmac<Sha256>> {
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let mut fresh = [0; 32];
                getrandom::fill(&mut fresh)?;
                self.key.get_or_init(|| fresh)
            }
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::from)?;
        mac.update(b"cara device challenge\n");
        mac.update(head);
        mac.update(device.as_bytes());
        Ok(mac)
    }

    /// A challenge for a device, whether or not there is one of that name.
    pub(crate) fn challenge(&self, device: &str, now_ms: u64) -> Result<[u8; CHALLENGE]> {
        let mut challenge = [0; CHALLENGE];
        challenge[..TIME].copy_from_slice(&now_ms.to_be_bytes());
        getrandom::fill(&mut challenge[TIME..TIME + RANDOM])?;
        let mac = self.mac(device, &challenge[..TIME + RANDOM])?.finalize().into_bytes();
        challenge[TIME + RANDOM..].copy_from_slice(&mac);
        Ok(challenge)
    }

    /// Whether a challenge was made here for this device a short while ago.
    pub(crate) fn is_open(&self, device: &str, challenge: &[u8; CHALLENGE], now_ms: u64) -> Result<bool> {
        let (head, mac) = challenge.split_at(TIME + RANDOM);
        let made_here = self.mac(device, head)?.verify_slice(mac).is_ok();
        let made_ms = head.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
        Ok(made_here && made_ms <= now_ms && now_ms < made_ms.saturating_add(ANSWER_MS))
    }

    /// Spends a challenge that was answered rightly: true once.
    pub(crate) fn spend(&self, challenge: &[u8; CHALLENGE], now_ms: u64) -> bool {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|_, until_ms| now_ms < *until_ms);
        answered.insert(*challenge, now_ms + ANSWER_MS).is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_challenge_is_for_one_device_for_a_minute_and_once() {
        let entries = Entries::default();
        let challenge = entries.challenge("c-phone", 1_000).unwrap();
        let open = |device: &str, challenge: &[u8; CHALLENGE], now| entries.is_open(device, challenge, now).unwrap();
        assert!(open("c-phone", &challenge, 1_000) && open("c-phone", &challenge, 60_999));
        assert!(!open("c-phone", &challenge, 61_000) && !open("c-phone", &challenge, 999));
        assert!(!open("c-other", &challenge, 1_000));
        for at in 0..CHALLENGE {
            let mut changed = challenge;
            changed[at] ^= 1;
            assert!(!open("c-phone", &changed, 1_000), "byte {at}");
        }
        assert!(!Entries::default().is_open("c-phone", &challenge, 1_000).unwrap(), "made by another process");
        assert!(entries.spend(&challenge, 1_000) && !entries.spend(&challenge, 1_001));
        // What could not be answered any more takes no room.
        assert!(entries.spend(&entries.challenge("c-phone", 99_000).unwrap(), 99_000));
        assert_eq!(entries.answered.lock().unwrap().len(), 1);
    }
}
