//! Component files with another manifest.

/// The section that holds a manifest.
const SECTION: &[u8] = b"cara:manifest";

/// A built-in component as a file of its own, with its manifest changed: each pair is `what` and `with what`.
pub(crate) fn package(id: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let (_, mut manifest) = built_in(id);
    for (what, with) in changes {
        assert!(manifest.contains(what), "`{what}` is not in:\n{manifest}");
        manifest = manifest.replacen(what, with, 1);
    }
    with_manifest(id, &manifest)
}

/// A built-in component's code under a manifest of its own.
pub(crate) fn with_manifest(id: &str, manifest: &str) -> Vec<u8> {
    joined(&built_in(id).0, manifest)
}

/// The code and the manifest of a built-in component.
fn built_in(id: &str) -> (Vec<u8>, String) {
    parted(cara_bundle::components().iter().find(|embedded| embedded.id == id).unwrap().wasm)
}

/// A component without its manifest, and the manifest.
pub(crate) fn parted(bytes: &[u8]) -> (Vec<u8>, String) {
    let (mut code, mut manifest, mut at) = (bytes[..8].to_vec(), String::new(), 8);
    while at < bytes.len() {
        let (length, body) = number(bytes, at + 1);
        let end = body + length;
        let (name_length, name) = number(bytes, body);
        if bytes[at] == 0 && bytes[name..].starts_with(SECTION) && name_length == SECTION.len() {
            manifest = String::from_utf8(bytes[name + name_length..end].to_vec()).unwrap();
        } else {
            code.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    (code, manifest)
}

/// A component with this manifest.
pub(crate) fn joined(code: &[u8], manifest: &str) -> Vec<u8> {
    let mut body = written(SECTION.len());
    body.extend_from_slice(SECTION);
    body.extend_from_slice(manifest.as_bytes());
    [code, &[0], &written(body.len()), &body].concat()
}

/// An unsigned LEB128 number, and where it ends.
fn number(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[at];
        value |= usize::from(byte & 0x7f) << shift;
        (at, shift) = (at + 1, shift + 7);
        if byte & 0x80 == 0 {
            return (value, at);
        }
    }
}

fn written(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = value >= 0x80;
        bytes.push((value & 0x7f) as u8 | if more { 0x80 } else { 0 });
        value >>= 7;
        if !more {
            return bytes;
        }
    }
}
