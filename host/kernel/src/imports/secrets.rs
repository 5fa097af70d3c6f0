//! `secrets`: placeholders that stand for values,
//! and keys that never leave the host.

use crate::bindings::cara::plugin::secrets::{self, Algorithm, HostKey};
use crate::bindings::types::Refusal as Wit;
use crate::call::{Call, CallState};
use cara_authority::{Refusal, Rule, SecretGrant};
use cara_services::vault::SecretValue;
use ring::{hmac, rand, rsa, signature};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::sync::Arc;
use wasmtime::component::Resource;
use zeroize::Zeroizing;

/// The longest prefix of a key, bytes: what a guest chooses to keep in the host is small.
const PREFIX: usize = 256;

/// A key inside the host: a secret's bytes, or what was derived from them.
pub struct Key {
    bytes: Zeroizing<Vec<u8>>,
}

impl Call {
    async fn spend(&self, name: &str) -> Result<(SecretGrant, Arc<SecretValue>), Refusal> {
        let grant = self.grants.secret(name)?.clone();
        let value = self.services.secrets.value(&grant).await?;
        self.services.known.register(&value);
        Ok((grant, value))
    }
}

impl CallState {
    fn key(&self, key: &Resource<Key>) -> wasmtime::Result<hmac::Key> {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &self.table.get(key)?.bytes))
    }

    fn keep(&mut self, bytes: Zeroizing<Vec<u8>>) -> wasmtime::Result<Resource<Key>> {
        Ok(self.table.push(Key { bytes })?)
    }
}

impl secrets::Host for CallState {
    async fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<String, Wit>> {
        let spent = self.call.spend(&name).await;
        let issued = spent.and_then(|(grant, value)| self.call.spending.issue(&grant, value));
        Ok(self.answer(issued))
    }

    async fn basic(&mut self, user: String, name: String) -> wasmtime::Result<Result<String, Wit>> {
        let spent = self.call.spend(&name).await;
        let issued = spent.and_then(|(grant, value)| self.call.spending.issue_basic(&user, &grant, value));
        Ok(self.answer(issued))
    }
}

impl HostKey for CallState {
    async fn open(&mut self, name: String, prefix: Option<String>) -> wasmtime::Result<Result<Resource<Key>, Wit>> {
        if prefix.as_ref().is_some_and(|prefix| prefix.len() > PREFIX) {
            let text = format!("the prefix of a key is over {PREFIX} bytes");
            return Ok(self.answer(Err(Refusal::new(Rule::Invalid, text))));
        }
        match self.call.spend(&name).await {
            Ok((_, value)) => {
                let prefix = prefix.unwrap_or_default();
                let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + value.expose().len()));
                bytes.extend_from_slice(prefix.as_bytes());
                bytes.extend_from_slice(value.expose());
                self.keep(bytes).map(Ok)
            }
            Err(refusal) => Ok(self.answer(Err(refusal))),
        }
    }

    async fn derive(&mut self, key: Resource<Key>, data: Vec<u8>) -> wasmtime::Result<Result<Resource<Key>, Wit>> {
        let derived = hmac::sign(&self.key(&key)?, &data);
        self.keep(Zeroizing::new(derived.as_ref().to_vec())).map(Ok)
    }

    async fn mac(&mut self, key: Resource<Key>, data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, Wit>> {
        Ok(Ok(hmac::sign(&self.key(&key)?, &data).as_ref().to_vec()))
    }

    async fn sign(
        &mut self,
        key: Resource<Key>,
        algorithm: Algorithm,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Wit>> {
        let pem = self.table.get(&key)?.bytes.clone();
        let signed = tokio::task::spawn_blocking(move || sign(&pem, algorithm, &data)).await?;
        let refusal = |()| {
            Refusal::new(Rule::Invalid, "the secret is not a PKCS #8 private key for this algorithm")
                .hint("store the PEM text that begins with `-----BEGIN PRIVATE KEY-----`")
        };
        Ok(self.answer(signed.map_err(refusal)))
    }

    async fn drop(&mut self, key: Resource<Key>) -> wasmtime::Result<()> {
        self.table.delete(key)?;
        Ok(())
    }
}

fn sign(pem: &[u8], algorithm: Algorithm, data: &[u8]) -> Result<Vec<u8>, ()> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(drop)?;
    let (der, random) = (der.secret_pkcs8_der(), rand::SystemRandom::new());
    match algorithm {
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
