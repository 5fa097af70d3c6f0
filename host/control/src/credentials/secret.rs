//! Secrets that are shown once: made of the system's random numbers, kept as
//! hashes.

use crate::error::Result;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What every token begins with.
pub(crate) const TOKEN: &str = "cara_";

/// How many characters a code has that a person types: 60 bits, of which whoever guesses tries ten in ten minutes.
const CODE: usize = 12;

/// 32 random bytes.
pub(crate) fn random() -> Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes)?;
    Ok(bytes)
}

/// 256 random bits as text, after a prefix by which a scanner of leaked secrets knows what it found.
pub(crate) fn text(prefix: &str) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(format!("{prefix}{}", hex::encode(*random()?))))
}

/// A code that a person types: three groups of four letters and digits of base 32.
pub(crate) fn code() -> Result<Zeroizing<String>> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bytes = random()?;
    let mut code = Zeroizing::new(String::with_capacity(CODE + 2));
    for (at, byte) in bytes.iter().take(CODE).enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(byte & 31)]));
    }
    Ok(code)
}

/// A code as it was typed, without what only groups it.
pub(crate) fn plain_code(typed: &str) -> Zeroizing<String> {
    let letters = typed.chars().filter(char::is_ascii_alphanumeric).take(CODE + 1);
    Zeroizing::new(letters.map(|letter| letter.to_ascii_lowercase()).collect())
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_a_code_is_read_however_it_is_typed() {
        let (one, two) = (text(TOKEN).unwrap(), text(TOKEN).unwrap());
        assert!(one != two && one.len() == TOKEN.len() + 64 && one.starts_with(TOKEN));
        let code = code().unwrap();
        assert_eq!(code.len(), 14);
        let plain = plain_code(&code);
        assert_eq!(plain.len(), CODE);
        for typed in [code.to_uppercase(), code.replace('-', " "), format!(" {} ", *code)] {
            assert_eq!(*plain_code(&typed), *plain, "{typed}");
        }
        assert_ne!(*plain_code(&format!("{}a", *code)), *plain);
    }
}
