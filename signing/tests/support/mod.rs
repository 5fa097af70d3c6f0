//! What the tests share: fixed keys, small components, and an attacker's pen.

#![allow(dead_code, clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_sdk_sign::{SecretKey, embed};
use cara_signing::{Bundle, Package, Pattern, TrustStore, TrustedKey};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use wasm_encoder::{
    CodeSection, Component, ComponentSection as _, CustomSection, Function, FunctionSection, Module, ModuleSection,
    TypeSection, ValType,
};

/// The author's key seed, and another person's.
pub(crate) const AUTHOR: u8 = 1;
pub(crate) const STRANGER: u8 = 2;

/// A key from a fixed seed, through the PKCS#8 file form (RFC 8410).
pub(crate) fn secret(seed: u8) -> SecretKey {
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend([seed; 32]);
    let frame = "PRIVATE KEY-----";
    let body = STANDARD.encode(der);
    SecretKey::from_pem(&format!("-----BEGIN {frame}\n{body}\n-----END {frame}\n")).unwrap()
}

/// A component around a core module with one function that returns `constant`.
pub(crate) fn bare_component(constant: i32) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(&module(constant)));
    component.finish()
}

pub(crate) fn module(constant: i32) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().i32_const(constant).end();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

pub(crate) fn manifest_text(id: &str, version: &str) -> String {
    format!("id = \"{id}\"\nversion = \"{version}\"\nsummary = \"says hello\"\n")
}

/// The bytes of a package.
pub(crate) fn file(id: &str, version: &str) -> Vec<u8> {
    embed(&bare_component(7), &manifest_text(id, version)).unwrap()
}

pub(crate) fn package(id: &str, version: &str) -> Package {
    Package::read(file(id, version)).unwrap()
}

/// `component` with one more custom section, no questions asked.
pub(crate) fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let section = CustomSection { name: name.into(), data: data.into() };
    section.append_to_component(&mut component);
    component
}

/// A store that trusts the key of `seed` for `components`.
pub(crate) fn trust(seed: u8, components: &[&str]) -> TrustStore {
    let mut store = TrustStore::empty();
    let components: Vec<Pattern> = components.iter().map(|p| p.parse().unwrap()).collect();
    let key = TrustedKey::new(secret(seed).public(), &format!("key {seed}"), components);
    store.add(key).unwrap();
    store
}

/// The bundle as JSON to write on.
pub(crate) fn as_value(bundle: &Bundle) -> Value {
    serde_json::from_str(&bundle.to_json()).unwrap()
}

/// The bytes that were signed.
pub(crate) fn payload(bundle: &Bundle) -> Vec<u8> {
    let value = as_value(bundle);
    let payload = value["dsseEnvelope"]["payload"].as_str().unwrap();
    STANDARD.decode(payload).unwrap()
}

/// The statement inside a bundle.
pub(crate) fn statement(bundle: &Bundle) -> Value {
    serde_json::from_slice(&payload(bundle)).unwrap()
}

/// Any payload, rightly signed by the key of `seed`: what a trusted author could
/// sign by mistake or on purpose. Written without this crate's signing code.
pub(crate) fn signed(seed: u8, payload_type: &str, payload: &[u8]) -> Bundle {
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend(payload);
    let signature = SigningKey::from_bytes(&[seed; 32]).sign(&message);
    let key = secret(seed).public().id().to_hex();
    let bundle = json!({
        "mediaType": cara_signing::MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": key } },
        "dsseEnvelope": {
            "payloadType": payload_type,
            "payload": STANDARD.encode(payload),
            "signatures": [{ "sig": STANDARD.encode(signature.to_bytes()), "keyid": key }],
        },
    });
    Bundle::from_json(&bundle.to_string()).unwrap()
}

/// A rightly signed statement.
pub(crate) fn signed_statement(seed: u8, statement: &Value) -> Bundle {
    signed(seed, cara_signing::PAYLOAD_TYPE, statement.to_string().as_bytes())
}
