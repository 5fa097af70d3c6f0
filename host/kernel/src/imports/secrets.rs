//! `secrets`: which are at hand,
//! and keys that sign and never leave the host.
//!
//! How a key signs is in the signed manifest, not in the call: a secret that is placed into requests signs nothing, and a
//! key for AWS signs nothing but AWS requests.

use super::{Answer, Call, CallState};
use crate::bindings::cara::plugin::secrets;
use cara_authority::manifest::{Algorithm, Chain, Key};
use cara_authority::{Destination, Refusal, Rule, SecretGrant};
use cara_services::egress::Credential;
use cara_services::vault::SecretValue;
use ring::{hmac, rand, rsa, signature};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::sync::Arc;
use zeroize::Zeroizing;

impl Call {
    async fn value(&self, grant: &SecretGrant) -> Result<Arc<SecretValue>, Refusal> {
        let value = self.services.secrets.value(grant, self.services.account.as_ref()).await?;
        self.services.egress.known().register(&value);
        Ok(value)
    }

    /// The secrets that may go along with a request to that destination.
    pub(crate) async fn credentials(&self, destination: &Destination) -> Result<Vec<Credential>, Refusal> {
        let mut credentials = Vec::new();
        for grant in self.grants.placed(destination)? {
            credentials.push(Credential { grant: grant.clone(), value: self.value(grant).await });
        }
        Ok(credentials)
    }

    async fn sign(&self, name: &str, data: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let (grant, key) = self.grants.key(name)?;
        let value = self.value(grant).await?;
        let signed = tokio::task::spawn_blocking(move || sign(key, value.expose(), &data)).await;
        signed
            .unwrap_or_else(|_| Err(Refusal::new(Rule::Unavailable, format!("secret `{}` cannot sign", grant.name()))))
    }
}

impl secrets::Host for CallState {
    async fn available(&mut self, name: String) -> Answer<()> {
        let call = &self.call;
        let found = async { call.value(call.grants.secret(&name)?).await }.await;
        Ok(self.answer(found.map(drop)))
    }

    async fn sign(&mut self, name: String, data: Vec<u8>) -> Answer<Vec<u8>> {
        let signed = self.call.sign(&name, data).await;
        Ok(self.answer(signed))
    }
}

fn sign(key: Key, secret: &[u8], data: &[u8]) -> Result<Vec<u8>, Refusal> {
    match (key.algorithm, key.chain) {
        (_, Some(Chain::AwsV4)) => aws_v4(secret, data).ok_or_else(|| {
            Refusal::new(Rule::Invalid, "the key signs strings of AWS Signature Version 4 only")
                .hint("sign `AWS4-HMAC-SHA256`, time, `DATE/REGION/SERVICE/aws4_request` and hash, a line each")
        }),
        (Algorithm::HmacSha256, None) => Ok(mac(secret, data)),
        (algorithm, None) => private_key(algorithm, secret, data).map_err(|()| {
            Refusal::new(Rule::Invalid, "the secret is not a PKCS #8 private key for this algorithm")
                .hint("store the PEM text that begins with `-----BEGIN PRIVATE KEY-----`")
        }),
    }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

/// The signature of a string to sign; `None` when it is none.
fn aws_v4(secret: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(data).ok()?;
    let [algorithm, time, scope, hash] = *text.split('\n').collect::<Vec<_>>().as_slice() else { return None };
    let [date, region, service, end] = *scope.split('/').collect::<Vec<_>>().as_slice() else { return None };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let clock = time.strip_prefix(date)?.strip_prefix('T')?.strip_suffix('Z')?;
    let whole = (algorithm, end) == ("AWS4-HMAC-SHA256", "aws4_request")
        && digits(date, 8)
        && digits(clock, 6)
        && name(region)
        && name(service)
        && hash.len() == 64
        && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let begin = Zeroizing::new([b"AWS4", secret].concat());
    let derived =
        [date, region, service, end].iter().fold(begin, |key, part| Zeroizing::new(mac(&key, part.as_bytes())));
    whole.then(|| mac(&derived, data))
}

fn private_key(algorithm: Algorithm, pem: &[u8], data: &[u8]) -> Result<Vec<u8>, ()> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(drop)?;
    let (der, random) = (der.secret_pkcs8_der(), rand::SystemRandom::new());
    match algorithm {
        Algorithm::HmacSha256 => Err(()),
        Algorithm::Rs256 => {
            let pair = rsa::KeyPair::from_pkcs8(der).map_err(drop)?;
            let mut made = vec![0; pair.public().modulus_len()];
            pair.sign(&signature::RSA_PKCS1_SHA256, &random, data, &mut made).map_err(drop)?;
            Ok(made)
        }
        Algorithm::Es256 => {
            let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = signature::EcdsaKeyPair::from_pkcs8(kind, der, &random).map_err(drop)?;
            pair.sign(&random, data).map(|made| made.as_ref().to_vec()).map_err(drop)
        }
        Algorithm::Ed25519 => {
            let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(drop)?;
            Ok(pair.sign(data).as_ref().to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// From AWS's "Create a signed request", with its example's key.
    const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const SCOPE: &str = "20150830/us-east-1/iam/aws4_request";
    const HASH: &str = "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";

    #[test]
    fn a_chain_signs_as_signature_version_4_does() {
        let text = format!("AWS4-HMAC-SHA256\n20150830T123600Z\n{SCOPE}\n{HASH}");
        let signed = aws_v4(SECRET, text.as_bytes()).unwrap();
        let hex: String = signed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    }

    #[test]
    fn a_chain_signs_nothing_else() {
        for other in [
            "anything".to_owned(),
            format!("AWS4-HMAC-SHA256\n20150830T123600Z\n{SCOPE}\n{HASH}\n"),
            format!("AWS4-HMAC-SHA1\n20150830T123600Z\n{SCOPE}\n{HASH}"),
            format!("AWS4-HMAC-SHA256\n20160830T123600Z\n{SCOPE}\n{HASH}"),
            format!("AWS4-HMAC-SHA256\n20150830T123600Z\n{SCOPE}/x\n{HASH}"),
            format!("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830//iam/aws4_request\n{HASH}"),
            format!("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/x\n{HASH}"),
            format!("AWS4-HMAC-SHA256\n20150830T123600Z\n{SCOPE}\nhello"),
        ] {
            assert_eq!(aws_v4(SECRET, other.as_bytes()), None, "{other}");
        }
    }
}
