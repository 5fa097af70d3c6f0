//! From bytes to text: what kind they are, and in which characters.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::html;

/// Where HTML says its character set (https://html.spec.whatwg.org/#determining-the-character-encoding).
const PRESCAN: usize = 1_024;

/// The media type without its parameters, in lower case.
fn essence(media_type: Option<&str>) -> String {
    let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn is_html(essence: &str) -> bool {
    matches!(essence, "text/html" | "application/xhtml+xml")
}

/// Whether the media type alone tells that there is no text. A missing one, and `application/octet-stream`, which
/// servers say of anything, are decided by the bytes.
pub(crate) fn is_binary(media_type: Option<&str>) -> bool {
    const TEXTS: [&str; 12] = [
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/octet-stream",
        "application/rtf",
        "application/sql",
        "application/toml",
        "application/x-ndjson",
        "application/x-sh",
        "application/xml",
        "application/yaml",
    ];
    let essence = essence(media_type);
    let text = essence.is_empty()
        || essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || essence.ends_with("+yaml")
        || TEXTS.contains(&essence.as_str())
        || matches!(essence.as_str(), "application/x-yaml" | "application/x-javascript" | "application/jsonl");
    !text
}

/// The text of a body; `None` when it is none. HTML is made readable unless it is wanted `raw`.
pub(crate) fn text(bytes: &[u8], media_type: Option<&str>, url: &str, raw: bool) -> Option<String> {
    let essence = essence(media_type);
    let unsure = matches!(essence.as_str(), "" | "application/octet-stream" | "unknown/unknown");
    let html = is_html(&essence) || (unsure && looks_like_html(bytes));
    let encoding = encoding(bytes, media_type, html);
    // Every character of UTF-16 text that is ASCII has a zero byte; in other text a zero byte is a sign of none.
    if encoding.is_ascii_compatible() && bytes.iter().take(PRESCAN).any(|byte| *byte == 0) {
        return None;
    }
    let (text, _, _) = encoding.decode(bytes);
    Some(if html && !raw { html::readable(&text, url) } else { text.into_owned() })
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let start: Vec<u8> = bytes.iter().take(PRESCAN).map(u8::to_ascii_lowercase).collect();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|tag| start.starts_with(tag))
}

/// The encoding: by byte order mark, header, `meta`, and else by whether it is UTF-8.
fn encoding(bytes: &[u8], media_type: Option<&str>, html: bool) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    let start = &bytes[..bytes.len().min(PRESCAN)];
    let said = media_type.and_then(|text| label(text.as_bytes()));
    // What is read as ASCII to find the label cannot be UTF-16.
    let meta = || label(start).map(|encoding| if encoding.is_ascii_compatible() { encoding } else { UTF_8 });
    let said = said.or_else(|| if html { meta() } else { None });
    said.unwrap_or_else(|| if mostly_utf8(bytes) { UTF_8 } else { WINDOWS_1252 })
}

/// The encoding after the first `charset=`, as in a header and in both forms of `meta`, and `encoding=` of XML.
fn label(text: &[u8]) -> Option<&'static Encoding> {
    let text = text.to_ascii_lowercase();
    let after = |key: &[u8]| {
        let at = text.windows(key.len()).position(|window| window == key)?;
        let rest = text[at + key.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
        let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"-_:.+".contains(byte));
        Encoding::for_label(&rest[..end.unwrap_or(rest.len())])
    };
    after(b"charset").or_else(|| after(b"encoding"))
}

/// Whether it is UTF-8, but for a character that is cut off at the end.
fn mostly_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plain(bytes: &[u8], media_type: &str) -> String {
        text(bytes, Some(media_type), "https://h.example/", false).unwrap()
    }

    #[test]
    fn the_character_set_is_the_one_the_server_or_the_page_says() {
        assert_eq!(plain("blåbær".as_bytes(), "text/plain"), "blåbær");
        assert_eq!(plain(b"bl\xe5b\xe6r", "text/plain; charset=iso-8859-1"), "blåbær");
        assert_eq!(plain(b"bl\xe5b\xe6r", "text/plain"), "blåbær");
        assert_eq!(plain(b"\x93\xfa\x96\x7b", "text/plain; Charset=\"Shift_JIS\""), "日本");
        assert_eq!(plain(b"<meta charset=windows-1251><p>\xcc\xe8\xf0", "text/html"), "Мир");
        let long = b"<meta http-equiv=Content-Type content='text/html; charset = euc-kr'>\xc7\xd1";
        assert_eq!(plain(long, "text/html"), "한");
        assert_eq!(plain(b"\xef\xbb\xbfx", "text/plain; charset=iso-8859-1"), "x");
        assert_eq!(plain(b"\xff\xfea\x00b\x00", "text/plain"), "ab");
        assert_eq!(plain("é".as_bytes(), "text/plain; charset=nonsense"), "é");
        assert_eq!(plain(&"xé".as_bytes()[..2], "text/plain"), "x\u{fffd}");
    }

    #[test]
    fn a_label_in_plain_text_is_not_believed() {
        assert_eq!(plain("charset=utf-16 é".as_bytes(), "text/plain"), "charset=utf-16 é");
        assert_eq!(plain("<meta charset=utf-16>é".as_bytes(), "text/html"), "é");
    }

    #[test]
    fn what_is_no_text_is_none_by_type_or_by_bytes() {
        for binary in ["image/png", "application/pdf", "video/mp4", "application/zip", "font/woff2"] {
            assert!(is_binary(Some(binary)), "{binary}");
        }
        for maybe in [
            "text/css",
            "application/ld+json",
            "image/svg+xml",
            "Application/JSON; charset=utf-8",
            "",
            "application/octet-stream",
        ] {
            assert!(!is_binary(Some(maybe)), "{maybe}");
        }
        assert!(!is_binary(None));
        assert_eq!(text(b"\x7fELF\x00\x01", Some("application/octet-stream"), "https://h.example/", false), None);
        assert_eq!(text(b"GIF\x00", Some("text/html"), "https://h.example/", false), None);
    }

    #[test]
    fn html_is_made_readable_and_the_rest_is_as_it_is() {
        assert_eq!(plain(b"<b>x</b>", "text/html; charset=utf-8"), "x");
        assert_eq!(plain(b"<b>x</b>", "application/xml"), "<b>x</b>");
        assert_eq!(text(b"<!DOCTYPE html><p>x", None, "https://h.example/", false).unwrap(), "x");
        assert_eq!(text(b"<p>x", Some("text/html"), "https://h.example/", true).unwrap(), "<p>x");
        assert_eq!(plain(b"{\"a\":[1]}", "application/json"), "{\"a\":[1]}");
    }
}
