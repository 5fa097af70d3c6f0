//! What a file is, by its first bytes.
//!
//! The signatures are those of https://mimesniff.spec.whatwg.org, FLAC's of RFC 9639 section 8.1, M4A's brands of
//! https://mp4ra.org.

use cara_sdk::Error;

/// The most bytes of a file: what one message may hold.
pub(crate) const MOST: u64 = 8 << 20;

/// What a file can be looked at as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Audio,
}

/// Having a `File` tells you: it is an image or a recording by its first bytes, and small enough for a message.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) kind: Kind,
    pub(crate) media_type: &'static str,
    pub(crate) data: Vec<u8>,
}

impl File {
    /// Finds out what the bytes are.
    pub(crate) fn read(data: Vec<u8>) -> Result<Self, Error> {
        check_size(data.len() as u64)?;
        let (kind, media_type) = kind(&data).ok_or_else(|| {
            Error::bad_request(if data.is_empty() {
                "the file is empty"
            } else {
                "the file is no image (PNG, JPEG, GIF, WebP) and no recording (WAV, MP3, Ogg, FLAC, M4A)"
            })
        })?;
        Ok(Self { kind, media_type, data })
    }
}

/// Refuses a size that is too large, also one that is only announced.
pub(crate) fn check_size(bytes: u64) -> Result<(), Error> {
    match bytes {
        0..=MOST => Ok(()),
        _ => Err(Error::bad_request(format!("the file has {bytes} bytes, at most {MOST} can be looked at"))),
    }
}

fn kind(data: &[u8]) -> Option<(Kind, &'static str)> {
    // Containers say what they hold at byte 8.
    let holds = |container: &[u8], what: &[u8]| data.starts_with(container) && data.get(8..12) == Some(what);
    let brand = |brand: &[u8]| data.get(4..8) == Some(b"ftyp".as_slice()) && data.get(8..12) == Some(brand);
    // Two bytes of an MPEG frame: eleven bits of synchronisation, a version that exists, layer III.
    let frame = data.len() > 2 && data[0] == 0xff && data[1] & 0xe6 == 0xe2 && data[1] & 0x18 != 0x08;
    Some(match () {
        () if data.starts_with(b"\x89PNG\r\n\x1a\n") => (Kind::Image, "image/png"),
        () if data.starts_with(b"\xff\xd8\xff") => (Kind::Image, "image/jpeg"),
        () if data.starts_with(b"GIF87a") || data.starts_with(b"GIF89a") => (Kind::Image, "image/gif"),
        () if holds(b"RIFF", b"WEBP") => (Kind::Image, "image/webp"),
        () if holds(b"RIFF", b"WAVE") => (Kind::Audio, "audio/wav"),
        () if data.starts_with(b"ID3") || frame => (Kind::Audio, "audio/mpeg"),
        () if data.starts_with(b"OggS\0") => (Kind::Audio, "audio/ogg"),
        () if data.starts_with(b"fLaC") => (Kind::Audio, "audio/flac"),
        () if brand(b"M4A ") || brand(b"M4B ") => (Kind::Audio, "audio/mp4"),
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        for (start, media_type) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a\x01", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
            (b"ID3\x04\0", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"\xff\xe3\x90\x64", "audio/mpeg"),
            (b"OggS\0\x02", "audio/ogg"),
            (b"fLaC\0\0", "audio/flac"),
            (b"\0\0\0\x20ftypM4A \0\0", "audio/mp4"),
        ] {
            let file = File::read(start.to_vec()).unwrap();
            assert_eq!(file.media_type, media_type);
            assert_eq!(file.kind == Kind::Image, media_type.starts_with("image/"), "{media_type}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_whatever_it_is_called() {
        let others = [
            &b""[..],
            b"%PDF-1.7",
            b"<svg xmlns=",
            b"<html>",
            b"MZ\x90\0",
            b"PK\x03\x04",
            b"\xff\xfe<\0h\0",
            b"\xff\xf1\x50\x80",
            b"\xff\xeb\x90",
            b"\xff\xfb",
            b"RIFF\x10\0\0\0AVI ",
            b"RIFF",
            b"\0\0\0\x20ftypisom",
        ];
        for start in others {
            assert!(File::read(start.to_vec()).is_err(), "{start:?}");
        }
    }

    #[test]
    fn a_file_of_more_than_8_mib_is_refused() {
        let mut data = vec![0; 8 << 20];
        data[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
        assert!(File::read(data.clone()).is_ok());
        data.push(0);
        assert!(File::read(data).unwrap_err().message.contains("8388609 bytes"));
    }
}
