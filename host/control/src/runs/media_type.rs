//! What kind of file an attachment is.

use super::{Attachment, LARGEST};
use crate::error::Result;
use crate::named_file;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::path::Path;

impl Attachment {
    /// A file as a person names it.
    ///
    /// # Errors
    ///
    /// There is no such file, or it is larger than an attachment may be.
    pub fn read(path: &Path) -> Result<Self> {
        let data = named_file::read(path, LARGEST as u64)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self::of(name, &data))
    }

    /// A file of this name with this content.
    pub fn of(name: String, data: &[u8]) -> Self {
        let media_type = media_type(data, Path::new(&name)).to_owned();
        Self { name, media_type, data: BASE64_STANDARD.encode(data) }
    }
}

/// What the bytes are, by their first ones; else by the name.
fn media_type(data: &[u8], path: &Path) -> &'static str {
    let magic: [(&[u8], &str); 7] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"ID3", "audio/mpeg"),
    ];
    if let Some((_, media_type)) = magic.iter().find(|(magic, _)| data.starts_with(magic)) {
        return media_type;
    }
    match (data.get(..4), data.get(8..12)) {
        (Some(b"RIFF"), Some(b"WEBP")) => return "image/webp",
        (Some(b"RIFF"), Some(b"WAVE")) => return "audio/wav",
        _ => {}
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        _ if std::str::from_utf8(data).is_ok() => "text/plain",
        _ => "application/octet-stream",
    }
}
