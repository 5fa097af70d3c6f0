//! What bytes are, by how they begin: WebAssembly or something else.
//!
//! Nothing here is ever unpacked, so there are no paths to climb out of and nothing that grows: an archive is named in
//! the error and left.

/// How many bytes tell.
pub(crate) const ENOUGH: usize = 512;

/// What bytes are instead of WebAssembly; continues a sentence after "is".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}\nhint: give the `.wasm` file itself; archives are never unpacked")]
pub struct NotWasm(&'static str);

/// First bytes of what is often taken for a package, where they stand, and what it is.
const KNOWN: [(usize, &[u8], &str); 12] = [
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"PK\x07\x08", "a zip archive"),
    (0, b"\x1f\x8b", "compressed with gzip"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (0, b"\xfd7zXZ\0", "compressed with xz"),
    (0, b"BZh", "compressed with bzip2"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"<", "a web page"),
    (0, b"{", "JSON text"),
];

/// Passes what begins like WebAssembly; whether it is a whole component is seen when it is read.
pub(crate) fn judge(bytes: &[u8]) -> Result<(), NotWasm> {
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    let known = KNOWN.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    Err(NotWasm(known.map_or("not WebAssembly", |(.., what)| what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_webassembly_is_named() {
        assert_eq!(judge(b"\0asm\x0d\0\x01\0"), Ok(()));
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, what) in [
            (&b"PK\x03\x04rest"[..], "a zip archive"),
            (b"\x1f\x8b\x08", "compressed with gzip"),
            (&tar, "a tar archive"),
            (b"<!doctype html>", "a web page"),
            (b"", "not WebAssembly"),
            (b"\0as", "not WebAssembly"),
            (b"MZ", "not WebAssembly"),
        ] {
            assert_eq!(judge(bytes), Err(NotWasm(what)));
        }
    }
}
